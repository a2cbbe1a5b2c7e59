"""Use-cases of shares. They write records and nothing else: no request speaks to RAM.

What follows from a record, the reconciler does, within seconds as a rule and within five minutes at worst.
Whoever comes here manages everything (the action's decision); a token, which may have been passed on, does
not share.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cairn.domain import shares as rules
from cairn.domain.access import Kind, Pattern
from cairn.domain.shares import Share
from cairn.errors import EndpointNotFound, InvalidParameterValue, PermissionDenied
from cairn.protocol import render_shares as render
from cairn.protocol.messages import shares as messages
from cairn.services.creations import once
from cairn.services.ports import Result, Stores
from cairn.services.share_ports import Shares
from cairn.sharing.caller import SIGNED, Caller

Check = Callable[[Share], None]
"""Raises where a share is not to be."""


def create_share(stores: Stores, caller: Caller, request: messages.CreateShare) -> Result:
    """1 PutItem; before it 1 GetItem for each experiment of direct S3."""
    shares = _shares(stores, caller)
    bits = once(stores, caller, request).bits
    return _shown(
        shares, created(shares, request, f"{bits(64):016x}", stores.clock(), check=_locations(stores))
    )


def list_shares(stores: Stores, caller: Caller, request: messages.ListShares) -> Result:
    """1 Query."""
    shares = _shares(stores, caller)
    found, _ = shares.store.all()
    return {"shares": [_rendered(shares, one) for one in found]}


def get_share(stores: Stores, caller: Caller, request: messages.GetShare) -> Result:
    """1 GetItem."""
    shares = _shares(stores, caller)
    return _shown(shares, shares.store.get(request.name))


def update_share(stores: Stores, caller: Caller, request: messages.UpdateShare) -> Result:
    """1 GetItem, 1 PutItem; 1 GetItem for each experiment of direct S3, where those change."""
    shares = _shares(stores, caller)
    return _shown(shares, updated(shares, request, stores.clock(), _locations(stores)))


def delete_share(stores: Stores, caller: Caller, request: messages.DeleteShare) -> Result:
    """1 GetItem, 1 PutItem: the record says so, the reconciler does it. Again changes nothing."""
    shares = _shares(stores, caller)
    return _shown(shares, deleted(shares, request.name, stores.clock()))


def share_status(stores: Stores, caller: Caller, request: messages.ShareStatus) -> Result:
    """How a share stands, or all of them, and the reconciler. 1 Query."""
    shares = _shares(stores, caller)
    found, last = shares.store.all()
    if request.name:
        found = [one for one in found if one.name == request.name]
        if not found:
            raise rules.share_missing(request.name)
    return {
        "shares": [_rendered(shares, one) for one in found],
        "reconciler": render.reconciler(last, stores.clock()) if found else None,
    }


def created(
    shares: Shares,
    request: messages.CreateShare,
    share_id: str,
    now: int,
    stack: str = "",
    check: Check | None = None,
) -> Share:
    """A new share, or the one that this id made before. ``stack``: the CloudFormation stack that declares
    it. ``check``: of the experiments, by who can read them."""
    rules.check_name(request.name)
    patterns = _Patterns(
        rules.patterns_of("experiments", request.experiments),
        rules.ids_of(request.experiment_ids),
        rules.patterns_of("models", request.models),
        rules.patterns_of("prompts", request.prompts),
    )
    if not request.principals:
        raise InvalidParameterValue(
            "A share names at least one principal: an account, a unit, or an organisation."
        )
    share = Share(
        share_id=share_id,
        name=request.name,
        permission=rules.permission_of(request.permission),
        patterns=rules.check_patterns(patterns.all),
        roles=rules.check_roles(request.roles),
        members={},
        created=now,
        updated=now,
        declared=stack,
    )
    share = rules.switched(share, request.direct_s3, shares.place)
    share = rules.check_whole(_asked(shares, share, request.principals))
    if check is not None:
        check(share)
    made = shares.store.create(share)
    shares.nudge()
    return made


def updated(shares: Shares, request: messages.UpdateShare, now: int, check: Check | None = None) -> Share:
    def edit(held: Share) -> Share:
        changed = _updated(shares, held, request, now)
        if check is not None and (changed.patterns, changed.direct) != (held.patterns, held.direct):
            check(changed)
        return changed

    changed = shares.store.change(request.name, edit)
    shares.nudge()
    return changed


def deleted(shares: Shares, name: str, now: int) -> Share:
    def edit(held: Share) -> Share:
        return held if held.deleting else replace(held, deleting=True, updated=now)

    gone = shares.store.change(name, edit)
    shares.nudge()
    return gone


@dataclass(frozen=True, slots=True)
class _Patterns:
    experiments: Sequence[Pattern]
    experiment_ids: Sequence[Pattern]
    models: Sequence[Pattern]
    prompts: Sequence[Pattern]

    @property
    def all(self) -> Sequence[Pattern]:
        return (*self.experiments, *self.experiment_ids, *self.models, *self.prompts)


def _updated(shares: Shares, held: Share, request: messages.UpdateShare, now: int) -> Share:
    if held.deleting:
        raise InvalidParameterValue(f"The share {held.name!r} is being deleted.")
    by_kind = _Patterns(
        _replaced(held, "experiments", request.experiments),
        [one for one in held.patterns if one.match == "id"]
        if request.experiment_ids is None
        else rules.ids_of(request.experiment_ids),
        _replaced(held, "models", request.models),
        _replaced(held, "prompts", request.prompts),
    )
    changed = replace(
        held,
        permission=rules.permission_of(request.permission) if request.permission else held.permission,
        patterns=rules.check_patterns(by_kind.all),
        roles=held.roles if request.roles is None else rules.check_roles(request.roles),
    )
    changed = rules.switched(changed, request.direct_s3, shares.place)
    both = set(request.principals) & set(request.remove_principals)
    if both:
        raise InvalidParameterValue(f"{sorted(both)[0]} is to come and to go: choose.")
    changed = rules.let_go(_asked(shares, changed, request.principals), request.remove_principals)
    return changed if changed == held else replace(rules.check_whole(changed), updated=now)


def _locations(stores: Stores) -> Check:
    def check(share: Share) -> None:
        for one in share.patterns if share.direct else ():
            location = stores.experiments.get(one.text).artifact_location
            rules.check_location(one.text, location, stores.artifact_root)

    return check


def _replaced(held: Share, kind: Kind, texts: Sequence[str] | None) -> Sequence[Pattern]:
    if texts is None:
        return [one for one in held.patterns if one.kind == kind and one.match != "id"]
    return rules.patterns_of(kind, texts)


def _asked(shares: Shares, share: Share, texts: Sequence[str]) -> Share:
    return rules.asked_for(share, [rules.principal_of(text, shares.place) for text in texts])


def _shown(shares: Shares, share: Share) -> Result:
    return {"share": _rendered(shares, share)}


def _rendered(shares: Shares, share: Share) -> Mapping[str, object]:
    return render.share(share, shares.parameter(share.name), shares.place)


def _shares(stores: Stores, caller: Caller) -> Shares:
    stores.access.demand_everything()
    if stores.shares is None:
        raise EndpointNotFound("Shares are a deployment's in AWS: this server shares nothing through RAM.")
    if caller.front != SIGNED:
        raise PermissionDenied("Shares are managed by signed requests alone, not by tokens.")
    return stores.shares
