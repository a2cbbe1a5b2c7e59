"""The pools of values that operations are made of: ordinary ones, and those at and past MLflow's limits.

The limits are MLflow's (``mlflow.utils.validation``): keys of 250 characters, parameter values of 6,000,
run tag values of 8,000, experiment names of 500, dataset digests of 36, and int64 for every time and step.
"""

from typing import Final

from tests.differential.operations import Json

START: Final = 1_700_000_000_000
"""The first instant of every sequence, in milliseconds."""

METRIC_KEYS: Final = ("loss", "acc", "Loss", "val/acc", "k 1", "a-b.c:d")
PARAM_KEYS: Final = ("lr", "depth", "opt/name", "LR")
TAG_KEYS: Final = ("team", "stage", "note text", "mlflow.note.content", "Team", "mlflow.source.name")
EDGE_KEYS: Final = ("k" * 250, "é ü", "_", "x.y/z")
BAD_KEYS: Final = (
    "",
    "k" * 251,
    "../up",
    "/root",
    "a//b",
    "./here",
    "a/../b",
    "cost$",
    "tab\tkey",
    ".",
    "..",
)

METRIC_VALUES: Final[tuple[Json, ...]] = (
    0, 1, -1, 0.5, 0.5, 1.5, -2.25, -0.0, 1e-9, 5e-324, 1e308, 100, "NaN", "Infinity", "-Infinity", "0.25",
)  # fmt: skip
BAD_METRIC_VALUES: Final[tuple[Json, ...]] = (None, None, "abc", "", [], {}, True)
STEPS: Final[tuple[Json, ...]] = (0, 1, 1, 2, 3, 10, -1, -(2**63), 2**63 - 1, 2**40, "4")
BAD_STEPS: Final[tuple[Json, ...]] = (2**63, 1.5, "x", [])
TIMESTAMPS: Final[tuple[Json, ...]] = (0, 1, 1, 1000, START, START + 1, START * 1000, 2**63 - 1, "7")
BAD_TIMESTAMPS: Final[tuple[Json, ...]] = (-1, -1, None, "soon", 2**63, None, 1.5)

PARAM_VALUES: Final = ("1", "1", "2", "0.1", "adam", "Adam", "", "a b", "v" * 500, "ü%_")
EDGE_PARAM_VALUES: Final = ("v" * 6000, "v" * 6001, "é" * 6000, "v" * 7000)
TAG_VALUES: Final = ("a", "b", "A", "ab", "", "x y", "100%", "t" * 600, "t" * 600 + "z", "Ä_b")
EDGE_TAG_VALUES: Final = ("t" * 8000, "t" * 8001, "ü" * 8000)

START_TIMES: Final[tuple[Json, ...]] = (
    None, None, 0, -1, -(10**15), 1, START, START, START + 1, START + 1000, START * 1000, 2**63 - 1,
    -(2**63), str(START),
)  # fmt: skip
BAD_START_TIMES: Final[tuple[Json, ...]] = ("now", 2**63, 1.5, [])
RUN_NAMES: Final = ("alpha", "beta", "Alpha", "alpha 2", "ünder_score", "100%", "n" * 250)
STATUSES: Final[tuple[Json, ...]] = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED", 3)
BAD_STATUSES: Final[tuple[Json, ...]] = ("DONE", "finished", 17, "")

EXPERIMENT_NAMES: Final = ("exp-a", "exp-b", "Exp-A", "exp c", "ünï/code", "100%_done", "e" * 500)
BAD_EXPERIMENT_NAMES: Final[tuple[Json, ...]] = ("", "e" * 501, 7, None, [])
LOCATIONS: Final = ("mlflow-artifacts:/elsewhere", "mlflow-artifacts:/a/b/c")
EXPERIMENT_TAG_VALUES: Final = ("a", "b", "", "x" * 5000, "ä")
BAD_EXPERIMENT_TAG_VALUES: Final = ("v" * 20_001,)
UNKNOWN_EXPERIMENTS: Final = ("4711", "-1", "abc", "", "9223372036854775807", "1.0")

DATASETS: Final = (("train", "d1"), ("train", "d2"), ("Train", "d1"), ("eval", "d1"), ("n" * 500, "d" * 36))
CONTEXTS: Final = ("training", "eval", "Training", "")
MODEL_NAMES: Final = ("net", "Net", "forest", "a b")
MODEL_TYPES: Final = ("", "Agent", "classifier")
WRONG_TYPES: Final[tuple[Json, ...]] = (None, 12, "x", [], {}, True, [1], {"key": "a"}, -1.5, "y" * 300)
"""What replaces a field of a request that is spoiled on purpose."""
