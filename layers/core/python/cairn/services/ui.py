"""What MLflow's UI asks for on every page, and of features that Cairn does not offer: empty answers.

They are those of MLflow's own server where a feature is there but not used (server/handlers.py,
server/assistant/api.py). A 404 would do, but shows as an error on some pages.
"""

import hashlib

from cairn.protocol.messages.ui import Anything, GetOrCreateUserQueue
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller


def nothing(stores: Stores, caller: Caller, request: Anything) -> Result:
    """A list without entries, as proto-JSON has it. And ``users/current`` without a user: nobody has an
    account here, so the UI offers none (MLflow without accounts has no such route, which the UI takes for
    the same)."""
    return {}


def telemetry_settings(stores: Stores, caller: Caller, request: Anything) -> Result:
    """MLflow's FALLBACK_UI_CONFIG: the UI reports nothing to anybody."""
    return {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0}


def telemetry(stores: Stores, caller: Caller, request: Anything) -> Result:
    """What the UI reports all the same is dropped, and it is told to stop."""
    return {"status": "disabled"}


def mcp_servers(stores: Stores, caller: Caller, request: Anything) -> Result:
    return {"mcp_servers": [], "next_page_token": None}


def scorer_configs(stores: Stores, caller: Caller, request: Anything) -> Result:
    return {"configs": []}


def gateway_endpoints(stores: Stores, caller: Caller, request: Anything) -> Result:
    """MLflow's ``gateway_proxy_handler`` without a gateway."""
    return {"endpoints": []}


def assistant_settings(stores: Stores, caller: Caller, request: Anything) -> Result:
    return {"providers": {}, "projects": {}, "remote_access_allowed": False}


def assistant_providers(stores: Stores, caller: Caller, request: Anything) -> Result:
    return {"providers": []}


def user_queue(stores: Stores, caller: Caller, request: GetOrCreateUserQueue) -> Result:
    """The queue of a user's reviews, as old as its experiment and without an item. Nothing is stored: its
    id follows from its names. Costs a read of the experiment, which must be there, as in MLflow."""
    experiment = stores.experiments.get(request.experiment_id)
    name = request.user.strip().lower()
    names = f"{experiment.experiment_id}/{name}".encode()
    return {
        "review_queue": {
            "queue_id": f"rq-{hashlib.sha256(names).hexdigest()[:32]}",
            "experiment_id": experiment.experiment_id,
            "name": name,
            "queue_type": "USER",
            "created_by": name,
            "creation_time_ms": experiment.creation_time,
            "last_update_time_ms": experiment.creation_time,
            "users": [name],
        }
    }
