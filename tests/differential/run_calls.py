"""Operations on runs: facts, metrics, histories, inputs and outputs."""

import json

from tests.differential import values
from tests.differential.experiment_calls import tags
from tests.differential.operations import Json, Operation
from tests.differential.sequences import AJAX, API, Maker, RunGuess, Story, post


def create(story: Story) -> Operation:
    number = story.experiment()
    body: dict[str, Json] = {"experiment_id": f"{{experiment:{number}}}"}
    if story.chance(3):
        body["experiment_id"] = story.pick(values.UNKNOWN_EXPERIMENTS)
    start = story.value(values.START_TIMES, values.BAD_START_TIMES, 3)
    if start is not None:
        body["start_time"] = start
    if story.chance(60):
        body["run_name"] = story.pick(values.RUN_NAMES)
    if story.chance(30):
        body["user_id"] = story.pick(("ann", "bob", "Ann", ""))
    if story.chance(60):
        body["tags"] = tags(story, values.TAG_KEYS, values.TAG_VALUES)
        if story.chance(15):
            same = body.get("run_name", "tagged") if story.chance(70) else "another"
            body["tags"].append({"key": "mlflow.runName", "value": same})
        if story.chance(4):
            body["tags"].append({"key": story.pick((*values.TAG_KEYS, *values.BAD_KEYS)), "value": "again"})
    if story.experiments[number].active:
        story.runs.append(RunGuess(number, tags={tag["key"] for tag in body.get("tags", [])}))
    return post(story, "runs/create", body)


def get(story: Story) -> Operation:
    name = story.pick(("run_id", "run_id", "run_uuid"))
    return Operation("GET", f"{API}/runs/get", query=((name, story.run_id()),), messages=True)


def update(story: Story) -> Operation:
    body: dict[str, Json] = {"run_id": story.run_id()}
    if story.chance(70):
        body["status"] = story.value(values.STATUSES, values.BAD_STATUSES)
    if story.chance(50):
        body["end_time"] = story.value(
            (0, values.START, -5, values.START * 1000, "12"), values.BAD_START_TIMES, 3
        )
    if story.chance(40):
        body["run_name"] = story.pick((*values.RUN_NAMES, "", "renamed"))
    return post(story, "runs/update", body)


def delete(story: Story) -> Operation:
    run_id = story.run_id()
    guess = story.guess(run_id)
    if guess is not None:
        guess.active = False
    return post(story, "runs/delete", {"run_id": run_id})


def restore(story: Story) -> Operation:
    deleted = [number for number, each in enumerate(story.runs) if not each.active]
    run_id = f"{{run:{story.pick(deleted)}}}" if deleted and not story.chance(10) else story.run_id()
    guess = story.guess(run_id)
    if guess is not None:
        guess.active = True
    return post(story, "runs/restore", {"run_id": run_id})


def metric(story: Story, bad: int = 2) -> dict[str, Json]:
    """A point; in ``bad`` of a hundred one field is wrong."""
    point: dict[str, Json] = {
        "key": story.pick(values.METRIC_KEYS + values.EDGE_KEYS[:1]),
        "value": story.pick(values.METRIC_VALUES),
        "timestamp": story.pick(values.TIMESTAMPS),
    }
    if story.chance(80):
        point["step"] = story.pick(values.STEPS)
    if story.chance(bad):
        name = story.pick(sorted(_BAD))
        point[name] = story.pick(_BAD[name])
    return point


_BAD: dict[str, tuple[Json, ...]] = {
    "key": values.BAD_KEYS,
    "value": values.BAD_METRIC_VALUES,
    "timestamp": values.BAD_TIMESTAMPS,
    "step": values.BAD_STEPS,
}


def log_metric(story: Story) -> Operation:
    body = {"run_id": story.run_id(), **metric(story, bad=5)}
    return post(story, "runs/log-metric", body)


