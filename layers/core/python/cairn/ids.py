"""Ids: how a run id and a logged-model id name their experiment, so that no look-up is needed.

A run id is 16 hex digits of the experiment and 16 of randomness, a valid MLflow run id; a logged model's
is the same behind ``m-``. Experiment ids are MLflow's: decimal integers in strings.
"""

import hashlib
import re
from collections.abc import Callable

from cairn.errors import InvalidParameterValue

RandomBits = Callable[[int], int]
"""``random.SystemRandom().getrandbits`` or a test's own."""

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_MAX_EXPERIMENT = 2**63 - 1

DEFAULT_EXPERIMENT_ID = "0"


def experiment_number(experiment_id: str) -> int:
    """The integer of an experiment id.

    Raises InvalidParameterValue for what is no integer, with the message of MLflow's
    ``_parse_experiment_id``.
    """
    try:
        number = int(experiment_id)
    except ValueError:
        raise InvalidParameterValue(
            f"Invalid experiment ID '{experiment_id}'. Experiment ID must be a valid integer."
        ) from None
    return number


def experiment_hex(experiment_id: str) -> str | None:
    """16 hex digits of the experiment, or None where no experiment can have that id."""
    number = experiment_number(experiment_id)
    return f"{number:016x}" if 0 <= number <= _MAX_EXPERIMENT else None


def new_run_id(experiment_id: str, bits: RandomBits) -> str:
    return f"{experiment_number(experiment_id):016x}{bits(64):016x}"


def new_model_id(experiment_id: str, bits: RandomBits) -> str:
    return f"m-{new_run_id(experiment_id, bits)}"


def keyed_bits(*parts: str) -> RandomBits:
    """Randomness that an idempotency key fixes: the same parts give the same id on every replay."""

    def bits(count: int) -> int:
        digest = hashlib.sha256("\0".join(parts).encode()).digest()
        return int.from_bytes(digest, "big") >> (256 - count)

    return bits


def experiment_of_run(run_id: str) -> str | None:
    """The experiment that a run id names; None where the id is not one of Cairn's."""
    return str(int(run_id[:16], 16)) if _RUN_ID.fullmatch(run_id) else None


def experiment_of_model(model_id: str) -> str | None:
    """The experiment that a logged model's id names; None where the id is not one of Cairn's."""
    return str(int(model_id[2:18], 16)) if _MODEL_ID.fullmatch(model_id) else None
