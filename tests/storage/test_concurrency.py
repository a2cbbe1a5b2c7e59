"""32 threads on one run and one experiment: nothing lost, no wrong latest value, throttled or not."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cairn.domain import runs as changes
from cairn.domain.access import DEPLOYMENT
from cairn.domain.clock import system_clock
from cairn.domain.entities import Metric
from cairn.domain.metrics import merge_latest
from cairn.storage.engine import EngineTable
from cairn.storage.retry import Retry
from cairn.storage.runs import Runs
from tests.storage.faults import FaultyTable
from tests.storage.stores import Aggregates, aggregates

WRITERS = 32
CALLS = 6


def together(work: Callable[[int], None]) -> None:
    """Run the work of every writer at once; the first exception is raised."""
    barrier = threading.Barrier(WRITERS)

    def one(writer: int) -> None:
        barrier.wait()
        work(writer)

    with ThreadPoolExecutor(WRITERS) as pool:
        for future in [pool.submit(one, writer) for writer in range(WRITERS)]:
            future.result()


@pytest.fixture(params=["calm", "faulty"])
def stores(request: pytest.FixtureRequest, table: EngineTable) -> Aggregates:
    """On a quiet table, and on one where every tenth request meets a throttle or a conflict."""
    used = table if request.param == "calm" else FaultyTable(table, every=10)
    found = aggregates(used)
    shared = random.Random(1)
    pause = Retry(random=shared.random, sleep=lambda seconds: time.sleep(seconds / 20))
    found.runs = Runs(used, lambda attempt: pause.wait(attempt + 1), system_clock, access=DEPLOYMENT)
    return found


def test_writers_of_one_run_lose_nothing(stores: Aggregates) -> None:
    run_id = stores.run(stores.experiment())
    logged: list[list[Metric]] = [[] for _ in range(WRITERS)]

    def write(writer: int) -> None:
        own = random.Random(writer)
        for call in range(CALLS):
            batch = [Metric(f"loss{own.randrange(5)}", own.random(), own.randrange(3), own.randrange(50))]
            logged[writer] += batch
            stores.change(
                run_id,
                changes.log_params(run_id, {f"param-{writer}-{call}": "x" * 100}),
                changes.set_tags([(f"tag-{writer}", str(call)), ("shared", str(writer))]),
                points=batch,
            )

    together(write)
    run = stores.runs.get(run_id)
    assert set(run.params) == {f"param-{w}-{c}" for w in range(WRITERS) for c in range(CALLS)}
    assert {run.tags[f"tag-{writer}"] for writer in range(WRITERS)} == {str(CALLS - 1)}
    every = [point for points in logged for point in points]
    latest: dict[str, Metric] = {}
    merge_latest(latest, every)
    assert run.metrics == latest
    for key in latest:
        expected = sorted({(p.timestamp, p.step, p.value) for p in every if p.key == key})
        assert [(p.timestamp, p.step, p.value) for p in stores.history.points(run_id, key)] == expected


def test_writers_of_one_experiment_lose_nothing(stores: Aggregates) -> None:
    experiment = stores.experiment()
    made: list[list[str]] = [[] for _ in range(WRITERS)]

    def write(writer: int) -> None:
        for call in range(2):
            run_id = stores.run(experiment, start_time=writer)
            made[writer].append(run_id)
            stores.change(
                run_id, changes.update_info("FINISHED", call, None), points=[Metric("m", 1.0, 1, 1)]
            )

    together(write)
    found = {run.info.run_id: run for run in stores.found(experiment)}
    assert set(found) == {run_id for runs in made for run_id in runs}
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert all(run.metrics["m"].value == 1.0 for run in found.values())


def test_one_of_many_equal_names_is_made(stores: Aggregates) -> None:
    outcomes: list[str] = []

    def create(writer: int) -> None:
        try:
            outcomes.append(stores.experiment("same"))
        except Exception as error:  # noqa: BLE001 -- the kinds are what is asserted
            outcomes.append(type(error).__name__)

    together(create)
    assert outcomes.count("ResourceAlreadyExists") == WRITERS - 1
    assert len(list(stores.experiments.scan(with_tags=False))) == 1
