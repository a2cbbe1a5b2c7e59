"""The part of the route table that MLflow's web UI alone calls, and Cairn's own page, the overview.

Some of it belongs to features that Cairn does not offer. Their lists are empty, as MLflow's are before a
feature is used, so that a page which looks there shows that nothing is there; what would create or change
something is no route. One of those is asked for by merely looking: the page of reviews gets or creates the
user's own queue, which therefore is there, and empty, for everybody.
"""

from cairn.protocol.messages.graphql import GraphQL
from cairn.protocol.messages.overview import Overview
from cairn.protocol.messages.ui import Anything, GetOrCreateUserQueue
from cairn.protocol.routes import OWN, Route

_V2 = "/api/2.0/mlflow"
_V3 = "/api/3.0/mlflow"
_READ = "server:read"

_NOTHING_THERE = (
    ("POST", f"{_V3}/traces/search"),
    ("POST", f"{_V3}/traces/metrics"),
    ("POST", f"{_V3}/datasets/search"),
    ("GET", f"{_V3}/scorers/list"),
    ("GET", f"{_V3}/gateway/endpoints/list"),
    ("GET", f"{_V3}/gateway/endpoints/bindings/list"),
    ("GET", f"{_V3}/gateway/model-definitions/list"),
    ("GET", f"{_V3}/gateway/secrets/list"),
    ("GET", f"{_V3}/review-queues/list"),
    ("GET", f"{_V3}/label-schemas/list"),
)

UI_ROUTES = (
    Route("GET", f"{OWN}/overview", Overview, "overview.get_overview", _READ),
    Route("POST", "/graphql", GraphQL, "graphql.execute", "runs:read"),
    Route("GET", f"{_V3}/ui-telemetry", Anything, "ui.telemetry_settings", _READ),
    Route("POST", f"{_V3}/ui-telemetry", Anything, "ui.telemetry", _READ),
    Route("GET", f"{_V2}/users/current", Anything, "ui.nothing", _READ),
    Route("GET", f"{_V2}/gateway-proxy", Anything, "ui.gateway_endpoints", _READ),
    Route("GET", f"{_V3}/assistant/config", Anything, "ui.assistant_settings", _READ),
    Route("GET", f"{_V3}/assistant/providers", Anything, "ui.assistant_providers", _READ),
    Route("GET", f"{_V3}/mcp-servers", Anything, "ui.mcp_servers", _READ),
    Route("GET", f"{_V3}/scorers/online-configs", Anything, "ui.scorer_configs", _READ),
    *(Route(method, path, Anything, "ui.nothing", _READ) for method, path in _NOTHING_THERE),
    Route(
        "POST",
        f"{_V3}/review-queues/get-or-create-user",
        GetOrCreateUserQueue,
        "ui.user_queue",
        "experiments:read",
    ),
    Route(
        "POST",
        f"{_V2}/upload-artifact",
        None,
        "artifacts.upload_run_artifact",
        "artifacts:write",
        "artifacts",
    ),
)
