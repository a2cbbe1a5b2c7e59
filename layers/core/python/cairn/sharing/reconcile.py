"""The reconciler: makes grants equal to records times RAM's principals, and RAM's shares what records
wish.

It may die between any two calls, run beside another, come late or for nothing: each run reads everything
and trusts no event. A round reads the records, RAM, the grants; what is to change is done only where a
second reading of RAM agrees with the first, grants before all else; then the next round reads again, until
a round finds nothing to change. So what a slower reconciler wrote on an older reading is put right by
whoever wrote last, and by itself before it ends.

A record lists every holder who may hold its grants (``granted``) before one is written, and for
``GRACE_MS`` after the last change: longer than a run can live, so that no grant is left that no record
knows of.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from cairn.domain import shares as rules
from cairn.domain.clock import Clock
from cairn.domain.grants import Grant, is_account
from cairn.domain.shares import LastRun, Share
from cairn.errors import InvalidParameterValue, ResourceDoesNotExist
from cairn.sharing.direct import BucketPolicy, Laying
from cairn.sharing.ram import Missing, Parameters, Ram, Refused, Truth, Unavailable
from cairn.sharing.shares import Here, Plan, Step, concerns_ram, decide, grants_of, unmatched

ROUNDS = 8
GRACE_MS = 120_000
"""Three times what the function may run (infra.constructs.sharing.TIMEOUT_S)."""

_LOG = logging.getLogger(__name__)


class Records(Protocol):
    """The shares' records (``storage.shares``)."""

    def all(self) -> tuple[list[Share], LastRun | None]: ...
    def change(self, name: str, edit: Callable[[Share], Share]) -> Share: ...
    def remove(self, share: Share) -> bool: ...
    def note(self, run: LastRun) -> None: ...


class GrantStore(Protocol):
    """Grants by holder (``storage.grants``)."""

    def held(self, holders: Sequence[str]) -> list[Grant]: ...
    def replace(self, holder: str, grants: Sequence[Grant], seen: Sequence[Grant]) -> bool: ...


class Unsettled(Exception):
    """Something changed in each round; the next run goes on."""


