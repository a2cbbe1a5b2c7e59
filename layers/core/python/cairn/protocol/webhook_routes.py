"""The part of the route table that is about webhooks: paths of MLflow's webhooks.proto.

A webhook hears of everything in the deployment: who makes one has to manage everything.
"""

from cairn.protocol.message import Message
from cairn.protocol.messages import webhooks
from cairn.protocol.routes import Route

_PATH = "/api/2.0/mlflow/webhooks"


def _route(method: str, path: str, request: type[Message], use_case: str) -> Route:
    return Route(method, _PATH + path, request, f"webhooks.{use_case}", "deployment:manage")


WEBHOOKS = (
    _route("POST", "", webhooks.CreateWebhook, "create_webhook"),
    _route("GET", "", webhooks.ListWebhooks, "list_webhooks"),
    _route("GET", "/{webhook_id}", webhooks.GetWebhook, "get_webhook"),
    _route("PATCH", "/{webhook_id}", webhooks.UpdateWebhook, "update_webhook"),
    _route("DELETE", "/{webhook_id}", webhooks.DeleteWebhook, "delete_webhook"),
    _route("POST", "/{webhook_id}/test", webhooks.TestWebhook, "test_webhook"),
)