def _param(story: Story, guess: RunGuess | None) -> dict[str, Json]:
    """A parameter: new, the same again, or (rarely) with another value."""
    key = story.value(values.PARAM_KEYS + values.EDGE_KEYS, values.BAD_KEYS, 3)
    value = story.pick(values.EDGE_PARAM_VALUES if story.chance(6) else values.PARAM_VALUES)
    if guess is not None:
        if key in guess.params and not story.chance(12):
            value = guess.params[key]
        guess.params.setdefault(key, value)
    return {"key": key, "value": value}


def log_param(story: Story) -> Operation:
    run_id = story.run_id()
    return post(story, "runs/log-parameter", {"run_id": run_id, **_param(story, story.guess(run_id))})


def set_tag(story: Story) -> Operation:
    run_id = story.run_id()
    key = story.value((*values.TAG_KEYS, "mlflow.runName", *values.EDGE_KEYS), values.BAD_KEYS)
    value = story.pick(values.EDGE_TAG_VALUES if story.chance(6) else values.TAG_VALUES)
    guess = story.guess(run_id)
    if guess is not None:
        guess.tags.add(key)
    return post(story, "runs/set-tag", {"run_id": run_id, "key": key, "value": value})


def delete_tag(story: Story) -> Operation:
    run_id = story.run_id()
    guess = story.guess(run_id)
    known = sorted(guess.tags) if guess is not None else []
    key = story.pick(known if known and not story.chance(12) else (*values.TAG_KEYS, "mlflow.runName"))
    if guess is not None:
        guess.tags.discard(key)
    return post(story, "runs/delete-tag", {"run_id": run_id, "key": key})


def log_batch(story: Story) -> Operation:
    run_id = story.run_id()
    guess = story.guess(run_id)
    body: dict[str, Json] = {"run_id": run_id}
    if story.chance(75):
        body["metrics"] = [metric(story, bad=1) for _ in range(story.count(0, 5))]
    if story.chance(50):
        params = [_param(story, guess) for _ in range(story.count(0, 3))]
        if not story.chance(6):
            params = list({param["key"]: param for param in params}.values())
        body["params"] = params
    if story.chance(50):
        body["tags"] = tags(story, values.TAG_KEYS, values.TAG_VALUES)
        if guess is not None:
            guess.tags.update(tag["key"] for tag in body["tags"])
    return post(story, "runs/log-batch", body)


