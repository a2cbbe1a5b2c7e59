"""Shares that a CloudFormation stack declares: the same rules as of requests, another front.

Whoever may call the function at the front shares what is here: the deployer of the stack, as CloudFormation
asks for ``lambda:InvokeFunction``. A stack changes the share that it made and no other: the resource's
physical id names the share and its id, and a share that was there before fails the creation.
"""

from collections.abc import Mapping
from typing import Any

from cairn.domain.clock import Clock
from cairn.domain.shares import Share
from cairn.errors import CairnError, InvalidParameterValue, ResourceDoesNotExist
from cairn.ids import keyed_bits
from cairn.protocol.messages.shares import CreateShare, UpdateShare
from cairn.services.share_ports import Shares
from cairn.services.shares import created, deleted, updated


class Declarer:
    def __init__(self, shares: Shares, clock: Clock) -> None:
        self._shares = shares
        self._clock = clock

    def declare(self, event: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
        """A custom resource's request, carried out: the physical id, and what ``Fn::GetAtt`` gives. Safe to
        repeat. Raises CairnError."""
        shares = self._shares
        wanted, physical = event["ResourceProperties"], event.get("PhysicalResourceId", "")
        if event["RequestType"] == "Delete":
            self._delete(shares, physical)
            return physical, {}
        if event["RequestType"] == "Update" and physical.partition("/")[0] == wanted.get("Name"):
            share = self._update(shares, physical, wanted, event.get("OldResourceProperties") or {})
        else:
            share = self._create(shares, wanted, event)
        return f"{share.name}/{share.share_id}", {"ParameterArn": shares.parameter(share.name)}

    def _create(self, shares: Shares, wanted: Mapping[str, Any], event: Mapping[str, Any]) -> Share:
        stack = event["StackId"]
        bits = keyed_bits(stack, event["LogicalResourceId"], event["RequestId"])
        request = CreateShare(
            name=_text(wanted, "Name"),
            permission=_text(wanted, "Permission"),
            principals=_texts(wanted, "Principals"),
            experiments=_texts(wanted, "Experiments"),
            experiment_ids=_texts(wanted, "ExperimentIds"),
            models=_texts(wanted, "Models"),
            prompts=_texts(wanted, "Prompts"),
            roles=_texts(wanted, "Roles"),
        )
        return created(shares, request, f"{bits(64):016x}", self._clock(), stack)

    def _update(
        self, shares: Shares, physical: str, wanted: Mapping[str, Any], old: Mapping[str, Any]
    ) -> Share:
        """What the stack does not name any more goes; whom somebody added in RAM stays."""
        held = self._own(shares, physical)
        principals = _texts(wanted, "Principals")
        gone = set(_texts(old, "Principals")) - set(principals)
        request = UpdateShare(
            name=held.name,
            permission=_text(wanted, "Permission"),
            principals=[text for text in principals if held.members.get(text, "leaving") == "leaving"],
            remove_principals=sorted(text for text in gone if text in held.members),
            experiments=_texts(wanted, "Experiments"),
            experiment_ids=_texts(wanted, "ExperimentIds"),
            models=_texts(wanted, "Models"),
            prompts=_texts(wanted, "Prompts"),
            roles=_texts(wanted, "Roles"),
        )
        return updated(shares, request, self._clock())

    def _delete(self, shares: Shares, physical: str) -> None:
        """What is not there, or not this stack's, is left as it is."""
        try:
            held = self._own(shares, physical)
        except CairnError:
            return
        deleted(shares, held.name, self._clock())

    def _own(self, shares: Shares, physical: str) -> Share:
        name, _, share_id = physical.partition("/")
        held = shares.store.get(name)
        if held.share_id != share_id:
            raise ResourceDoesNotExist(f"The share {name!r} is another one than this stack made.")
        return held


def _text(wanted: Mapping[str, Any], name: str) -> str:
    value = wanted.get(name)
    if not isinstance(value, str):
        raise InvalidParameterValue(f"{name} is a text.")
    return value


def _texts(wanted: Mapping[str, Any], name: str) -> list[str]:
    value = wanted.get(name, [])
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise InvalidParameterValue(f"{name} is a list of texts.")
    return value
