"""What each reading request costs: DynamoDB requests and read units, to the unit."""

from tests.budget.conftest import Api, metrics, pairs


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


def test_a_page_of_runs_in_default_order_costs_the_same_at_any_size(api: Api) -> None:
    experiment = api.experiment()
    costs = []
    for size in (150, 150):
        for _ in range(size):
            run_id = api.run(experiment)
            api.post("runs/log-batch", {"run_id": run_id, "params": pairs("param", 10)})
        body = {"experiment_ids": [experiment], "max_results": 100}
        costs.append(api.cost_of_post("runs/search", body))
    assert costs[0] == costs[1] == [5, 0, 107]
