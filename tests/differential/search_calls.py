"""Searches of runs, and the runs that make them interesting."""

from tests.differential import experiment_calls, model_calls, run_calls, values
from tests.differential.filters import RUN_FILTERS, RUN_ORDERS
from tests.differential.operations import Json, Operation
from tests.differential.registry_calls import REGISTRY
from tests.differential.sequences import Maker, RunGuess, Story, post, sequence
from tests.differential.webhook_calls import WEBHOOKS


def search(story: Story) -> Operation:
    ids = list(
        dict.fromkeys(f"{{experiment:{story.experiment()}}}" for _ in range(story.pick((1, 1, 2, 3))))
    )
    if story.chance(3):
        ids.append(story.pick(values.UNKNOWN_EXPERIMENTS[:2]))
    body: dict[str, Json] = {"experiment_ids": ids, "filter": story.draw(RUN_FILTERS)}
    orders = story.draw(RUN_ORDERS)
    if orders:
        body["order_by"] = orders
    view = story.pick((None, None, "ALL", "ALL", "ACTIVE_ONLY", "DELETED_ONLY"))
    if view is not None:
        body["run_view_type"] = view
    if story.chance(70):
        body["max_results"] = story.value((1, 2, 3, 5, 100, 50_000), (0, -1, 50_001, "x"), 3)
    if story.chance(2):
        body["page_token"] = "garbage"
    return post(story, "runs/search", body, pages=4, messages=False)


def seasoned_run(story: Story) -> Operation:
    """A run whose start time and name tie with others' as often as not."""
    number = story.experiment()
    story.runs.append(RunGuess(number))
    body: dict[str, Json] = {
        "experiment_id": f"{{experiment:{number}}}",
        "run_name": story.pick(values.RUN_NAMES),
    }
    start = story.pick((None, 0, -1, values.START, values.START, values.START + 1, values.START * 1000))
    if start is not None:
        body["start_time"] = start
    body["tags"] = experiment_calls.tags(story, values.TAG_KEYS, values.TAG_VALUES)
    return post(story, "runs/create", body)


def seasoned_batch(story: Story) -> Operation:
    """Good metrics, params and tags for a run, from pools small enough to tie."""
    number = story.count(0, len(story.runs) - 1)
    metrics = [
        {
            "key": story.pick(values.METRIC_KEYS[:3]),
            "value": story.pick(values.METRIC_VALUES),
            "timestamp": story.pick((0, 1, 2)),
            "step": story.pick((0, 1, 2, -1)),
        }
        for _ in range(story.count(0, 4))
    ]
    keys = dict.fromkeys(story.pick(values.PARAM_KEYS) for _ in range(story.count(0, 3)))
    params = {key: story.pick(values.PARAM_VALUES) for key in keys}
    known = story.runs[number].params
    params = {key: known.setdefault(key, value) for key, value in params.items()}
    body = {
        "run_id": f"{{run:{number}}}",
        "metrics": metrics,
        "params": [{"key": key, "value": value} for key, value in params.items()],
        "tags": experiment_calls.tags(story, values.TAG_KEYS, values.TAG_VALUES),
    }
    return post(story, "runs/log-batch", body)


_MIXED: tuple[Maker, ...] = (
    *run_calls.CALLS,
    *run_calls.CALLS,
    *experiment_calls.CALLS,
    experiment_calls.search_datasets,
    search,
    search,
    search,
)
_SEARCHING: tuple[Maker, ...] = (
    *(search,) * 14,
    run_calls.delete,
    run_calls.restore,
    experiment_calls.delete,
    experiment_calls.restore,
    run_calls.delete_tag,
    run_calls.update,
    run_calls.log_inputs,
    seasoned_batch,
)

TRACKING = sequence(_MIXED, (experiment_calls.create, run_calls.create), 8, 24)
SEARCHING = sequence(
    _SEARCHING,
    (experiment_calls.create, *(seasoned_run,) * 5, *(seasoned_batch,) * 7, run_calls.log_inputs),
    8,
    16,
    spoil=1,
)
MODELS = sequence(
    model_calls.CALLS,
    (experiment_calls.create, run_calls.create, run_calls.create, model_calls.create, model_calls.create),
    8,
    22,
    spoil=3,
)

PROFILES = {
    "tracking": TRACKING,
    "searching": SEARCHING,
    "models": MODELS,
    "registry": REGISTRY,
    "webhooks": WEBHOOKS,
}
"""The kinds of sequences."""
