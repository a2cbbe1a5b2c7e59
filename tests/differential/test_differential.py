"""Cairn beside MLflow's own server: the same generated operations, equal answers, on both engines.

``make test`` draws a few hundred sequences from one seed. CAIRN_DIFFERENTIAL_SEED takes another one, and
CAIRN_DIFFERENTIAL_MINUTES goes on with fresh seeds for so long (shared by the kinds of sequences). A
failure is shrunk and printed as a replay; its seed repeats it.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.differential import drive
from tests.differential.cairn import Cairn, on_dynamodb, on_sqlite
from tests.differential.operations import Operation
from tests.differential.reference import Mlflow, mlflow_backend
from tests.differential.search_calls import PROFILES

SEQUENCES = {"tracking": 80, "searching": 60, "models": 60, "registry": 80, "webhooks": 60}
"""Of each kind in an ordinary run."""
LEAST_SHARE = 0.6
"""Of operations that succeed: sequences of refusals would compare little."""
PARTS = 2
"""Each kind is drawn in parts of their own, which two workers share."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Mlflow:
    return mlflow_backend(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module")
def contenders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cairn]]:
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        sqlite = stack.enter_context(on_sqlite(tmp_path_factory.mktemp("sqlite")))
        dynamodb = stack.enter_context(on_dynamodb(tmp_path_factory.mktemp("dynamodb")))
        yield [sqlite, dynamodb]


@pytest.mark.timeout(0)  # shrinking a failure may take minutes; hypothesis ends it after five
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", sorted(PROFILES))
def test_answers_are_equal(
    kind: str,
    part: int,
    reference: Mlflow,
    contenders: list[Cairn],
    record_property: Callable[[str, object], None],
) -> None:
    tally = drive.Tally()
    minutes = float(os.environ.get("CAIRN_DIFFERENTIAL_MINUTES", "0"))
    end = time.monotonic() + minutes * 60 / (len(PROFILES) * PARTS)
    chosen = int(os.environ.get("CAIRN_DIFFERENTIAL_SEED", "20261121")) + part
    seeds = [chosen]
    _compare(kind, chosen, SEQUENCES[kind] // PARTS, reference, contenders, tally)
    while time.monotonic() < end:
        seeds.append(secrets.randbelow(2**32))
        _compare(kind, seeds[-1], 40, reference, contenders, tally)
    known = ", ".join(map(str, seeds)) if len(seeds) < 6 else f"{chosen} and {len(seeds) - 1} random ones"
    record_property("report", f"differential, {kind}, seeds {known}: {tally.text()}")
    if minutes:
        record_property("report", tally.wordings())
    assert tally.share >= LEAST_SHARE, drive.summary(tally)


def _compare(
    kind: str, number: int, sequences: int, reference: Mlflow, contenders: list[Cairn], tally: drive.Tally
) -> None:
    @seed(number)
    @settings(
        max_examples=sequences,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(PROFILES[kind])
    def run(operations: list[Operation]) -> None:
        drive.run(operations, reference, contenders, tally)

    try:
        run()
    except drive.Different as failure:
        failure.add_note(f"Repeat with CAIRN_DIFFERENTIAL_SEED={number} and -k '{kind}-0'.")
        raise
