"""Searching runs, experiments, logged models and datasets.

What a filter means and how entities sort is ``cairn.search``'s; here the stores are scanned, pages are cut
and tokens made. A page ends where it is full, or where its JSON would pass what a function may answer; its
token goes on from there.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from cairn.domain.entities import ACTIVE, DELETED, LoggedModel
from cairn.errors import InvalidParameterValue
from cairn.ids import experiment_number
from cairn.protocol import render
from cairn.protocol.messages.experiments import SearchDatasets, SearchExperiments
from cairn.protocol.messages.models import SearchLoggedModels
from cairn.protocol.messages.runs import SearchRuns
from cairn.search import cursor, fields, logged_models
from cairn.search.experiments import experiment_search
from cairn.search.match import run_filter
from cairn.search.order import Ordering, Position, experiment_ordering, run_ordering
from cairn.search.plan import Pause, Search, plan
from cairn.search.tree import Comparison, Order
from cairn.services import lineage, places
from cairn.services.ports import Stores
from cairn.sharing.caller import Caller

Entity = TypeVar("Entity")
Json = dict[str, Any]

MAX_RESULTS = 50_000
"""MLflow's SEARCH_MAX_RESULTS_THRESHOLD."""
DEFAULT_MODELS = 100
"""MLflow's SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT, where max_results is 0."""
MAX_DATASET_EXPERIMENTS = 20
MAX_DATASET_SUMMARIES = 1_000
PAGE_BYTES = 4 * 1024 * 1024
"""Of JSON in a page: a function may answer 6 MB, quotes count twice. One entity alone may be larger."""

_STAGES = {"ACTIVE_ONLY": (ACTIVE,), "DELETED_ONLY": (DELETED,), "ALL": (ACTIVE, DELETED)}
_SHOWN_AT_ONCE = 50
"""Rows that are read and rendered together: a page may end long before ``max_results``."""


def search_runs(stores: Stores, caller: Caller, request: SearchRuns) -> Json:
    """MLflow's ``_search_runs``; experiments that do not exist have no runs."""
    _check_size(request.max_results)
    tree = fields.read_filter(fields.RUNS, request.filter)
    orders = fields.read_order(fields.RUNS, request.order_by)
    ordering = run_ordering(orders)
    experiment_ids = _distinct(request.experiment_ids)
    query = cursor.fingerprint(
        "runs", experiment_ids, request.filter, request.run_view_type, list(request.order_by)
    )
    after, progress = cursor.decode_resumed(query, request.page_token, ordering)
    rows = stores.index.search(
        Search(
            experiment_ids,
            _STAGES[request.run_view_type],
            plan(tree, orders),
            run_filter(tree),
            ordering,
            after,
            request.max_results + 1,
            progress,
        )
    )
    answer = paged(
        "runs",
        rows,
        request.max_results,
        lambda runs: map(render.found_run, stores.datasets.fill(runs)),
        query,
        ordering.position,
        final=stores.access.unrestricted,
    )
    lineage.of_runs(stores, answer.get("runs", ()))
    return answer


def search_experiments(
    stores: Stores,
    caller: Caller,
    request: SearchExperiments,
) -> Json:
    """MLflow's ``_search_experiments``."""
    _check_size(request.max_results)
    tree = fields.read_filter(fields.EXPERIMENTS, request.filter)
    ordering = experiment_ordering(fields.read_order(fields.EXPERIMENTS, request.order_by))
    query = cursor.fingerprint("experiments", request.filter, request.view_type, list(request.order_by))
    after = cursor.decode_resumed(query, places.taken(stores, query, request.page_token), ordering)
    rows = stores.experiments.search(
        experiment_search(tree, _STAGES[request.view_type], ordering, after, request.max_results + 1)
    )
    return paged(
        "experiments",
        rows,
        request.max_results,
        lambda experiments: map(render.experiment, experiments),
        query,
        ordering.position,
        lambda pause: places.given(stores, query, pause),
    )


def search_logged_models(
    stores: Stores,
    caller: Caller,
    request: SearchLoggedModels,
) -> Json:
    """MLflow's ``search_logged_models``; a page has 100 models where ``max_results`` is 0."""
    if request.max_results < 0:
        raise InvalidParameterValue(
            f"Invalid value {request.max_results} for parameter 'max_results' supplied."
        )
    if not all(dataset.dataset_name for dataset in request.datasets):
        raise InvalidParameterValue("`dataset_name` in the `datasets` clause must be specified.")
    size = request.max_results or DEFAULT_MODELS
    datasets = [(dataset.dataset_name, dataset.dataset_digest or None) for dataset in request.datasets]
    orders = [
        Order("attribute", by.field_name, by.ascending, by.dataset_name, by.dataset_digest)
        for by in request.order_by
    ]
    tree = logged_models.read_filter(request.filter)
    ordering = logged_models.model_ordering(logged_models.read_order(orders))
    experiment_ids = _distinct(request.experiment_ids)
    query = cursor.fingerprint(
        "models",
        experiment_ids,
        request.filter,
        datasets,
        [[by.key, by.ascending, by.dataset_name, by.dataset_digest] for by in orders],
    )
    after = cursor.decode(query, request.page_token, ordering)
    meets = logged_models.model_filter(tree, datasets)
    shown = _shown_to(stores, [*tree, *orders])
    found = (
        model
        for experiment_id in experiment_ids
        for model in map(shown, stores.models.scan(experiment_id))
        if meets(model)
    )
    rows = _first(found, ordering, after, size + 1)
    answer = paged(
        "models",
        rows,
        size,
        lambda models: map(render.logged_model, models),
        query,
        ordering.position,
    )
    lineage.of_logged_models(stores, answer.get("models", ()))
    return answer


