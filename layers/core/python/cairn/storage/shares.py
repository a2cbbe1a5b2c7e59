"""Shares: one packed item each, all in one partition, since a deployment has a handful of them.

Requests write what is shared and whom to ask for, the reconciler what it found: both by compare-and-set on
the item's version. A share has 300 to 3,000 bytes, 10 more for each account of an organisational unit.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from cairn.domain.access import Pattern, Permission
from cairn.domain.shares import Found, LastRun, Share, share_missing
from cairn.errors import InvalidParameterValue, ResourceAlreadyExists
from cairn.storage import keys
from cairn.storage.codec import FORMAT
from cairn.storage.expr import Absent, eq
from cairn.storage.table import ConditionFailed, Delete, Item, Put, Query, Table

_MAX_BYTES = 300_000
"""An item holds 400 KB (DynamoDB)."""


class Shares:
    """The shares of a deployment, by name."""

    def __init__(self, table: Table, pause: Callable[[int], None]) -> None:
        self._table = table
        self._pause = pause

    def create(self, share: Share) -> Share:
        """1 PutItem. ResourceAlreadyExists where the name is taken; the same share again is a replay, and
        answered as it stands."""
        try:
            self._table.put(Put(_item(share, 1), Absent()))
        except ConditionFailed as failed:
            held = None if failed.item is None else _share(failed.item)
            if held is not None and held.share_id == share.share_id:
                return held
            going = held is not None and held.deleting
            raise ResourceAlreadyExists(
                f"The share {share.name!r} is being deleted; its name is free within minutes."
                if going
                else f"There is a share {share.name!r} already. `cairn share update` changes it."
            ) from None
        return share

    def get(self, name: str) -> Share:
        """1 GetItem. ResourceDoesNotExist for an unknown one."""
        return _share(self._get(name))

    def change(self, name: str, edit: Callable[[Share], Share]) -> Share:
        """1 GetItem, 1 PutItem where something changes; both again where somebody else wrote meanwhile.
        ResourceDoesNotExist, also for a share of the same name that is another one."""
        attempt = 0
        while True:
            item = self._get(name)
            held = _share(item)
            changed = edit(held)
            if changed == held:
                return held
            try:
                self._table.put(Put(_item(changed, item["v"] + 1), eq("v", item["v"])))
            except ConditionFailed:
                attempt += 1
                self._pause(attempt)
            else:
                return changed

    def remove(self, share: Share) -> bool:
        """1 GetItem, 1 DeleteItem: the record, where it is still as given."""
        item = self._table.get(keys.share(share.name))
        if item is None or _share(item) != share:
            return False
        try:
            self._table.delete(Delete(keys.share(share.name), eq("v", item["v"])))
        except ConditionFailed:
            return False
        return True

    def all(self) -> tuple[list[Share], LastRun | None]:
        """By name, and what the reconciler noted last. 1 Query per MB."""
        found: list[Share] = []
        last: LastRun | None = None
        after: str | None = None
        while True:
            page = self._table.query(Query(keys.SHARES, after=after))
            for item in page.items:
                if item["sk"] == keys.HEAD:
                    last = LastRun(item["t"], tuple(item["u"]))
                else:
                    found.append(_share(item))
            after = page.after
            if after is None:
                return found, last

    def note(self, run: LastRun) -> None:
        """1 PutItem."""
        key = keys.share(keys.HEAD)
        self._table.put(
            Put({"pk": key.pk, "sk": key.sk, "f": FORMAT, "t": run.time, "u": list(run.unmatched)})
        )

    def _get(self, name: str) -> Item:
        item = self._table.get(keys.share(name)) if name and name != keys.HEAD and len(name) <= 64 else None
        if item is None:
            raise share_missing(name)
        return item


def _item(share: Share, version: int) -> dict[str, Any]:
    key = keys.share(share.name)
    content: Mapping[str, Any] = {
        "permission": share.permission.name,
        "patterns": [[one.kind, one.match, one.text] for one in share.patterns],
        "roles": list(share.roles),
        "members": dict(share.members),
        "created": share.created,
        "updated": share.updated,
        "deleting": share.deleting,
        "declared": share.declared,
        "direct": share.direct,
        "ram": share.ram_arn,
        "pointed": share.pointed,
        "granted": dict(share.granted),
        "state": share.found.state,
        "statuses": dict(share.found.principals),
        "problems": list(share.found.problems),
    }
    blob = zlib.compress(json.dumps(content, separators=(",", ":")).encode())
    if len(blob) > _MAX_BYTES:
        raise InvalidParameterValue(
            f"The share {share.name!r} passes {_MAX_BYTES} bytes. Share less with it."
        )
    return {"pk": key.pk, "sk": key.sk, "f": FORMAT, "v": version, "i": share.share_id, "b": blob}


def _share(item: Item) -> Share:
    content = json.loads(zlib.decompress(item["b"]))
    return Share(
        share_id=item["i"],
        name=item["sk"],
        permission=Permission[content["permission"]],
        patterns=tuple(Pattern(kind, match, text) for kind, match, text in content["patterns"]),
        roles=tuple(content["roles"]),
        members=content["members"],
        created=content["created"],
        updated=content["updated"],
        deleting=content["deleting"],
        declared=content["declared"],
        direct=content.get("direct", False),
        ram_arn=content["ram"],
        pointed=content["pointed"],
        granted=content["granted"],
        found=Found(content["state"], content["statuses"], tuple(content["problems"])),
    )
