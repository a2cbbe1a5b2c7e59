"""``python -m bench.scale``: search an experiment of a million runs, and write docs/benchmarks-scale.md.

The runs are put straight into a SQLite file (``load``), the first thousand shown byte-equal to what the API
makes of them. Then every search is made through the API, page by page, here and on the thousand runs:
answers must be right, and no request may pass what is promised.
"""

import argparse
import json
import math
import os
import resource
import signal
import sqlite3
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

from bench import scale_report
from bench.filled import Filled, fill_by_api, filled
from bench.load import RunSpec, head_of, load, rows_of, run_id_of
from bench.scale_queries import Population, Query
from bench.scale_report import SHOWN, Loaded, PageCost, Searched
from bench.workloads import expect
from cairn.storage.sqlite import Row, SqliteEngine
from cairn.storage.table import Item

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks-scale.md"
SPEC = RunSpec(tied=0.1, missing=0.02, nan=0.01, deleted=0.01, family=10)
PAGE = 100
MOST_UNITS = 4_000

_AT_ONCE = 1_000  # runs that a process builds for the one that loads
_AHEAD = 8  # such parts that are built before they are written
_MOST_CALLS = 60  # for one page
_ENOUGH = 3  # problems of one query
_PATIENCE = 200.0  # seconds for one page, and for the pages of one query


@dataclass(frozen=True, slots=True)
class Size:
    """Runs of the small and of the large experiment, pages of each search, seconds that one may take."""

    few: int
    many: int
    pages: int
    seconds: float


FULL = Size(1_000, 1_000_000, SHOWN[-1], 5.0)
QUICK = Size(200, 500, 6, math.inf)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--runs", type=int, help=f"runs in the experiment (default {FULL.many:,})")
    parser.add_argument("--quick", action="store_true", help="tiny numbers: proves that it works")
    parser.add_argument("--output", type=Path, help=f"the report (default: {DOCUMENT.name} in docs)")
    parser.add_argument("--data", type=Path, help="keep the data here; what is here already is searched")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    size = QUICK if options.quick else FULL
    size = replace(size, many=options.runs or size.many)
    output: Path | None = options.output or (None if options.quick else DOCUMENT)
    with tempfile.TemporaryDirectory(prefix="cairn-scale-") as folder:
        problems = _run(Path(folder), options.data or Path(folder), size, output)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print("all answers right, every request within its budget")


def _run(folder: Path, data: Path, size: Size, output: Path | None) -> list[str]:
    data.mkdir(exist_ok=True)
    few_path, many_path, figures = folder / "few.db", data / "many.db", data / "loaded.json"
    with filled(few_path) as few, filled(many_path) as many:
        experiment = few.experiment("scale")
        fill_by_api(few, experiment, SPEC, range(size.few))
        if not figures.exists():
            expect(many.experiment("scale") == experiment, "an empty table")
            load(many.table, experiment, SPEC, range(size.few))
            expect(_items(many_path) == _items(few_path), "as many loaded items as the API's")
        same = _equal(few_path, many_path)
        _say(f"the first {size.few:,} runs: {same:,} items, byte-equal to the API's")
        if not figures.exists():
            figures.write_text(json.dumps(asdict(_load(many, many_path, experiment, size, same))))
        loaded = Loaded(**json.loads(figures.read_text()))
        expect(loaded.runs == size.many, f"{size.many:,} runs in the data", loaded.runs)
        _say(scale_report.of_load(loaded))
        searched = list(_search_all(few, many, experiment, size))
    if output is not None:
        output.write_text(scale_report.document(loaded, searched, size.few))
    return [problem for each in searched for problem in each.problems]