@dataclass(frozen=True, slots=True)
class Report:
    """How the shares stand: ``problems`` are shares that a person has to look at, ``waiting`` those under
    way, ``unmatched`` RAM shares without a record; ``changed``: holders whose grants were written."""

    shares: int = 0
    problems: int = 0
    waiting: int = 0
    unmatched: int = 0
    changed: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class Reconciler:
    """``units`` gives the accounts of an organisational unit, or raises Unavailable. ``policy``: the
    artifact bucket's, where this deployment may change it."""

    def __init__(
        self,
        records: Records,
        grants: GrantStore,
        ram: Ram,
        parameters: Parameters,
        units: Callable[[str], frozenset[str]],
        here: Here,
        clock: Clock,
        policy: BucketPolicy | None = None,
    ) -> None:
        self._policy = policy
        self._records = records
        self._grants = grants
        self._ram = ram
        self._parameters = parameters
        self._units = units
        self._here = here
        self._clock = clock

    def run(self) -> Report:
        """Where there are no records, 1 Query. Else 1 BatchGetItem per 100 holders, 1 PutItem, and, where
        RAM has a part in any share, at least 3 requests to it. With ``policy``, 1 GetBucketPolicy always, 2
        and 1 PutBucketPolicy where it changes. Raises Unavailable where RAM could not be read whole
        (nothing changed then) or the policy not be read or put (all else is done), Unsettled."""
        run = _Run(self._units_once(), Laying(self._policy))
        for _ in range(ROUNDS):
            if not self._round(run):
                if run.direct.postponed:
                    raise Unavailable(run.direct.postponed)
                return run.report
        raise Unsettled(f"Something changed in each of {ROUNDS} rounds.")

    def _round(self, run: "_Run") -> bool:
        """Whether anything was changed, or is to be looked at again."""
        records, _ = self._records.all()
        run.report = Report(changed=run.report.changed)
        truth = self._read(records)
        plans = [decide(record, truth, run.units, self._here, self._clock()) for record in records]
        held = self._held(plans)
        wanted = run.fitting(plans, held, _wanted(plans, held))
        moved = [holder for holder in held if wanted[holder] != held[holder]]
        laying = run.direct.look(plans, run.full)
        if not records and not laying:
            return False
        if moved or laying or any(self._changes(plan, held, run) for plan in plans):
            if self._read(records) != truth:
                return True
            if not self._write(plans, held, wanted, moved, run):
                return True
            run.report = replace(run.report, changed=run.report.changed + len(moved))
            laid = run.direct.put()
            done = [self._carry_out(plan, held, run) for plan in plans]
            if moved or laid or any(done):
                return True
        self._note(run, records, unmatched(records, truth))
        return False

    def _read(self, records: Sequence[Share]) -> Truth:
        if not any(concerns_ram(record, self._here) for record in records):
            return {}
        return self._ram.read(frozenset(record.ram_arn for record in records if record.ram_arn))

    def _held(self, plans: Sequence[Plan]) -> dict[str, frozenset[Grant]]:
        """What everybody holds whom the plans are about."""
        holders = sorted({holder for plan in plans for holder in (*plan.before.granted, *plan.holders)})
        found: dict[str, set[Grant]] = {holder: set() for holder in holders}
        for start in range(0, len(holders), 100):
            for grant in self._grants.held(holders[start : start + 100]):
                found[grant.holder].add(grant)
        return {holder: frozenset(grants) for holder, grants in found.items()}

    def _changes(self, plan: Plan, held: Mapping[str, frozenset[Grant]], run: "_Run") -> bool:
        return (
            any((plan.before.share_id, step) not in run.done for step in plan.steps)
            or self._after(plan, plan.share, held, run.refused(plan)) != plan.before
            or (plan.ends and not plan.before.granted)
        )

    def _write(
        self,
        plans: Sequence[Plan],
        held: Mapping[str, frozenset[Grant]],
        wanted: Mapping[str, frozenset[Grant]],
        moved: Sequence[str],
        run: "_Run",
    ) -> bool:
        """Each holder's grants, by compare-and-set; what is taken away goes first. False where somebody
        else wrote, or a record went, meanwhile."""
        now = self._clock()
        for plan in plans:
            name = plan.before.name
            touched = {
                holder
                for holder in moved
                if any(grant.share == name for grant in wanted[holder] ^ held[holder])
            }
            if touched and not self._announce(plan, touched, now):
                return False
        whole = True
        for holder in sorted(moved, key=lambda one: (not held[one] - wanted[one], one)):
            try:
                whole &= self._grants.replace(holder, sorted(wanted[holder], key=repr), list(held[holder]))
            except InvalidParameterValue as error:
                run.full[holder] = error.message
                whole = False
        return whole

    def _announce(self, plan: Plan, holders: Iterable[str], now: int) -> bool:
        """List the holders in the record before their grants are written."""

        def edit(held: Share) -> Share:
            if held.share_id != plan.before.share_id:
                return held
            return replace(held, granted={**held.granted, **dict.fromkeys(holders, now)})

        try:
            changed = self._records.change(plan.before.name, edit)
        except ResourceDoesNotExist:
            return False
        plan.before = replace(plan.before, granted=changed.granted)
        plan.share = replace(plan.share, granted=changed.granted)
        return changed.share_id == plan.before.share_id

    def _carry_out(self, plan: Plan, held: Mapping[str, frozenset[Grant]], run: "_Run") -> bool:
        """Do the steps that this run has not done, then keep in the record what came of them."""
        share, done = plan.share, False
        try:
            for step in plan.steps:
                if (share.share_id, step) in run.done:
                    continue
                run.done.add((share.share_id, step))
                try:
                    share = self._do(step, share)
                    done = True
                except Refused as error:
                    run.refusals.setdefault(share.share_id, {})[step] = _told(step, error)
                    if step.do in ("point", "create"):
                        break
        except Unavailable:
            # How it stands says which steps are behind it: these are not, and come again.
            after = self._after(plan, share, held, run.refused(plan))
            self._keep(plan.before, replace(after, found=plan.before.found))
            raise
        after = self._after(plan, share, held, run.refused(plan))
        kept = self._keep(plan.before, after)
        if kept and plan.ends and not plan.stands and not after.granted and not after.found.problems:
            done |= self._records.remove(after)
        return done or (kept and after != plan.before)

    def _after(
        self, plan: Plan, share: Share, held: Mapping[str, frozenset[Grant]], refused: Sequence[str]
    ) -> Share:
        """The record as it is to be. Who is no holder any more, and held nothing when this round read, is
        forgotten after a while."""
        now = self._clock()
        granted = {
            holder: time
            for holder, time in share.granted.items()
            if holder in plan.holders or _holds(held, holder, share) or now - time < GRACE_MS
        }
        return replace(share, granted=granted, found=plan.found(refused))

    def _keep(self, before: Share, after: Share) -> bool:
        """What the reconciler knows, beside what requests wrote meanwhile."""

        def edit(held: Share) -> Share:
            return _merged(held, before, after) if held.share_id == before.share_id else held

        try:
            return self._records.change(before.name, edit) == after
        except ResourceDoesNotExist:
            return False

    def _do(self, step: Step, share: Share) -> Share:
        here = self._here
        match step.do:
            case "point":
                what = f"Cairn: where {share.name!r} is shared (docs/sharing.md)"
                if (
                    self._parameters.point(here.parameter(share), here.pointer(share), what)
                    and share.pointed
                ):
                    _LOG.warning("a parameter did not say what it should", extra={"share": share.name})
                return replace(share, pointed=self._clock())
            case "create":
                external = any(is_account(text) for text in share.members if text != here.account)
                parameter, permission = here.parameter_arn(share), here.permission_arn
                name = f"cairn-{here.deployment}-{share.name}"
                arn = self._ram.create(name, share.share_id, parameter, permission, external=external)
                return replace(share, ram_arn=arn)
            case "admit":
                self._ram.admit_external(share.ram_arn)
            case "associate":
                self._ram.associate(share.ram_arn, step.subject)
                return replace(share, members={**share.members, step.subject: "asked"})
            case "disassociate":
                self._ram.disassociate(share.ram_arn, step.subject)
            case "forget":
                return self._forget(share, step.subject)
            case "delete":
                self._ram.delete(step.subject)
            case "unpoint":
                self._parameters.delete(here.parameter(share))
        return share

    def _forget(self, share: Share, principal: str) -> Share:
        try:
            self._ram.disassociate(share.ram_arn, principal)
        except Refused as error:
            _LOG.info("RAM knows nothing of a principal that leaves", extra={"reason": str(error)})
        members = {text: wish for text, wish in share.members.items() if text != principal}
        return replace(share, members=members)

    def _note(self, run: "_Run", records: Sequence[Share], stray: tuple[str, ...]) -> None:
        states = [record.found.state for record in records]
        run.report = replace(
            run.report,
            shares=len(records),
            problems=sum(bool(record.found.problems) for record in records),
            waiting=sum(state in (rules.NEW, rules.WAITING, rules.DELETING) for state in states),
            unmatched=len(stray),
        )
        self._records.note(LastRun(self._clock(), stray))

    def _units_once(self) -> Callable[[str], frozenset[str]]:
        """Each unit is read once in a run."""
        read: dict[str, frozenset[str] | Unavailable] = {}

        def units(unit: str) -> frozenset[str]:
            if unit not in read:
                try:
                    read[unit] = self._units(unit)
                except Unavailable as error:
                    read[unit] = error
            found = read[unit]
            if isinstance(found, Unavailable):
                raise found
            return found

        return units


