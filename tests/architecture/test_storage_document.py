"""docs/storage.md names every key that keys.py makes and no other, and says what the budgets count."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cairn.storage import keys
from cairn.storage.table import Key
from tests.architecture.documents import DOCS

BUDGETS = Path(__file__).parents[1] / "budget"
RUN = "0" * 15 + "1" + "ab" * 8
SAMPLES: dict[str, Any] = {
    "experiment": RUN[:16],
    "kind": keys.LISTED,
    "created": 5,
    "name": "00000001#0123456789abcdef",
    "key": "team",
    "run_id": RUN,
    "model_id": f"m-{RUN}",
    "dataset_digest": "d1",
    "context": "training",
    "time": 5,
    "content": b"x",
    "metric": "loss",
    "model": "00c0ffee" * 2,
    "number": 3,
    "stage": "Production",
    "epoch": 1,
    "prompts": True,
    "partition": keys.registered_partition("00c0ffee" * 2),
    "webhook_id": "0b1c2d3e-0000-4000-8000-000000000001",
    "holder": "444455556666",
    "hashed": "ab" * 32,
    "asked": "ab" * 32,
    "share_name": "fraud",
}
"""What functions that give a key are called with; a new parameter wants a sample."""
PLACEHOLDERS = {
    "shard": r"\d",
    "max - start": "[0-9a-f]{16}",
    "experiment": "[0-9a-f]{16}",
    "run": "[0-9a-f]{32}",
    "model": "m-[0-9a-f]{32}",
    "caller, route, key, hashed": "[0-9a-f]{64}",
    "caller, query, name, hashed": "[0-9a-f]{64}",
    "group": r"[ad]\d+",
    "field": "[mptad].*",
    "value": ".+",
    "key": ".+",
    "prefix": "[0-9a-f]+",
    "time": "[0-9a-f]{16}",
    "content hash": "[0-9a-f]{16}",
    "metric": "[0-9a-f]{32}",
    "version": "[0-9a-f]{8}",
    "webhook": "[0-9a-f-]{36}",
    "principal, hashed": "[0-9a-f]+",
    "sha256 of the token": "[0-9a-f]{64}",
    "sha256 of the code": "[0-9a-f]{64}",
    "sha256 of the session": "[0-9a-f]{64}",
    "max - created": "[0-9a-f]{16}",
    "id": "[0-9a-f]+",
    "name": ".+",
    "number": "[0-9a-f]{8}",
    "max - number": "[0-9a-f]{8}",
    "stage": "[^#]+",
    "epoch": "[0-9a-f]{8}",
    "hash of the key": "[0-9a-f]{32}",
    "idempotency key, hashed": ".+",
    "share": "[A-Za-z0-9][A-Za-z0-9_.-]*",
    "account or organisation": r"\d{12}|o-[a-z0-9]+",
}
PREFIXES = {
    f"{name}_PREFIX"
    for name in (
        "TAG",
        "DATASET",
        "USE",
        "MODEL",
        "LOG",
        "FOLDED",
        "JOURNAL",
        "LONG_TAG",
        "VERSION",
        "ARCHIVING",
    )
}
"""Prefixes whose keys are all made by functions."""

Row = tuple[str, str]
"""The forms of pk and sk."""


def rows(text: str, pattern: str) -> list[Row]:
    return [(found["pk"], found["sk"]) for found in re.finditer(pattern, text, re.MULTILINE)]


def documented() -> list[Row]:
    text = (DOCS / "storage.md").read_text()
    return rows(text, r"^\| [^|]+ \| `(?P<pk>[^`]+)` \| (?:`(?P<sk>[^`]+)`|as those of a run) \|")


def in_docstring() -> list[Row]:
    assert keys.__doc__ is not None
    table = keys.__doc__.partition("item  ")[2].partition("\n\n")[0]
    return rows(
        table, r"^    .+? (?P<pk>(?:[A-Z]{1,2}#|W)(?:<[^>]+>|\S)*) +(?:as those of a run|(?P<sk>\S.*))$"
    )


def made() -> Iterator[tuple[str, Key]]:
    """Every key that keys.py can make, with the name that makes it."""
    for name, function in inspect.getmembers(keys, inspect.isfunction):
        signature = inspect.signature(function)
        if signature.return_annotation in (Key, "Key") and not name.startswith("_"):
            by_name = {p.name: SAMPLES[p.name] for p in signature.parameters.values()}
            yield name, function(**by_name)
    yield "DETAILED", keys.experiment_list_entry(keys.DETAILED, RUN[:16], 5)
    yield "COUNTER", keys.COUNTER
    yield "HEAD", keys.share(keys.HEAD)
    model, number = SAMPLES["model"], SAMPLES["number"]
    yield "model_list", keys.model_by_name("iris", model, prompts=False)
    yield "long_tag", keys.long_tag(keys.version_partition(model, number), "team")
    yield "versions_of_run", Key(keys.versions_of_run("any"), keys.version_of_run(model, number))
    position = keys.run_position(5, RUN)
    yield "index_partition", Key(keys.index_partition(RUN[:16], "a0"), position)
    yield "index_partition", Key(keys.index_partition(RUN[:16], "a0", "mloss"), f"1{position}")
    for pk in (keys.run_partition(RUN), keys.model_partition(f"m-{RUN}")):
        yield "FACTS_HEAD", Key(pk, keys.FACTS_HEAD)
        yield "FACTS_PREFIX", Key(pk, f"{keys.FACTS_PREFIX}a")
        yield "LATEST_PREFIX", Key(pk, f"{keys.LATEST_PREFIX}a")
    yield "INVENTORY", Key(keys.run_partition(RUN), f"{keys.INVENTORY}#{keys.segment_name(1, b'x')}")


def form(template: str) -> re.Pattern[str]:
    parts = re.split(r"<([^>]+)>", template)
    for place in range(1, len(parts), 2):
        name = parts[place]
        parts[place] = "[0-9a-f]{64}" if name.startswith("sha256") else PLACEHOLDERS[name]
        parts[place - 1] = re.escape(parts[place - 1])
    parts[-1] = re.escape(parts[-1])
    return re.compile("".join(parts))


def matching(key: Key, table: list[Row]) -> list[Row]:
    found = []
    for pk, sk in table:
        forms = [sk] if sk else [other for run, other in table if run == "R#<run>"]
        if form(pk).fullmatch(key.pk) and any(form(one).fullmatch(key.sk) for one in forms):
            found.append((pk, sk))
    return found


def test_the_document_and_the_docstring_have_the_same_keys() -> None:
    assert sorted(map(str, documented())) == sorted(map(str, in_docstring()))
    assert len(documented()) > 20


@pytest.mark.parametrize(("name", "key"), list(made()), ids=lambda value: str(value)[:40])
def test_every_key_is_documented_once(name: str, key: Key) -> None:
    assert len(matching(key, documented())) == 1, name


def test_every_documented_key_is_made() -> None:
    hit = {row for _, key in made() for row in matching(key, documented())}
    assert hit == set(documented())


def test_no_prefix_is_forgotten() -> None:
    """A new prefix wants a key in ``made``, or a function."""
    named = {name for name in vars(keys) if name.endswith("_PREFIX")}
    assert named - PREFIXES == {name for name, _ in made() if name.endswith("_PREFIX")}
    assert named >= PREFIXES


def prices() -> list[tuple[str, list[float], str]]:
    text = (DOCS / "storage.md").read_text().partition("## Prices")[2].partition("|\n\n")[0] + "|\n"
    pattern = r"^\| ([^|]+) \| (\d+) \| (\d+) \| ([\d.]+) \| [^|]* \| `(\w+::\w+)` \|$"
    found = re.findall(pattern, text, re.MULTILINE)
    assert len(found) == text.count("\n| ") - 1, "a row of prices that nobody understands"
    return [(name, [float(r), float(w), float(u)], test) for name, r, w, u, test in found]


@pytest.mark.parametrize(("name", "cost", "test"), prices(), ids=lambda value: str(value)[:40])
def test_a_price_is_the_one_that_a_budget_counts(name: str, cost: list[float], test: str) -> None:
    """The named test has the three numbers as a list, in what it compares or is parametrised with."""
    module, _, function = test.partition("::")
    tree = ast.parse((BUDGETS / f"{module}.py").read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    lists = [
        [element.value for element in node.elts if isinstance(element, ast.Constant)]
        for node in ast.walk(found)
        if isinstance(node, ast.List)
    ]
    assert cost in lists, name
