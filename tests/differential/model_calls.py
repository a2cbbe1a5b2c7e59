"""Operations on logged models."""

from tests.differential import run_calls, values
from tests.differential.experiment_calls import tags
from tests.differential.filters import MODEL_FILTERS, MODEL_ORDERS
from tests.differential.operations import Json, Operation
from tests.differential.sequences import API, Maker, ModelGuess, Story, post

MODELS = f"{API}/logged-models"


def _params(story: Story, most: int = 3) -> list[Json]:
    chosen = dict.fromkeys(story.pick(values.PARAM_KEYS) for _ in range(story.count(0, most)))
    return [{"key": key, "value": story.pick(values.PARAM_VALUES)} for key in chosen]


def create(story: Story) -> Operation:
    number = story.experiment()
    body: dict[str, Json] = {"experiment_id": f"{{experiment:{number}}}"}
    if story.chance(3):
        body["experiment_id"] = story.pick(values.UNKNOWN_EXPERIMENTS)
    if story.chance(85):
        body["name"] = story.value(values.MODEL_NAMES, ("", "a/b", "x:y", "q'q", "50%", 'd"d', "n" * 501))
    if story.chance(50):
        body["model_type"] = story.pick(values.MODEL_TYPES)
    if story.runs and story.chance(60):
        body["source_run_id"] = story.run_id()
    if story.chance(60):
        body["params"] = _params(story)
        if story.chance(4):
            body["params"] = [{"key": f"p{number}", "value": "v"} for number in range(100)]
    if story.chance(60):
        body["tags"] = tags(story, values.TAG_KEYS, values.TAG_VALUES)
    if story.experiments[number].active:
        story.models.append(
            ModelGuess(
                number,
                params={param["key"] for param in body.get("params", [])},
                tags={tag["key"] for tag in body.get("tags", [])},
            )
        )
    return post(story, "logged-models", body)


def get(story: Story) -> Operation:
    query = (("allow_deleted", story.pick(("true", "false"))),) if story.chance(25) else ()
    return Operation("GET", f"{MODELS}/{story.model_id()}", query=query, messages=True)


def finalize(story: Story) -> Operation:
    model_id = story.model_id()
    status = story.value(
        ("LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_PENDING", 2),
        ("READY", 99, ""),
    )
    return Operation(
        "PATCH", f"{MODELS}/{model_id}", {"model_id": model_id, "status": status}, tick=story.tick()
    )


def delete(story: Story) -> Operation:
    number = story.model()
    model_id = "m-nobody" if number is None else f"{{model:{number}}}"
    if number is not None:
        story.models[number].active = False
    return Operation("DELETE", f"{MODELS}/{model_id}", tick=story.tick())


def log_params(story: Story) -> Operation:
    model_id = story.model_id()
    params = _params(story)
    if model_id.startswith("{") and not story.chance(15):
        guess = story.models[int(model_id[7:-1])]
        params = [param for param in params if param["key"] not in guess.params]
        guess.params.update(param["key"] for param in params)
    body = {"model_id": model_id, "params": params}
    return Operation("POST", f"{MODELS}/{model_id}/params", body, tick=story.tick())


def set_tags(story: Story) -> Operation:
    model_id = story.model_id()
    body = {"model_id": model_id, "tags": tags(story, values.TAG_KEYS, values.TAG_VALUES)}
    if model_id.startswith("{"):
        story.models[int(model_id[7:-1])].tags.update(tag["key"] for tag in body["tags"])
    return Operation("PATCH", f"{MODELS}/{model_id}/tags", body, tick=story.tick())


def delete_tag(story: Story) -> Operation:
    model_id = story.model_id()
    known = sorted(story.models[int(model_id[7:-1])].tags) if model_id.startswith("{") else []
    key = story.pick(known if known and not story.chance(10) else values.TAG_KEYS)
    if model_id.startswith("{"):
        story.models[int(model_id[7:-1])].tags.discard(key)
    return Operation("DELETE", f"{MODELS}/{model_id}/tags/{key}", tick=story.tick())


def search(story: Story) -> Operation:
    ids = list(dict.fromkeys(f"{{experiment:{story.experiment()}}}" for _ in range(story.pick((1, 2, 3)))))
    body: dict[str, Json] = {"experiment_ids": ids, "filter": story.draw(MODEL_FILTERS)}
    if story.chance(60):
        body["max_results"] = story.value((1, 2, 3, 50), (0, -1, 101, "x"))
    orders = story.draw(MODEL_ORDERS)
    if orders:
        body["order_by"] = orders
    if story.chance(20):
        name, digest = story.pick(values.DATASETS)
        body["datasets"] = [{"dataset_name": name, "dataset_digest": digest}]
        if story.chance(20):
            del body["datasets"][0]["dataset_digest"]
    if story.chance(3):
        body["page_token"] = "garbage"
    return post(story, "logged-models/search", body, pages=3, messages=False)


def log_metric(story: Story) -> Operation:
    """A metric of a model, with or without a dataset."""
    body = {"run_id": story.run_id(), **run_calls.metric(story), "model_id": story.model_id()}
    if story.chance(50):
        body["dataset_name"], body["dataset_digest"] = story.pick(values.DATASETS[:3])
    return post(story, "runs/log-metric", body)


def log_batch(story: Story) -> Operation:
    model_id = story.model_id()
    metrics = [{**run_calls.metric(story), "model_id": model_id} for _ in range(story.count(1, 3))]
    if story.chance(50):
        name, digest = story.pick(values.DATASETS[:3])
        for each in metrics:
            each["dataset_name"], each["dataset_digest"] = name, digest
    return post(story, "runs/log-batch", {"run_id": story.run_id(), "metrics": metrics})


CALLS: tuple[Maker, ...] = (
    create,
    create,
    get,
    get,
    finalize,
    delete,
    log_params,
    set_tags,
    delete_tag,
    search,
    search,
    search,
    log_metric,
    log_metric,
    log_batch,
    run_calls.log_outputs,
    run_calls.log_inputs,
    run_calls.get,
)
