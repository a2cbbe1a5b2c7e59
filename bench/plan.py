"""The comparison of single requests: what is made first, what is measured on it, and how often.

Searches of large experiments are in ``searches``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench import workloads
from bench.runner import Result, compare
from bench.servers import Server
from bench.workloads import Site


@dataclass(frozen=True, slots=True)
class Size:
    """How much: requests of the short kind, batches of a thousand, runs written by many, histories read."""

    calls: int
    batches: int
    runs: int
    walks: int


FULL = Size(calls=400, batches=100, runs=1_000, walks=4)
QUICK = Size(calls=8, batches=2, runs=16, walks=1)
"""Proves that everything works, measures nothing."""

BATCH = 1_000
KEYS = 20
WRITERS = 8


def measure(servers: Sequence[Server], size: Size) -> Iterator[Result]:
    """Every workload's result, in the report's order."""
    yield from _writes(servers, size)
    yield from _long_history(servers, size)
    sites = _sites(servers, "runs of two requests", 0)
    yield compare(
        f"create_run and log_batch, {WRITERS} writers",
        workloads.fill,
        servers,
        sites,
        count=size.runs,
        writers=WRITERS,
        warm=0,
    )


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
