"""A deployment's shares, grants and reconciler beside a fake RAM, with a clock and a fuse."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from cairn.domain import shares as rules
from cairn.domain.access import Permission
from cairn.domain.grants import Grant
from cairn.domain.shares import Place, Share
from cairn.sharing.direct import BucketPolicy, Folder
from cairn.sharing.ram import Organization, Parameters, Ram, Unavailable
from cairn.sharing.reconcile import GRACE_MS, Reconciler, Report
from cairn.sharing.shares import Here, grants_of
from cairn.storage.engine import EngineTable
from cairn.storage.grants import Grants
from cairn.storage.shares import Shares
from cairn.storage.sqlite import SqliteTable
from cairn.storage.table import Scan
from tests.sharing.ram_fake import OWNER, REGION, FakeOrganizations, FakeRam, FakeS3, FakeSsm, World
from tests.storage.faults import Crash

URI = f"https://abc123.execute-api.{REGION}.amazonaws.com/prod"
HERE = Here("aws", OWNER, REGION, "prod", URI, "/cairn/prod/shares")
PLACE = Place(OWNER, reads_organizations=True)
FOLDER = Folder("aws", "bucket", "artifacts")
TLS = {
    "Effect": "Deny",
    "Principal": {"AWS": "*"},
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
BASE = json.dumps({"Version": "2012-10-17", "Statement": [TLS]})
ALICE, BOB, CAROL = "444455556666", "777788889999", "222233334444"


class Fuse:
    """Counts calls, to AWS and to the table, before and after each. At ``blow`` the process dies, and stays
    dead; at ``at`` something else happens first."""

    def __init__(self) -> None:
        self.reset()

    def reset(self, blow: int = 0, at: int = 0, then: Callable[[], object] = lambda: None) -> None:
        self.count, self.dead, self.busy = 0, False, False
        self.blow, self.at, self.then = blow, at, then

    def tick(self, _: object = None) -> None:
        if self.busy:
            return
        self.count += 1
        if self.count == self.at:
            self.busy = True
            self.then()
            self.busy = False
        if self.dead or self.count == self.blow:
            self.dead = True
            raise Crash(f"at {self.count}")


class FusedTable:
    """A table whose every request ticks the fuse."""

    def __init__(self, table: EngineTable, fuse: Fuse) -> None:
        self._table, self._fuse = table, fuse

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._table, name)

        def ticking(*arguments: Any, **more: Any) -> Any:
            self._fuse.tick()
            answer = call(*arguments, **more)
            self._fuse.tick()
            return answer

        return ticking


class Stage:
    """``direct``: with the setting direct_s3, whose bucket has a policy of CloudFormation's."""

    def __init__(self, world: World | None = None, *, direct: bool = False) -> None:
        self.world = world or World()
        self.s3 = FakeS3(self.world)
        self.direct = direct
        self.world.policy = BASE
        self.now = 1_000_000_000
        self.fuse = Fuse()
        self.world.before_call = self.world.after_call = self.fuse.tick
        self.plain = SqliteTable()
        self.table: Any = FusedTable(self.plain, self.fuse)
        self.shares = Shares(self.table, lambda attempt: None)
        self.grants = Grants(self.table)
        self.organizations = True
        self._made = 0

    def close(self) -> None:
        self.plain.close()

    def reconciler(self) -> Reconciler:
        organization = Organization(lambda: FakeOrganizations(self.world))

        def units(unit: str) -> frozenset[str]:
            if not self.organizations:
                raise Unavailable("no role")
            return organization.accounts(unit)

        ram, parameters = Ram(FakeRam(self.world), "prod"), Parameters(FakeSsm(self.world))
        policy = BucketPolicy(self.s3, FOLDER, OWNER) if self.direct else None
        return Reconciler(self.shares, self.grants, ram, parameters, units, HERE, lambda: self.now, policy)

    def run(self) -> Report:
        return self.reconciler().run()

    def share(
        self,
        name: str = "fraud",
        principals: Iterable[str] = (ALICE,),
        roles: tuple[str, ...] = (),
        permission: Permission = Permission.READ,
        direct: tuple[str, ...] = (),
    ) -> Share:
        """A record as a request writes it; ``direct``: of these experiments, with --direct-s3."""
        self._made += 1
        patterns = (*rules.patterns_of("experiments", [f"{name}/*"]), *rules.patterns_of("models", [name]))
        record = Share(
            share_id=f"{self._made:016x}",
            name=name,
            permission=permission,
            patterns=tuple(rules.ids_of(direct)) or patterns,
            roles=roles,
            direct=bool(direct),
            members={},
            created=self.now,
            updated=self.now,
        )
        asked = rules.asked_for(record, [rules.principal_of(text, PLACE) for text in principals])
        return self.shares.create(rules.check_whole(asked))

    def edit(self, name: str, edit: Callable[[Share], Share]) -> Share:
        return self.shares.change(name, lambda held: replace(edit(held), updated=self.now))

    def add(self, name: str, *principals: str) -> None:
        found = [rules.principal_of(text, PLACE) for text in principals]
        self.edit(name, lambda held: rules.check_whole(rules.asked_for(held, found)))

    def remove(self, name: str, *principals: str) -> None:
        self.edit(name, lambda held: rules.let_go(held, principals))

    def delete(self, name: str) -> None:
        self.edit(name, lambda held: replace(held, deleting=True))

    def settled(self, name: str = "fraud", principals: Iterable[str] = (ALICE,), **more: Any) -> Share:
        """A share that everybody is in, invitations accepted."""
        self.share(name, principals, **more)
        for _ in range(3):
            self.run()
            self.world.settle()
            for text in principals:
                self.world.accept(text)
        self.run()
        return self.shares.get(name)

    def later(self, ms: int = 5 * 60_000) -> None:
        self.now += ms

    def quiet(self) -> None:
        """Until nothing is under way any more, but invitations that nobody answers."""
        for _ in range(4):
            self.world.settle()
            self.later(GRACE_MS + 1)
            self.run()

    def held(self, holder: str) -> set[Grant]:
        return set(Grants(self.plain).held([holder]))

    def holders(self) -> set[str]:
        """Everybody who holds anything, read from the table as it is."""
        keys = self.plain.scan(Scan(("G#",))).keys
        return {key.pk.removeprefix("G#") for key in keys if self.held(key.pk.removeprefix("G#"))}

    def expected(self) -> dict[str, set[Grant]]:
        """What RAM's truth and the records give, worked out without the reconciler."""
        wanted: dict[str, set[Grant]] = {}
        for record in self.shares.all()[0]:
            for holder in set() if record.deleting else self._in(record):
                wanted.setdefault(holder, set()).update(grants_of(record, holder))
        return wanted

    def _in(self, record: Share) -> set[str]:
        world = self.world
        found = {OWNER} if record.members.get(OWNER, "leaving") != "leaving" else set()
        share = world.shares.get(record.ram_arn)
        if share is None or not world.gives(share):
            return found
        for entity in {row.entity for row in world.associations if row.share == share.arn}:
            principal = rules.parse_principal(entity)
            left = record.members.get(entity) == "leaving"
            if principal is None or left or not world.is_in(share.arn, entity):
                continue
            if principal.kind == "ou":
                found |= world.accounts_below(principal.identity) if not record.roles else set()
            elif principal.kind == "account" or not record.roles:
                found.add(principal.identity)
        return found
