"""MLflow's limits in MLflow's words: compared with its own validators."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cairn.domain import experiments, limits
from cairn.domain.entities import Dataset
from cairn.errors import InvalidParameterValue

pytestmark = pytest.mark.filterwarnings("ignore")  # those of MLflow's own imports

_keys = st.one_of(
    st.text(st.sampled_from("ab/.:-_ \n$é"), max_size=8),
    st.text(max_size=5),
    st.integers(249, 251).map(lambda length: "k" * length),
)


@pytest.fixture(autouse=True, scope="module")
def _mlflow_is_imported() -> None:
    """Not within the first example's deadline."""
    import mlflow.utils.validation  # noqa: F401


def said(call: Callable[[], Any]) -> Any:
    """What a validator gives back, or the text of its refusal."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except InvalidParameterValue as refusal:
        return f"refused: {refusal.code} {refusal.message}"
    except MlflowException as refusal:
        return f"refused: {refusal.error_code} {refusal.message}"


@given(_keys, st.integers(-2, 2), st.sampled_from(["", "metrics[3]"]))
@example("", 0, "")
@example(".hidden", 0, "")
@example("a/../b", 0, "metrics[0]")
@example("a\n", 0, "")
def test_metrics(key: str, timestamp: int, path: str) -> None:
    from mlflow.utils import validation

    ours = said(lambda: limits.validate_metric(key, 1.0, timestamp, path))
    assert ours == said(lambda: validation._validate_metric(key, 1.0, timestamp, 0, path))


@given(_keys, st.sampled_from(["", "v", "v" * 6_000, "v" * 6_001, "é" * 6_001]))
def test_params(key: str, value: str) -> None:
    from mlflow.utils import validation

    def theirs() -> tuple[str, str]:
        param = validation._validate_param(key, value, "params[0]")
        return param.key, param.value

    assert said(lambda: limits.validate_param(key, value, "params[0]")) == said(theirs)


@given(_keys, st.sampled_from(["", "v", "v" * 8_000, "v" * 8_001]), st.sampled_from(["", "tags[0]"]))
def test_run_tags(key: str, value: str, path: str) -> None:
    from mlflow.utils import validation

    def theirs() -> tuple[str, str]:
        tag = validation._validate_tag(key, value, path)
        return tag.key, tag.value

    assert said(lambda: limits.validate_tag(key, value, path)) == said(theirs)


_trace_keys = st.sampled_from(["mlflow.trace.archivalRetention", "mlflow.trace.archiveNow"])
_trace_values = st.sampled_from(
    [
        "",
        "x",
        "[]",
        "{}",
        "null",
        '{"type": "duration"}',
        '{"type": "duration", "value": "30d"}',
        '{"type": "duration", "value": " 12h "}',
        '{"type": "duration", "value": "0d"}',
        '{"type": "duration", "value": 30}',
        '{"type": "date", "value": "30d"}',
        '{"older_than": "5m"}',
        '{"older_than": "5s"}',
        '{"older_than": "%sd"}' % ("9" * 40),
    ]
)


@given(
    st.one_of(_keys, _trace_keys),
    st.one_of(st.sampled_from(["", "v" * 20_000, "v" * 20_001]), _trace_values),
)
def test_experiment_tags(key: str, value: str) -> None:
    from mlflow.utils import validation

    ours = said(lambda: experiments.validate_tag(key, value))
    assert ours == said(lambda: validation._validate_experiment_tag(key, value))


@given(
    st.one_of(st.none(), st.text(max_size=5), st.just("a" * 256), st.just("a" * 257), st.just("a-b_1\n"))
)
def test_run_ids(run_id: str | None) -> None:
    from mlflow.utils import validation

    text = run_id or ""
    assert said(lambda: limits.validate_run_id(text)) == said(lambda: validation._validate_run_id(text))


@given(st.lists(st.sampled_from("abc"), max_size=6))
def test_param_keys_of_a_batch(keys: list[str]) -> None:
    from mlflow.entities import Param
    from mlflow.utils import validation

    ours = said(lambda: limits.validate_param_keys_unique(keys))
    assert ours == said(lambda: validation._validate_param_keys_unique([Param(key, "v") for key in keys]))


@given(*[st.sampled_from([0, 1, 99, 100, 101, 900, 1000, 1001])] * 3)
def test_sizes_of_a_batch(metrics: int, params: int, tags: int) -> None:
    from mlflow.utils import validation

    ours = said(lambda: limits.validate_batch_limits(metrics, params, tags))
    theirs = said(
        lambda: validation._validate_batch_log_limits([None] * metrics, [None] * params, [None] * tags)
    )
    assert ours == theirs


@given(st.text(st.sampled_from("ab/:.%\"' "), max_size=4))
def test_logged_model_names(name: str) -> None:
    from mlflow.utils import validation

    ours = said(lambda: limits.validate_logged_model_name(name))
    assert ours == said(lambda: validation._validate_logged_model_name(name or None))


@pytest.mark.parametrize("size", [0, 1, 500, 501, 65_536, 1_048_576])
@pytest.mark.parametrize("field", ["name", "digest", "source", "schema", "profile", "key", "value"])
def test_datasets(field: str, size: int) -> None:
    from mlflow import entities
    from mlflow.utils import validation

    fields = {"name": "n", "digest": "d", "source_type": "t", "source": "s", "schema": "", "profile": ""}
    tag = {"key": "k", "value": "v"}
    (tag if field in tag else fields)[field] = "x" * size
    theirs = entities.DatasetInput(entities.Dataset(**fields), [entities.InputTag(**tag)])
    ours = said(lambda: limits.validate_dataset_input(Dataset(**fields), [(tag["key"], tag["value"])]))
    assert ours == said(lambda: validation._validate_dataset_inputs([theirs]))


@pytest.mark.parametrize(
    ("size", "refused"), [(0, True), (-1, True), (1, False), (50_000, False), (50_001, True)]
)
def test_sizes_of_a_page(size: int, refused: bool) -> None:
    assert str(said(lambda: limits.validate_max_results(size))).startswith("refused") is refused
