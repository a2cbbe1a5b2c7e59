"""What was measured at a million runs, as text and as docs/benchmarks-scale.md."""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cairn.storage.meter import Measurement

SHOWN = (1, 2, 100)
"""The pages that are told of; all up to the last are read."""


@dataclass(slots=True)
class PageCost:
    """What one page took: requests to the API (more than one where it answered short pages), requests to
    the table, read units, and seconds; of one API request at most ``most_units`` and ``longest``. Not
    ``whole``: given up before it had all its rows."""

    calls: int = 0
    requests: int = 0
    units: float = 0
    most_units: float = 0
    wall: float = 0
    longest: float = 0
    cpu: float = 0
    rows: int = 0
    whole: bool = True

    def add(self, measured: Measurement, wall: float, cpu: float) -> None:
        self.calls += 1
        self.requests += measured.requests
        self.units += measured.read_units
        self.most_units = max(self.most_units, measured.read_units)
        self.wall += wall
        self.longest = max(self.longest, wall)
        self.cpu += cpu


@dataclass(frozen=True, slots=True)
class Loaded:
    """Seconds, and bytes of the file and of the loading process at its largest."""

    runs: int
    items: int
    seconds: float
    file: int
    memory: int


@dataclass(frozen=True, slots=True)
class Searched:
    """A query's pages among few runs and among many, from the first on; how many of the many match it, and
    the process's peak memory after it."""

    name: str
    matches: int
    few: Sequence[PageCost]
    many: Sequence[PageCost]
    memory: int
    problems: Sequence[str]


def of_load(loaded: Loaded) -> str:
    return (
        f"{loaded.runs:,} runs, {loaded.items:,} items in {loaded.seconds:.0f} s; "
        f"file {loaded.file / 1e9:.2f} GB; peak memory of the loading process {loaded.memory / 1e6:.0f} MB"
    )


def of_search(searched: Searched) -> str:
    lines = [f"{searched.name}: {searched.matches:,} match"]
    lines += [
        f"  page {number:3}: {_text(searched.few, number)}  ->  {_text(searched.many, number)}"
        for number in SHOWN
    ]
    lines += [f"  PROBLEM {problem}" for problem in searched.problems]
    return "\n".join(lines)


def _text(pages: Sequence[PageCost], number: int) -> str:
    if len(pages) < number:
        return "-"
    cost = pages[number - 1]
    return (
        f"{cost.rows} rows{'' if cost.whole else ' (given up)'}, {cost.calls} calls, "
        f"{cost.requests} requests, {cost.units:,.1f} units, "
        f"{cost.wall * 1000:.0f} ms ({cost.cpu * 1000:.0f} CPU)"
    )


def document(loaded: Loaded, searched: Sequence[Searched], few: int) -> str:
    """The report."""
    text = _DOCUMENT.format(
        few=few,
        loaded=loaded,
        gigabytes=loaded.file / 1e9,
        loading=loaded.memory / 1e6,
        searching=max(each.memory for each in searched) / 1e6,
        machine=platform.machine(),
        python=platform.python_version(),
        pages="\n".join(row for each in searched for row in _rows(each)),
        worst="\n".join(map(_worst, searched)),
    )
    problems = [f"- {problem}" for each in searched for problem in each.problems]
    return text + ("\n## Problems\n\n" + "\n".join(problems) + "\n" if problems else "")


def _rows(searched: Searched) -> Iterator[str]:
    for number in SHOWN:
        if len(searched.many) >= number:
            few, many = _cells(searched.few, number), _cells(searched.many, number)
            yield f"| {searched.name} | {searched.matches:,} | {number} | {few} | {many} |"


def _cells(pages: Sequence[PageCost], number: int) -> str:
    if len(pages) < number:
        return " | ".join("–" * 5)
    cost = pages[number - 1]
    times = f"{cost.wall * 1000:,.0f} | {cost.cpu * 1000:,.0f}"
    return f"{cost.calls}{'' if cost.whole else '+'} | {cost.requests} | {cost.units:,.1f} | {times}"


def _worst(searched: Searched) -> str:
    pages = searched.many
    number, worst = max(enumerate(pages, 1), key=lambda page: page[1].units)
    calls = f"{worst.calls}{'' if worst.whole else '+'}"
    most, longest = max(page.most_units for page in pages), max(page.longest for page in pages)
    figures = f"{calls} | {worst.units:,.1f} | {most:,.1f} | {longest * 1000:,.0f}"
    return f"| {searched.name} | {len(pages)} | {number} | {figures} |"


_DOCUMENT = """# {loaded.runs:,} runs in one experiment

Written by `make bench-scale`. The runs lie in one SQLite file, put there by the storage code; the first
{few:,} are byte-equal to what the API makes of the same requests. Every answer was compared with one that
was computed apart. Requests and read units are those that DynamoDB would bill; times are of one process
({machine}, Python {python}) and hold for this machine alone.

- {loaded.runs:,} runs came to {loaded.items:,} items, loaded in {loaded.seconds:.0f} s
- file: {gigabytes:.2f} GB
- peak memory: {loading:.0f} MB while loading, {searching:.0f} MB while searching, with the expected answers

## Pages of 100 runs

Figures at {few:,} runs, then at {loaded.runs:,}. An API request that would pass its budget answers a short
page with a token; *calls* says how many of them filled the page. *60+* was given up after 60: a search for
what hardly any run lacks reads the facts of one run after the other, 3,400 in a call. *Requests* are those
to the table.

| search | match | page | calls | requests | units | ms | CPU ms | calls | requests | units | ms | CPU ms |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{pages}

## The dearest page of each, up to the hundredth

And what one call cost at most, on any page.

| search | pages | dearest | calls | units | units of a call | ms of a call |
|---|--:|--:|--:|--:|--:|--:|
{worst}
"""
