"""What webhooks cost: requests to the table, write units, read units, to the unit."""

from tests.budget.conftest import Api

HOOK = {
    "name": "deploy",
    "url": "https://8.8.8.8/hooks/models",
    "events": [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}],
}


def test_requests(api: Api) -> None:
    webhooks = api.app.stores.webhooks
    with api.meter.measure() as created:
        made = api.post("webhooks", {**HOOK, "secret": "whsec"})["webhook"]["webhook_id"]
    with api.meter.measure() as read:
        api.get(f"webhooks/{made}")
    with api.meter.measure() as updated:
        api.send("PATCH", f"webhooks/{made}", {"status": "DISABLED"})
    with api.meter.measure() as deleted:
        api.send("DELETE", f"webhooks/{made}")
    assert not list(webhooks.store.all())
    costs = [[one.requests, one.write_units, one.read_units] for one in (created, read, updated, deleted)]
    assert costs == [[3, 2, 1], [1, 0, 1], [3, 1, 2], [2, 1, 1]]


def test_a_list(api: Api) -> None:
    for _ in range(100):
        api.post("webhooks", HOOK)
    with api.meter.measure() as measured:
        assert len(api.get("webhooks")["webhooks"]) == 100
    assert [measured.requests, measured.write_units, measured.read_units] == [1, 0, 4]
