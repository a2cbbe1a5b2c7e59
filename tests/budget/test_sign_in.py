"""What signing a browser in costs, and each of its requests beside the use-case's own: to the unit."""

from collections.abc import Callable

from cairn.domain.access import Permission
from cairn.sharing.caller import Caller
from cairn.sharing.sessions import CODE_PREFIX, Opened, SignIn, invite
from cairn.sharing.tokens import place
from cairn.storage.sessions import Sessions
from tests.budget.conftest import Api

ADA = Caller("aws", "123456789012", "role", "Train", organisation="o-a1b2c3d4e5", session="job-7")
Spent = tuple[list[str], float, float]
"""Requests, write units, read units."""


def test_prices(api: Api) -> None:
    secrets = iter(range(10))
    store = Sessions(api.table)
    sign_in = SignIn(store, api.clock, lambda bits: next(secrets))
    text, code = invite(ADA, Permission.MANAGE, 12, api.clock(), lambda bits: 77)
    where = place(text, CODE_PREFIX)
    assert where is not None

    def spent(act: Callable[[], object]) -> Spent:
        with api.meter.measure() as measured:
            done.append(act())
        return [cost.operation for cost in measured.costs], measured.write_units, measured.read_units

    done: list[object] = []
    assert spent(lambda: store.add_code(where.holder, where.hashed, code)) == (["PutItem"], 1, 0)
    assert spent(lambda: sign_in.look(text)) == (["BatchGetItem"], 0, 2)
    assert spent(lambda: sign_in.open(text)) == (["BatchGetItem", "DeleteItem", "PutItem"], 2, 2)
    opened = done[-1]
    assert isinstance(opened, Opened)
    assert spent(lambda: sign_in.admit(opened.text)) == (["BatchGetItem"], 0, 2)
    assert spent(lambda: sign_in.close(opened.text)) == (["DeleteItem"], 1, 0)