def big_batch(story: Story) -> Operation:
    """A batch at a limit, or one past it."""
    run_id = story.run_id()
    over = story.pick((0, 0, 1))
    kind = story.pick(("metrics", "params", "tags", "all"))
    count = {"metrics": 1000, "params": 100, "tags": 100, "all": 800}[kind] + over
    metrics = [
        {"key": f"m{number % 7}", "value": number % 13, "timestamp": number % 5, "step": number // 7}
        for number in range(count)
    ]
    facts = [{"key": f"f{number}", "value": "1"} for number in range(count if kind != "all" else 100)]
    body: dict[str, Json] = {"run_id": run_id}
    if kind in ("metrics", "all"):
        body["metrics"] = metrics
    if kind in ("params", "all"):
        body["params"] = facts
    if kind in ("tags", "all"):
        body["tags"] = facts
    return post(story, "runs/log-batch", body)


def get_history(story: Story) -> Operation:
    query = [("run_id", story.run_id()), ("metric_key", story.pick((*values.METRIC_KEYS, "m1")))]
    if story.chance(60):
        query.append(("max_results", str(story.value((1, 2, 3, 100, 25_000), (0, -1, "x")))))
    if story.chance(3):
        query.append(("page_token", "garbage"))
    return Operation("GET", f"{API}/metrics/get-history", query=tuple(query), pages=4)


def _run_ids(story: Story) -> list[str]:
    return [story.run_id() for _ in range(story.pick((1, 1, 2, 3)))]


def history_bulk(story: Story) -> Operation:
    query = [("run_id", run_id) for run_id in _run_ids(story)]
    query.append(("metric_key", story.pick(values.METRIC_KEYS)))
    if story.chance(50):
        query.append(("max_results", str(story.pick((1, 2, 5, 30_000)))))
    return Operation("GET", f"{AJAX}/metrics/get-history-bulk", query=tuple(query))


def history_interval(story: Story) -> Operation:
    query = [("run_ids", run_id) for run_id in _run_ids(story)]
    query.append(("metric_key", story.pick((*values.METRIC_KEYS, "m1"))))
    if story.chance(80):
        query.append(("max_results", str(story.value((1, 2, 3, 5, 40, 2500), (0, 2501, -1, "x")))))
    if story.chance(40):
        query.append(("start_step", str(story.pick((0, 1, -1, -5)))))
        if not story.chance(5):
            query.append(("end_step", str(story.pick((1, 2, 3, 100, -2)))))
    prefix = story.pick((API, AJAX))
    return Operation("GET", f"{prefix}/metrics/get-history-bulk-interval", query=tuple(query))


def dataset(story: Story) -> dict[str, Json]:
    name, digest = story.pick(values.DATASETS)
    if story.chance(3):
        name, digest = story.pick((("", "d"), ("x", ""), ("n" * 501, "d"), ("x", "d" * 37)))
    body: dict[str, Json] = {
        "name": name,
        "digest": digest,
        "source_type": "local",
        "source": f"s-{digest[:2]}",
    }
    if story.chance(30):
        body["schema"] = json.dumps({"columns": story.count(1, 3)})
    if story.chance(20):
        body["profile"] = story.pick(("{}", "p" * 70_000))
    return body


def log_inputs(story: Story) -> Operation:
    uses = []
    for _ in range(story.pick((1, 1, 2, 0))):
        use: dict[str, Json] = {"dataset": dataset(story)}
        if story.chance(75):
            use["tags"] = [{"key": "mlflow.data.context", "value": story.pick(values.CONTEXTS)}]
            if story.chance(20):
                use["tags"].append({"key": "split", "value": story.pick(("a", "b", "v" * 500))})
        uses.append(use)
    body: dict[str, Json] = {"run_id": story.run_id(), "datasets": uses}
    if story.models and story.chance(30):
        body["models"] = [{"model_id": story.model_id()}]
    return post(story, "runs/log-inputs", body)


def log_outputs(story: Story) -> Operation:
    """Models that are no outputs of the run yet; rarely one that is."""
    run_id = story.run_id()
    guess = story.guess(run_id)
    chosen = {story.model_id() for _ in range(story.count(0, 2))}
    if guess is not None:
        if not story.chance(8):
            chosen -= guess.outputs
        guess.outputs |= chosen
    models = [{"model_id": model_id, "step": story.pick((0, 1, 1, -2))} for model_id in sorted(chosen)]
    return post(story, "runs/outputs", {"run_id": run_id, "models": models})


def log_model(story: Story) -> Operation:
    run_id = story.run_id()
    model: dict[str, Json] = {
        "artifact_path": story.pick(("model", "models/best")),
        "flavors": {"python_function": {"loader_module": "x"}},
        "utc_time_created": "2023-01-01 00:00:00.000000",
        "run_id": run_id,
    }
    if story.chance(10):
        del model[story.pick(sorted(model))]
    text = json.dumps(model) if not story.chance(4) else "{no json"
    return post(story, "runs/log-model", {"run_id": run_id, "model_json": text})


LOGGING: tuple[Maker, ...] = (
    log_metric,
    log_metric,
    log_batch,
    log_batch,
    log_batch,
    log_param,
    set_tag,
    set_tag,
    delete_tag,
    log_inputs,
)
LIFECYCLE: tuple[Maker, ...] = (create, create, update, update, delete, restore)
READS: tuple[Maker, ...] = (get, get, get_history, get_history, history_bulk, history_interval)
CALLS: tuple[Maker, ...] = (*LOGGING, *LIFECYCLE, *READS, log_model, big_batch)
