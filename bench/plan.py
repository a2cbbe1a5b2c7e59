"""The comparison from end to end: what is made first, what is measured on it, and how often."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench import workloads
from bench.runner import Result, compare
from bench.servers import Server
from bench.workloads import Site


@dataclass(frozen=True, slots=True)
class Size:
    """How much: requests of the short kind, batches of a thousand, searches, runs searched, histories read;
    and how many seconds the servers get before, as MLflow's starts job workers after it answers."""

    calls: int
    batches: int
    searches: int
    runs: tuple[int, ...]
    walks: int
    settle: float


FULL = Size(calls=400, batches=100, searches=12, runs=(1_000, 10_000), walks=4, settle=20)
QUICK = Size(calls=8, batches=2, searches=2, runs=(110,), walks=1, settle=0)
"""Proves that everything works, measures nothing."""

BATCH = 1_000
KEYS = 20
WRITERS = 8


def measure(servers: Sequence[Server], size: Size, say: Callable[[str], None]) -> Iterator[Result]:
    """Every workload's result, in the report's order."""
    time.sleep(size.settle)
    yield from _writes(servers, size)
    yield from _long_history(servers, size)
    for total in size.runs:
        say(f"filling {total:,} runs")
        yield from _searches(servers, size, total)


def _sites(servers: Sequence[Server], name: str, runs: int) -> list[Site]:
    """An experiment on each server, with so many runs in it."""
    sites = []
    for server in servers:
        client = server.connect()
        site = Site(workloads.new_experiment(client, name))
        for number in range(runs):
            site.runs.append(workloads.new_run(client, site.experiment, number)["info"]["run_id"])
        client.close()
        sites.append(site)
    return sites


def _writes(servers: Sequence[Server], size: Size) -> Iterator[Result]:
    for writers in (1, WRITERS):
        suffix = f", {writers} writers" if writers > 1 else ""
        name = f"writes by {writers}"
        fresh = _sites(servers, f"create, {name}", 0)
        yield compare(
            f"create_run{suffix}", workloads.create_run, servers, fresh, count=size.calls, writers=writers
        )
        sites = _sites(servers, name, WRITERS)
        yield compare(
            f"log_metric{suffix}", workloads.log_metric, servers, sites, count=size.calls, writers=writers
        )
        yield compare(
            f"log_batch of 20{suffix}",
            lambda site: workloads.log_batch(site, 20, KEYS),
            servers,
            sites,
            count=size.calls,
            writers=writers,
        )
        sites = _sites(servers, f"large batches, {name}", WRITERS)
        yield compare(
            f"log_batch of 1,000{suffix}",
            lambda site: workloads.log_batch(site, BATCH, KEYS),
            servers,
            sites,
            count=max(2, size.batches // 2),
            writers=writers,
            warm=4,
        )
        yield compare(
            f"get_run{suffix}", workloads.get_run, servers, sites, count=size.calls, writers=writers
        )


def _long_history(servers: Sequence[Server], size: Size) -> Iterator[Result]:
    sites = _sites(servers, "history", 1)
    yield compare(
        "log_batch of 1,000, one run and key",
        lambda site: workloads.long_history(site, BATCH),
        servers,
        sites,
        count=size.batches,
        warm=0,
    )
    total = size.batches * BATCH
    yield compare(
        f"history of {total:,} points",
        lambda site: workloads.read_history(site, total),
        servers,
        sites,
        count=size.walks,
        warm=1,
    )


def _searches(servers: Sequence[Server], size: Size, total: int) -> Iterator[Result]:
    sites = _sites(servers, f"{total} runs", 0)
    yield compare(
        f"create_run and log_batch, {WRITERS} writers, {total:,} runs",
        workloads.fill,
        servers,
        sites,
        count=total,
        writers=WRITERS,
        warm=0,
    )
    kinds: dict[str, tuple[bool, bool]] = {
        "default order": (False, False),
        "metric order": (True, False),
        "filter": (False, True),
        "filter and metric order": (True, True),
    }
    for name, (by_metric, filtered) in kinds.items():

        def make(site: Site, by_metric: bool = by_metric, filtered: bool = filtered) -> workloads.Step:
            return workloads.search(site, total, by_metric=by_metric, filtered=filtered)

        yield compare(
            f"search page of 100 of {total:,}, {name}", make, servers, sites, count=size.searches, warm=8
        )