def _items(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM items").fetchone()
    return int(count)


def _equal(one: Path, other: Path) -> int:
    """How many items the first file has; the other one has them all, byte for byte."""
    with closing(sqlite3.connect(one)) as first, closing(sqlite3.connect(other)) as second:
        rows = first.execute("SELECT pk, sk, size, body FROM items").fetchall()
        for row in rows:
            found = second.execute("SELECT * FROM items WHERE pk = ? AND sk = ?", row[:2]).fetchone()
            expect(found == row, "a loaded item is the API's", found)
    return len(rows)


def _load(many: Filled, path: Path, experiment: str, size: Size, before: int) -> Loaded:
    """All runs but the first few, built by other processes while this one writes."""
    engine = many.table.engine
    assert isinstance(engine, SqliteEngine)
    build = partial(_build, experiment, head_of(many.table, experiment))
    starts = range(size.few, size.many, _AT_ONCE)
    parts = [range(start, min(start + _AT_ONCE, size.many)) for start in starts]
    begun = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        items = engine.load(_built(pool, build, parts))
    seconds = time.perf_counter() - begun
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Loaded(size.many, before + items, seconds, path.stat().st_size, memory)


def _built(pool: Executor, build: Callable[[range], list[Row]], parts: Sequence[range]) -> Iterator[Row]:
    """The rows of all parts in order; few parts wait to be written, for the writer is the slower one."""
    waiting: deque[Future[list[Row]]] = deque()
    for part in parts:
        waiting.append(pool.submit(build, part))
        if len(waiting) > _AHEAD:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def _build(experiment: str, head: Item, numbers: range) -> list[Row]:
    return list(rows_of(SPEC, experiment, head, numbers))


def _search_all(few: Filled, many: Filled, experiment: str, size: Size) -> Iterator[Searched]:
    limit = PAGE * size.pages
    at_few = Population(SPEC, experiment, size.few).queries(limit)
    population = Population(SPEC, experiment, size.many)
    for small, query in zip(at_few, population.queries(limit), strict=True):
        problems: list[str] = []
        pages = [
            pages_of(at, experiment, each, size, problems) for at, each in ((few, small), (many, query))
        ]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        searched = Searched(query.name, query.matches, pages[0], pages[1], memory, problems)
        _say(scale_report.of_search(searched))
        yield searched


def pages_of(at: Filled, experiment: str, query: Query, size: Size, problems: list[str]) -> list[PageCost]:
    """What the pages of a query cost; what was wrong goes into ``problems``."""
    pages: list[PageCost] = []
    token: str | None = None
    begun = time.perf_counter()
    while len(pages) < size.pages and (not pages or token):
        if time.perf_counter() - begun > _PATIENCE:
            break
        found, token, cost = _page(at, query.body(experiment), token)
        start = len(pages) * PAGE
        right = [run_id_of(experiment, number) for number in query.answer[start : start + PAGE]]
        if found != right[: len(found)] or (len(found) < len(right) and not token):
            problems.append(f"{query.name}: page {len(pages) + 1} is wrong")
        if cost.most_units > MOST_UNITS or cost.longest > size.seconds:
            spent = f"{cost.most_units:,.0f} read units, {cost.longest:.1f} s"
            problems.append(f"{query.name}: a request of page {len(pages) + 1} took {spent}")
        pages.append(cost)
        if not cost.whole or len(problems) >= _ENOUGH:
            break
    return pages


def _page(at: Filled, body: dict[str, object], token: str | None) -> tuple[list[str], str | None, PageCost]:
    """Run ids of a whole page, the token behind it, and the cost: a short page is filled by its token."""
    found: list[str] = []
    cost = PageCost()
    while cost.calls < _MOST_CALLS and cost.wall < _PATIENCE:
        rest = {"page_token": token} if token else {}
        wall, cpu = time.perf_counter(), time.process_time()
        with at.meter.measure() as measured:
            answer = at.post("runs/search", {**body, "max_results": PAGE - len(found), **rest})
        cost.add(measured, time.perf_counter() - wall, time.process_time() - cpu)
        found += [run["info"]["run_id"] for run in answer.get("runs", [])]
        token = answer.get("next_page_token")
        if len(found) >= PAGE or not token:
            break
    cost.rows, cost.whole = len(found), len(found) == PAGE or not token
    return found, token, cost


def _leave(*_: object) -> NoReturn:
    """The data is deleted on the way out."""
    raise SystemExit(1)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
