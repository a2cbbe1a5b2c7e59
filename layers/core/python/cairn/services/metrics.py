"""Use-cases of metric histories: pages of one key, many runs at once, and samples for charts."""

import json
import math
from functools import partial
from typing import Any

from cairn.domain import columns
from cairn.domain.entities import Metric
from cairn.domain.metrics import comparable
from cairn.errors import InvalidParameterValue
from cairn.protocol import render
from cairn.protocol.messages import metrics as messages
from cairn.search import cursor
from cairn.search.order import Column, Ordering
from cairn.services.ports import Result, Stores
from cairn.sharing.caller import Caller

MAX_BULK_RESULTS = 25_000
MAX_RUNS = 100
MAX_SAMPLES = 2_500

_PAGE_BYTES = 4_500_000
"""Bytes of a page of get-history: below what a function returns (6 MB), with its escapes."""
_POINT_BYTES = 150  # of one point's JSON at most, but for its key

_HISTORY: Ordering[Metric] = Ordering(
    (
        Column(lambda point: point.timestamp, ascending=True, text=False),
        Column(lambda point: point.step, ascending=True, text=False),
        Column(lambda point: comparable(point.value), ascending=True, text=False),
        Column(lambda point: int(math.isnan(point.value)), ascending=True, text=False),
    ),
    natural=True,
)


def get_metric_history(stores: Stores, caller: Caller, request: messages.GetMetricHistory) -> Result:
    """The points of a key by timestamp, step, value; in pages where ``max_results`` is given, which end
    early where they would be too large to answer."""
    limit = request.max_results
    if limit is not None and limit <= 0:
        raise InvalidParameterValue(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer."
        )
    query = cursor.fingerprint("get-history", request.run_id, request.metric_key)
    position = cursor.decode(query, request.page_token, _HISTORY)
    after: Any = None if position is None else tuple(value for _, value in position)
    token = None
    if limit is None and after is None:
        points = stores.history.points(request.run_id, request.metric_key)
    else:
        most = _PAGE_BYTES // (_POINT_BYTES + len(json.dumps(request.metric_key)))
        limit = most if limit is None else min(limit, most)
        points = stores.history.page(request.run_id, request.metric_key, after, limit + 1)
        if len(points) > limit:
            del points[limit:]
            token = cursor.encode(query, _HISTORY.position(points[-1]))
    return render.page("metrics", map(render.metric, points), token)


def get_metric_history_bulk(
    stores: Stores, caller: Caller, request: messages.GetMetricHistoryBulk
) -> Result:
    """The points of one key of up to 100 runs, by run id; at most 25,000 altogether."""
    if not request.run_id:
        raise InvalidParameterValue("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(request.run_id) > MAX_RUNS:
        raise InvalidParameterValue(
            f"GetMetricHistoryBulk request cannot specify more than {MAX_RUNS} run_ids. "
            f"Received {len(request.run_id)} run_ids."
        )
    if request.metric_key is None:
        raise InvalidParameterValue("GetMetricHistoryBulk request must specify a metric_key.")
    limit = MAX_BULK_RESULTS if request.max_results is None else min(request.max_results, MAX_BULK_RESULTS)
    if limit < 0:
        raise InvalidParameterValue("max_results must not be negative.")
    found: list[dict[str, object]] = []
    run_ids = sorted(set(request.run_id))
    read = stores.history.firsts(run_ids, request.metric_key, limit)
    for run_id, points in zip(run_ids, read, strict=False):  # up to the run that filled the answer
        found += [render.metric_of_run(point, run_id) for point in points.metrics(request.metric_key)]
    return {"metrics": found}


def get_metric_history_bulk_interval(
    stores: Stores, caller: Caller, request: messages.GetMetricHistoryBulkInterval
) -> Result:
    """An even sample of each run's points, at most ``max_results`` a run, first and last included."""
    if len(request.run_ids) > MAX_RUNS:
        raise InvalidParameterValue(
            f"GetMetricHistoryBulkInterval request must specify at most {MAX_RUNS} run_ids. "
            f"Received {len(request.run_ids)} run_ids."
        )
    limit = MAX_SAMPLES if request.max_results is None else request.max_results
    if not 1 <= limit <= MAX_SAMPLES:
        raise InvalidParameterValue(f"max_results must be between 1 and {MAX_SAMPLES}.")
    start, end = request.start_step, request.end_step
    if (start is None) != (end is None):
        raise InvalidParameterValue(
            "If either start step or end step are specified, both must be specified."
        )
    if start is not None and end is not None and start > end:
        raise InvalidParameterValue(
            f"end_step must be greater than start_step. Found start_step={start} and end_step={end}."
        )
    steps = None if start is None or end is None else (start, end)
    sampled = []
    read = stores.history.each(request.run_ids, request.metric_key, steps)
    samples = map(partial(columns.sample, count=limit), read)  # no name keeps a run's points meanwhile
    for run_id, points in zip(request.run_ids, samples, strict=True):
        sampled += [render.metric_of_run(point, run_id) for point in points.metrics(request.metric_key)]
    return render.page("metrics", sampled)
