"""The part of the route table that is about shares: Cairn's own, under ``/api/`` alone.

Who shares gives away what is anybody's: that takes MANAGE on everything.
"""

from cairn.protocol.message import Message
from cairn.protocol.messages import shares
from cairn.protocol.routes import OWN, Route


def _route(method: str, path: str, request: type[Message], use_case: str) -> Route:
    return Route(method, f"{OWN}/{path}", request, f"shares.{use_case}", "shares:manage")


SHARES = (
    _route("POST", "shares", shares.CreateShare, "create_share"),
    _route("GET", "shares", shares.ListShares, "list_shares"),
    _route("GET", "shares/{name}", shares.GetShare, "get_share"),
    _route("PATCH", "shares/{name}", shares.UpdateShare, "update_share"),
    _route("DELETE", "shares/{name}", shares.DeleteShare, "delete_share"),
    _route("GET", "share-status", shares.ShareStatus, "share_status"),
)
