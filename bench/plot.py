"""One SVG: what a page takes against the number of runs, a panel for each query, a line for each server.

Both axes are logarithmic. Written by hand, so that it is small, and the same bytes for the same figures.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.searches import Search, Taken

_COLORS = {"Cairn": "#1f6fb2"}
_OTHERS = ("#b33a3a", "#c98a1b")
_COLUMNS = 4
_WIDTH, _HEIGHT = 236, 178  # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 16, 28, 26  # from its edges to the axes
_HEAD = 34


@dataclass(frozen=True, slots=True)
class _Scale:
    """Runs and milliseconds as points of a panel."""

    runs: tuple[int, ...]
    low: int
    high: int
    """Powers of ten that the times lie between."""

    def x(self, runs: int) -> float:
        span = math.log(self.runs[-1] / self.runs[0]) or 1.0
        return _LEFT + math.log(runs / self.runs[0]) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(self, milliseconds: float) -> float:
        share = (math.log10(milliseconds) - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def svg(searches: Sequence[Search]) -> str:
    """Medians of all of ``searches``; a triangle where a server was waited for in vain stands at the time
    that it took longer than."""
    queries = list(dict.fromkeys(search.query for search in searches))
    servers = list(dict.fromkeys(name for search in searches for name in search.taken))
    colors = dict(zip([name for name in servers if name not in _COLORS], _OTHERS, strict=False)) | _COLORS
    scale = _scale(searches)
    width, height = _WIDTH * _COLUMNS, _HEAD + _HEIGHT * -(-len(queries) // _COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        ' font-family="sans-serif" font-size="11" fill="#222">',
        "<title>Milliseconds for a page of 100 against runs in the experiment</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_legend(servers, colors),
    ]
    for place, query in enumerate(queries):
        x, y = place % _COLUMNS * _WIDTH, _HEAD + place // _COLUMNS * _HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_axes(scale, query)]
        for server in servers:
            of_one = [s for s in searches if s.query == query and server in s.taken]
            parts += _line(scale, [(s.runs, s.taken[server]) for s in of_one], colors[server])
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _scale(searches: Sequence[Search]) -> _Scale:
    times = [_milliseconds(taken) for search in searches for taken in search.taken.values()]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    return _Scale(tuple(sorted({search.runs for search in searches})), low, max(high, low + 1))


def _milliseconds(taken: Taken) -> float:
    return 1000 * (taken.median if taken.waited is None else taken.waited)


def _legend(servers: Sequence[str], colors: dict[str, str]) -> Iterator[str]:
    yield '<text x="10" y="20">ms for a page of 100 by runs in the experiment, both logarithmic:</text>'
    x = 400
    for server in servers:
        yield f'<path d="M{x} 16h24" stroke="{colors[server]}" stroke-width="2"/>'
        yield f'<text x="{x + 30}" y="20">{escape(server)}</text>'
        x += 60 + 7 * len(server)


def _axes(scale: _Scale, query: str) -> Iterator[str]:
    yield f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(query)}</text>'
    for power in range(scale.low, scale.high + 1):
        y = scale.y(10**power)
        yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:,g}</text>'
    for runs in scale.runs:
        yield (
            f'<text x="{scale.x(runs):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
            f"{_short(runs)}</text>"
        )


def _short(runs: int) -> str:
    return f"{runs // 1000}k" if runs >= 1000 and runs % 1000 == 0 else str(runs)


def _line(scale: _Scale, points: Sequence[tuple[int, Taken]], color: str) -> Iterator[str]:
    places = [(scale.x(runs), scale.y(_milliseconds(taken)), taken.waited) for runs, taken in points]
    if not places:
        return
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in places)
    yield f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>'
    for x, y, waited in places:
        if waited is None:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>'
        else:
            yield f'<path d="M{x - 5:.1f} {y + 4:.1f}h10l-5 -9z" fill="{color}"/>'
