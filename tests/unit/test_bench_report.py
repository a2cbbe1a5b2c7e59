"""The benchmark's tables and plot, also where a server was waited for in vain, or is no more."""

from xml.etree import ElementTree

from bench import plot, report
from bench.report import Report
from bench.searches import Search, Taken

NAMES = ("MLflow", "MLflow, PostgreSQL", "Cairn")
SVG = "{http://www.w3.org/2000/svg}"


def _search(runs: int, mlflow: Taken | None) -> Search:
    """The first answer of each, 9 s, is of a new connection and counts nowhere."""
    taken = {"MLflow, PostgreSQL": Taken([9.0, 0.05, 0.05, 0.2]), "Cairn": Taken([9.0, 0.01, 0.01])}
    return Search("x < 1 & y", runs, 100, {"MLflow": mlflow, **taken} if mlflow else taken)


FOUND = [
    _search(1_000, Taken([9.0, 0.04])),
    _search(10_000, Taken([5.0])),
    _search(100_000, Taken([], waited=60.0)),
    _search(1_000_000, None),
]


def test_rows() -> None:
    rows = [report.search_row(search, NAMES) for search in FOUND]
    rest = "50.0 | 200 | 10.0 | 10.0"
    assert rows == [
        f"| 1,000 | x < 1 & y | 100 | 40.0 | 40.0 | {rest} | 4.0x | 5.0x |",
        f"| 10,000 | x < 1 & y | 100 | 5,000 | 5,000 | {rest} | 500.0x | 5.0x |",
        f"| 100,000 | x < 1 & y | 100 | > 60,000 | - | {rest} | > 6,000x | 5.0x |",
        f"| 1,000,000 | x < 1 & y | 100 | - | - | {rest} | - | 5.0x |",
    ]


def test_a_table_has_as_many_columns_in_each_row() -> None:
    lines = report.search_table(FOUND).splitlines()
    assert len(lines) == 2 + len(FOUND)
    assert {line.count("|") for line in lines} == {3 + 2 * 3 + 2 + 1}


def test_the_document_says_when_postgresql_was_left_out() -> None:
    assert "a second one on PostgreSQL was left out" in report.document(Report(found=FOUND), "x.svg")
    with_it = report.document(Report(found=FOUND, postgres="15.7"), "x.svg")
    assert "a second one on PostgreSQL 15.7" in with_it
    assert "left out" not in with_it


def test_the_plot() -> None:
    drawn = ElementTree.fromstring(plot.svg(FOUND))
    texts = [element.text for element in drawn.iter(f"{SVG}text")]
    assert {"x < 1 & y", *NAMES, "1k", "10k", "100k", "1000k", "10", "100,000"} <= set(texts)
    colors = {
        element.get("stroke") for element in drawn.iter(f"{SVG}path") if element.get("fill") == "none"
    }
    assert len(colors) == len(NAMES)
    dots = list(drawn.iter(f"{SVG}circle"))
    assert len(dots) == 2 + 4 + 4, "every median that there is"
    waited = [path for path in drawn.iter(f"{SVG}path") if (path.get("d") or "").endswith("z")]
    assert [path.get("fill") for path in waited] == ["#b33a3a"]
    at = {float(dot.get("cy") or 0) for dot in dots if dot.get("fill") == "#1f6fb2"}
    assert len(at) == 1, "equal times lie on one line"