def _shown_to(stores: Stores, asked: Iterable[Comparison | Order]) -> Callable[[LoggedModel], LoggedModel]:
    """A model as filter, order and token may know it: without a run that made it and is not seen."""
    if stores.access.unrestricted or not any(one.key.endswith("source_run_id") for one in asked):
        return lambda model: model
    return lambda model: lineage.hidden_model(stores, model)


def search_datasets(stores: Stores, caller: Caller, request: SearchDatasets) -> Json:
    """MLflow's ``_search_datasets``: at most 1,000 summaries of at most 20 experiments."""
    if not request.experiment_ids:
        raise InvalidParameterValue("SearchDatasets request must specify at least one experiment_id.")
    if len(request.experiment_ids) > MAX_DATASET_EXPERIMENTS:
        raise InvalidParameterValue(
            f"SearchDatasets request cannot specify more than {MAX_DATASET_EXPERIMENTS} experiment_ids. "
            f"Received {len(request.experiment_ids)} experiment_ids."
        )
    summaries = stores.datasets.summaries(_distinct(request.experiment_ids))
    return render.page("dataset_summaries", summaries[:MAX_DATASET_SUMMARIES])


def _check_size(max_results: int) -> None:
    """MLflow's ``_validate_max_results_param``."""
    problem = f"Invalid value {max_results} for parameter 'max_results' supplied. It must be"
    if max_results < 1:
        raise InvalidParameterValue(f"{problem} a positive integer")
    if max_results > MAX_RESULTS:
        raise InvalidParameterValue(f"{problem} at most {MAX_RESULTS}")


def _distinct(experiment_ids: Iterable[str]) -> list[str]:
    """Each experiment once, in a fixed order; InvalidParameterValue for what is no integer."""
    return [str(number) for number in sorted({experiment_number(found) for found in experiment_ids})]


def _first(
    found: Iterator[Entity], ordering: Ordering[Entity], after: Position | None, count: int
) -> Iterator[Entity]:
    """The entities behind ``after`` in order, ``count`` of them at most; no more than that are ever held.

    Entities that come in order already are passed on as they come.
    """
    if ordering.natural:
        return found
    floor = None if after is None else ordering.key(after)
    keyed = ((ordering.key(ordering.position(entity)), entity) for entity in found)
    behind = (row for row in keyed if floor is None or row[0] > floor)
    return (entity for _, entity in heapq.nsmallest(count, behind, key=_sort_key))


def _sort_key(row: tuple[tuple[Any, ...], object]) -> tuple[Any, ...]:
    return row[0]


def paged(
    name: str,
    rows: Iterator[Entity | Pause],
    size: int,
    show: Callable[[Sequence[Entity]], Iterable[Json]],
    query: bytes,
    position: Callable[[Entity], Position],
    paused: Callable[[Pause], str] | None = None,
    *,
    final: bool = False,
) -> Json:
    """The first ``size`` rows as messages, or as many as an answer holds, or as were found before
    the search paused; a token where there are more. ``paused`` makes the token that goes on from a pause,
    where that may lie among what the caller does not see (``places.given``). ``final``: nobody changes a
    message after this, so that its JSON, written to weigh it, is the answer's (``render.Page``)."""
    page = render.Page if final else _page
    shown: list[tuple[Json, bytes]] = []
    weight = 0
    last: Entity | None = None
    while len(shown) < size:
        chunk, pause = _chunk(rows, min(_SHOWN_AT_ONCE, size - len(shown)))
        for entity, message in zip(chunk, show(chunk), strict=True):
            written = render.written(message)
            weight += len(written) + 2
            if last is not None and weight > PAGE_BYTES:
                return page(name, shown, cursor.encode(query, position(last)))
            shown.append((message, written))
            last = entity
        if pause is not None:
            token = cursor.encode(query, pause.position) if paused is None else paused(pause)
            return page(name, shown, token)
        if not chunk:
            return page(name, shown)
    more = last is not None and next(rows, None) is not None
    return page(name, shown, cursor.encode(query, position(last)) if more and last is not None else None)


def _page(name: str, shown: Sequence[tuple[Json, bytes]], token: str | None = None) -> Json:
    return render.page(name, (message for message, _ in shown), token)


def _chunk(rows: Iterator[Entity | Pause], size: int) -> tuple[list[Entity], Pause | None]:
    chunk: list[Entity] = []
    for row in islice(rows, size):
        if isinstance(row, Pause):
            return chunk, row
        chunk.append(row)
    return chunk, None