class _Run:
    """What one run did: a step is done once in it, since RAM may show late what it was told."""

    def __init__(self, units: Callable[[str], frozenset[str]], direct: Laying) -> None:
        self.units = units
        self.direct = direct
        self.done: set[tuple[str, Step]] = set()
        self.refusals: dict[str, dict[Step, str]] = {}
        self.full: dict[str, str] = {}
        self.report = Report()

    def fitting(
        self,
        plans: Sequence[Plan],
        held: Mapping[str, frozenset[Grant]],
        wanted: Mapping[str, frozenset[Grant]],
    ) -> dict[str, frozenset[Grant]]:
        """Who was to hold more than an item takes holds nothing new, and loses what is to go."""
        for plan in plans:
            plan.problems += [told for holder, told in self.full.items() if holder in plan.holders]
        return {
            holder: grants & held[holder] if holder in self.full else grants
            for holder, grants in wanted.items()
        }

    def refused(self, plan: Plan) -> list[str]:
        """What AWS refused of the plan's steps in this run."""
        said = self.refusals.get(plan.before.share_id, {})
        return [said[step] for step in plan.steps if step in said]


def _wanted(plans: Sequence[Plan], held: Mapping[str, frozenset[Grant]]) -> dict[str, frozenset[Grant]]:
    """By holder. Grants that follow from no share are somebody else's, and stay."""
    wanted = {holder: {grant for grant in grants if not grant.share} for holder, grants in held.items()}
    for plan in plans:
        holders = set(plan.holders)
        if plan.keeps:
            holders |= {holder for holder in held if _holds(held, holder, plan.before)}
        for holder in holders:
            wanted[holder].update(grants_of(plan.share, holder))
    return {holder: frozenset(grants) for holder, grants in wanted.items()}


def _holds(held: Mapping[str, frozenset[Grant]], holder: str, share: Share) -> bool:
    return any(grant.share == share.name for grant in held.get(holder, ()))


def _merged(held: Share, before: Share, after: Share) -> Share:
    """``held`` with what the reconciler changed between ``before`` and ``after``, where nobody else did."""
    if held == before:
        return after
    members = dict(held.members)
    for text in {*before.members, *after.members}:
        was, is_now = before.members.get(text), after.members.get(text)
        if was != is_now and held.members.get(text) == was:
            if is_now is None:
                members.pop(text, None)
            else:
                members[text] = is_now
    gone = {text for text, time in before.granted.items() if text not in after.granted}
    granted = {
        text: time
        for text, time in held.granted.items()
        if text not in gone or time != before.granted[text]
    }
    merged = replace(held, members=members, granted=granted, pointed=after.pointed)
    if held.ram_arn != before.ram_arn:
        return merged
    return replace(merged, ram_arn=after.ram_arn, found=after.found)


def _told(step: Step, error: Refused) -> str:
    what = {
        "point": "AWS refused the parameter",
        "create": "RAM refused to make the share",
        "admit": "RAM refused to admit accounts outside the organisation",
        "associate": f"RAM refused {step.subject}",
        "disassociate": f"RAM refused to take out {step.subject}",
        "delete": "RAM refused to delete its share",
        "unpoint": "AWS refused to delete the parameter",
    }
    told = what.get(step.do, step.do)
    gone = " (it is gone)" if isinstance(error, Missing) else ""
    return f"{told}{gone}: {error}"
