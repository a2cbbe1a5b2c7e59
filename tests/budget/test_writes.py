"""What each writing request costs: DynamoDB requests, write units, read units, to the unit.

The budgets are promises; the counts are what they are today: one more or one less is a change that wants to
be seen. Each call is measured with its run's dirty mark to be renewed: one request and one write unit more
than with a fresh one.
"""

from tests.budget.conftest import Api, Units, metrics, pairs

BUDGETS = {
    "create_run": (4, 8, 2),
    "log_metric": (4, 7, 6),
    "set_on_large_run": (4, 8, 4),
    "log_batch": (5, 14, 6),
    "log_batch_1000": (4, 16, 4),
    "experiment_stage": (4, 8, 4),
}


def within(cost: Units, budget: str) -> bool:
    return all(spent <= allowed for spent, allowed in zip(cost, BUDGETS[budget], strict=True))


def test_create_run_with_4_tags(api: Api) -> None:
    body = {
        "experiment_id": api.experiment(),
        "start_time": 1,
        "run_name": "calm-lake-1",
        "tags": pairs("mlflow.source.tag", 4, 40),
    }
    cost = api.cost_of_post("runs/create", body)
    assert cost == [3, 3, 1]
    assert within(cost, "create_run")


def hundred_keys(api: Api) -> str:
    run_id = api.run(api.experiment())
    for first in range(0, 600, 10):  # any number of points
        api.post("runs/log-batch", {"run_id": run_id, "metrics": metrics(100, 10, first)})
    return run_id


def test_log_metric_on_a_run_of_100_keys(api: Api) -> None:
    run_id = hundred_keys(api)
    point = {**metrics(1, 1, 5_000)[0], "run_id": run_id}
    cost = api.cost_of_post("runs/log-metric", point)
    assert cost == [4, 4, 3]
    assert within(cost, "log_metric")


def test_log_batch_of_20_metrics_on_a_run_of_100_keys(api: Api) -> None:
    run_id = hundred_keys(api)
    cost = api.cost_of_post("runs/log-batch", {"run_id": run_id, "metrics": metrics(20, 1, 5_000)})
    assert cost == [4, 4, 3]
    assert within(cost, "log_metric")


def test_log_param_and_set_tag_on_a_run_of_5000_params(api: Api) -> None:
    run_id = api.run(api.experiment())
    for first in range(0, 5_000, 100):
        api.post("runs/log-batch", {"run_id": run_id, "params": pairs("param", 100, 40, first)})
    param = api.cost_of_post("runs/log-parameter", {"run_id": run_id, "key": "late", "value": "x"})
    tag = api.cost_of_post("runs/set-tag", {"run_id": run_id, "key": "late", "value": "x"})
    assert within(param, "set_on_large_run")
    assert within(tag, "set_on_large_run")
    assert param == tag == [4, 4, 4]


def test_log_batch_of_20_metrics_20_params_10_tags_on_a_run_of_50_params(api: Api) -> None:
    run_id = api.run(api.experiment())
    api.post("runs/log-batch", {"run_id": run_id, "params": pairs("first", 50)})
    batch = {
        "run_id": run_id,
        "metrics": metrics(20),
        "params": pairs("then", 20),
        "tags": pairs("tag", 10),
    }
    cost = api.cost_of_post("runs/log-batch", batch)
    assert cost == [4, 3, 3]
    assert within(cost, "log_batch")


def test_log_batch_of_1000_points_of_20_keys(api: Api) -> None:
    run_id = api.run(api.experiment())
    cost = api.cost_of_post("runs/log-batch", {"run_id": run_id, "metrics": metrics(20, 50)})
    assert cost == [4, 9, 3]
    assert within(cost, "log_batch_1000")


def test_deleting_and_restoring_an_experiment_costs_the_same_at_any_size(api: Api) -> None:
    experiment = api.experiment()
    for size in (0, 30):
        for _ in range(size):
            api.run(experiment)
        for path in ("experiments/delete", "experiments/restore"):
            cost = api.cost_of_post(path, {"experiment_id": experiment})
            assert cost == [2, 6, 1]
            assert within(cost, "experiment_stage")
