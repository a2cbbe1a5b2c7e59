"""What each reading request costs: DynamoDB requests and read units, to the unit."""

from tests.budget.conftest import Api, Units, metrics, pairs, units


def test_get_run_that_was_logged_in_1000_calls(api: Api) -> None:
    run_id = api.run(api.experiment())
    api.post("runs/log-batch", {"run_id": run_id, "params": pairs("param", 30), "tags": pairs("tag", 10)})
    for step in range(1_000):
        api.post("runs/log-batch", {"run_id": run_id, "metrics": metrics(20, 1, step)})
    cost = api.cost_of_get("runs/get", run_id=run_id)
    requests, writes, reads = cost
    assert cost == [1, 0, 2]
    assert requests <= 3
    assert writes == 0
    assert reads <= 12


def fill(api: Api, experiment: str, runs: int) -> None:
    """Runs of 20 metrics, 30 params and 10 tags (facts of about 3 KB)."""
    for number in range(runs):
        run_id = api.run(experiment)
        batch = {
            "run_id": run_id,
            "metrics": metrics(20, 1, number),
            "params": pairs("param", 30, 60),
            "tags": pairs("tag", 10),
        }
        api.post("runs/log-batch", batch)
    api.clock.now += 3_600_000


def cost_of_page(api: Api, experiment: str, **query: object) -> Units:
    return api.cost_of_post("runs/search", {"experiment_ids": [experiment], "max_results": 100, **query})


def test_a_page_of_runs_costs_the_same_at_any_size(sqlite_api: Api) -> None:
    experiment = sqlite_api.experiment()
    costs = []
    for _ in range(2):
        fill(sqlite_api, experiment, 150)
        assert sqlite_api.app.stores.indexer.sweep(experiment) == 150
        costs.append(
            [
                cost_of_page(sqlite_api, experiment),
                cost_of_page(sqlite_api, experiment, order_by=["metrics.metric_003 DESC"]),
                cost_of_page(sqlite_api, experiment, order_by=["metrics.metric_003 ASC"]),
            ]
        )
    assert costs[0] == costs[1]
    assert costs[0] == [[5, 0, 116], [5, 0, 116], [5, 0, 116]]


def test_a_page_in_default_order_does_not_read_the_runs_that_are_dirty(sqlite_api: Api) -> None:
    experiment = sqlite_api.experiment()
    fill(sqlite_api, experiment, 120)
    assert cost_of_page(sqlite_api, experiment) == [5, 0, 117]


def test_indexing_a_run_of_20_metrics_30_params_10_tags(api: Api) -> None:
    experiment = api.experiment()
    fill(api, experiment, 1)
    with api.meter.measure() as measured:
        assert api.app.stores.indexer.sweep(experiment) == 1
    requests, writes, reads = units(measured)
    assert [requests, writes, reads] == [8, 73, 6]
    assert requests <= 8 + 1  # the query of marks serves a thousand runs
    assert writes <= 100
    assert reads <= 20
