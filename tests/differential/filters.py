"""Strategies for what searches ask: filters and orders in MLflow's grammars, a few of them broken.

Values come from the pools of ``values``, so that clauses hit: a filter that nothing meets compares nothing.
"""

from hypothesis import strategies as st

from tests.differential import values
from tests.differential.operations import Json

_pick = st.sampled_from

_NUMERIC = _pick((">", ">=", "<", "<=", "=", "!="))
_NUMBER = _pick(("0", "1", "0.5", "-1", "1.5", "100", "-2.25", "1e-9", "0.25", "1.7976931348623157e308"))
_TIME = _pick(("0", "-1", "1", f"{values.START}", f"{values.START + 1}", f"{values.START * 1000}"))
_EQUALS = _pick(("=", "=", "!="))
_LIKE = _pick(("LIKE", "ILIKE", "like", "ilike"))
_WORDS = ("a", "A", "b", "1", "adam", "Adam", "alpha", "x y", "", "train", "eval", "team", "net")
_WORD = _pick(_WORDS)
_PATTERN = _pick(
    ("%", "a%", "A%", "%a", "%A%", "_", "a_", "%1%", "tra_n", "al%", "%ph_", "x%", "100%", "", "%_%")
)
_NULL = _pick(("IS NULL", "IS NOT NULL", "is null"))
_METRIC = _pick(("metrics.", "metric.", "metrics."))
_PARAM = _pick(("params.", "param.", "parameters.", "parameter."))
_TAG = _pick(("tags.", "tag."))
_ATTRIBUTE = _pick(("", "attributes.", "attribute.", "attr.", "run."))


def _key(keys: tuple[str, ...]) -> st.SearchStrategy[str]:
    """A key, quoted where the grammar wants it and now and then where it does not."""

    def quote(key: str, style: int) -> str:
        plain = key.isidentifier() and key.isascii()
        return key if plain and style else (f'"{key}"' if style == 2 else f"`{key}`")

    return st.builds(quote, _pick(keys), st.integers(0, 2))


def _quoted(text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda word, mark: f"{mark}{word}{mark}", text, _pick(("'", "'", '"')))


def _joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda each: "".join(each))


def _spaced(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda each: " ".join(each))


def _list(words: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(_pick(words), min_size=1, max_size=3).map(
        lambda each: "(" + ", ".join(f"'{word}'" for word in each) + ")"
    )


def _text_clauses(name: st.SearchStrategy[str]) -> list[st.SearchStrategy[str]]:
    return [
        _spaced(name, _EQUALS, _quoted(_WORD)),
        _spaced(name, _LIKE, _quoted(_PATTERN)),
    ]


_RUN_IDS = tuple(f"{{run:{number}}}" for number in range(4))
_metric_name = _joined(_METRIC, _key(values.METRIC_KEYS))
_param_name = _joined(_PARAM, _key(values.PARAM_KEYS))
_tag_name = _joined(_TAG, _key((*values.TAG_KEYS, "mlflow.runName")))
_string_name = _joined(_ATTRIBUTE, _pick(("run_name", "status", "user_id", "artifact_uri", "run_name")))
_dataset_name = _joined(_pick(("dataset.", "datasets.")), _pick(("name", "digest", "context")))
_dataset_words = ("train", "Train", "eval", "d1", "d2", "training")

RUN_CLAUSES: list[st.SearchStrategy[str]] = [
    _spaced(_metric_name, _NUMERIC, _NUMBER),
    _spaced(_metric_name, _NUMERIC, _NUMBER),
    *_text_clauses(_param_name),
    _spaced(_param_name, _NULL),
    *_text_clauses(_tag_name),
    _spaced(_tag_name, _NULL),
    *_text_clauses(_string_name),
    _spaced(_joined(_ATTRIBUTE, _pick(("start_time", "end_time", "created"))), _NUMERIC, _TIME),
    _spaced(
        _joined(_ATTRIBUTE, st.just("status")), _EQUALS, _quoted(_pick(("RUNNING", "FINISHED", "FAILED")))
    ),
    _spaced(_joined(_ATTRIBUTE, st.just("run_id")), _EQUALS, _quoted(_pick(_RUN_IDS))),
    _spaced(_joined(_ATTRIBUTE, st.just("run_id")), _pick(("IN", "NOT IN", "in")), _list(_RUN_IDS)),
    _spaced(_joined(_ATTRIBUTE, st.just("run_id")), _LIKE, _quoted(_pick(("0%", "%f%", "%")))),
    _spaced(_dataset_name, _EQUALS, _quoted(_pick(_dataset_words))),
    _spaced(_dataset_name, _LIKE, _quoted(_pick(("tr%", "%D%", "%")))),
    _spaced(_dataset_name, _pick(("IN", "NOT IN")), _list(_dataset_words)),
]

BROKEN_FILTERS = (
    "metrics.loss >",
    "metrics.loss > 'a'",
    "params.lr = 1",
    "nosuch = 'a'",
    "foo.bar = 'a'",
    "metrics.loss",
    "params.lr > 'a'",
    "metrics.loss LIKE 'a'",
    "tags.team = 'a' OR tags.team = 'b'",
    "(metrics.loss > 1)",
    "attributes.start_time = 'x'",
    "run_id IN ()",
    "status IN ('RUNNING')",
    "params.lr NOT LIKE 'a'",
    "AND",
    "metrics.loss > 1 AND",
    "tags.team = 'a' tags.stage = 'b'",
    "dataset.kind = 'a'",
    "'a' = tags.team",
    "metrics.loss = NaN",
    "params.`lr = 'a'",
    "attributes.start_time LIKE '1%'",
    "name = 'a",
    "1 = 1",
    ";",
    "metrics.loss > 1; metrics.loss < 2",
    "run_name IS NULL",
    "metrics.loss IS NULL",
    "tags.a.b.c = 'x'",
)

EXPERIMENT_CLAUSES: list[st.SearchStrategy[str]] = [
    _spaced(_pick(("name", "attribute.name")), _EQUALS, _quoted(_pick(("exp-a", "Default", "Exp-A")))),
    _spaced(st.just("name"), _LIKE, _quoted(_pick(("exp%", "EXP%", "%", "%a", "100\\%%", "_xp%")))),
    _spaced(st.just("experiment_id"), _EQUALS, _quoted(_pick(("{experiment:0}", "{experiment:1}")))),
    _spaced(
        st.just("experiment_id"), _pick(("IN", "NOT IN")), _list(("{experiment:0}", "{experiment:1}", "77"))
    ),
    _spaced(
        _pick(("creation_time", "last_update_time")),
        _NUMERIC,
        _pick((str(values.START), "0", str(values.START + 5))),
    ),
    *_text_clauses(_joined(_TAG, _key(values.TAG_KEYS))),
    _spaced(_joined(_TAG, _key(values.TAG_KEYS)), _NULL),
]

BROKEN_EXPERIMENT_FILTERS = (
    "name > 'a'",
    "creation_time = 'x'",
    "experiment_id LIKE '1'",
    "lifecycle_stage = 'active'",
    "tags.team > 1",
    "name = exp",
    "metrics.a = 1",
    "name = 'a' OR name = 'b'",
    "experiment_id IN ('abc')",
    "experiment_id = 'abc'",
)

MODEL_CLAUSES: list[st.SearchStrategy[str]] = [
    *_text_clauses(_joined(_pick(("", "attributes.")), _pick(("name", "model_type")))),
    _spaced(st.just("name"), _EQUALS, _quoted(_pick(values.MODEL_NAMES))),
    _spaced(st.just("name"), _pick(("IN", "NOT IN")), _list(values.MODEL_NAMES)),
    _spaced(st.just("model_id"), _EQUALS, _quoted(_pick(("{model:0}", "{model:1}")))),
    _spaced(st.just("source_run_id"), _EQUALS, _quoted(_pick(_RUN_IDS))),
    _spaced(_pick(("creation_timestamp", "creation_time", "last_updated_timestamp")), _NUMERIC, _TIME),
    _spaced(_pick(("status", "attributes.status")), _EQUALS, _quoted(_pick(("READY", "2", "PENDING")))),
    _spaced(_metric_name, _NUMERIC, _NUMBER),
    *_text_clauses(_joined(st.just("params."), _key(values.PARAM_KEYS))),
    *_text_clauses(_joined(st.just("tags."), _key(values.TAG_KEYS))),
]

BROKEN_MODEL_FILTERS = (
    "nosuch = 'a'",
    "metrics.loss LIKE 'a'",
    "params.lr > 1",
    "creation_timestamp = 'x'",
    "name",
    "name >",
)


def conjunction(clauses: list[st.SearchStrategy[str]], broken: tuple[str, ...]) -> st.SearchStrategy[str]:
    """No clause, one, or up to three; one filter in sixteen is broken."""
    whole = st.lists(st.one_of(clauses), min_size=0, max_size=3)
    joined = st.builds(lambda parts, word: f" {word} ".join(parts), whole, _pick(("AND", "AND", "and")))
    one = st.one_of(clauses)
    return st.integers(0, 15).flatmap(
        lambda draw: _pick(broken) if draw == 15 else (joined if draw < 8 else one)
    )


RUN_FILTERS = conjunction(RUN_CLAUSES, BROKEN_FILTERS)
EXPERIMENT_FILTERS = conjunction(EXPERIMENT_CLAUSES, BROKEN_EXPERIMENT_FILTERS)
MODEL_FILTERS = conjunction(MODEL_CLAUSES, BROKEN_MODEL_FILTERS)

_direction = _pick((" ASC", " DESC", " asc", " desc", ""))
_run_order = st.one_of(
    _joined(_metric_name, _direction),
    _joined(_metric_name, _direction),
    _joined(_param_name, _direction),
    _joined(_tag_name, _direction),
    _joined(
        _ATTRIBUTE,
        _pick(
            ("start_time", "end_time", "run_name", "status", "user_id", "artifact_uri", "run_id", "created")
        ),
        _direction,
    ),
    _pick(("Created DESC", "`Run name`", "`run name` DESC", "attributes.Created")),
)
BROKEN_RUN_ORDERS = (
    "nosuch DESC",
    "metrics.loss UP",
    "dataset.name",
    "foo.bar ASC",
    "",
    "metrics.",
    "start_time DESC ASC",
)
RUN_ORDERS = st.integers(0, 19).flatmap(
    lambda draw: (
        st.lists(_pick(BROKEN_RUN_ORDERS), min_size=1, max_size=1)
        if draw == 19
        else st.lists(_run_order, min_size=0 if draw < 5 else 1, max_size=2, unique_by=_order_key)
    )
)

EXPERIMENT_ORDERS = st.integers(0, 19).flatmap(
    lambda draw: (
        st.lists(_pick(("tags.team", "nosuch", "name UP", "lifecycle_stage DESC")), min_size=1, max_size=1)
        if draw == 19
        else st.lists(
            _joined(_pick(("name", "experiment_id", "creation_time", "last_update_time")), _direction),
            max_size=2,
            unique_by=_order_key,
        )
    )
)

_model_field = st.one_of(
    _pick(
        (
            "name",
            "model_id",
            "creation_timestamp",
            "last_updated_timestamp",
            "status",
            "model_type",
            "creation_time",
        )
    ),
    _key(values.METRIC_KEYS).map(lambda key: f"metrics.{key}"),
    _pick(("params.lr", "tags.team", "nosuch")),
)


def _model_order(field: str, ascending: bool | None, dataset: tuple[str, str] | None) -> Json:
    order: dict[str, Json] = {"field_name": field}
    if ascending is not None:
        order["ascending"] = ascending
    if dataset is not None:
        order["dataset_name"], order["dataset_digest"] = dataset
    return order


MODEL_ORDERS = st.lists(
    st.builds(
        _model_order,
        _model_field,
        _pick((None, True, False)),
        st.one_of(st.none(), st.none(), _pick(values.DATASETS[:3])),
    ),
    max_size=2,
)


def _order_key(order: str) -> str:
    """What an order sorts by. MLflow's SQL fails (500) where two orders of one search sort by the same."""
    words = order.replace("`", "").replace('"', "").lower().split(" ")
    name = " ".join(word for word in words if word not in ("asc", "desc"))
    for prefix in (
        "attributes.",
        "attribute.",
        "attr.",
        "run.",
        "metrics.",
        "metric.",
        "params.",
        "param.",
        "parameters.",
        "parameter.",
        "tags.",
        "tag.",
    ):
        name = name.removeprefix(prefix)
    return {"created": "start_time", "run name": "run_name", "mlflow.runname": "run_name"}.get(name, name)


REGISTERED_NAMES = ("net", "Net", "forest", "a b", "ünï", "n" * 140, "n" * 140 + "z")
"""Of registered models; two of them alike in more characters than a key of the table holds."""

_registered_name = _joined(_pick(("", "", "attribute.")), st.just("name"))
_registered_tag = _joined(_pick(("tags.", "tag.")), _key(values.TAG_KEYS))
_registered_word = _pick((*REGISTERED_NAMES, "nobody"))
_prompt_clause = _spaced(
    st.just("tags.`mlflow.prompt.is_prompt`"), _EQUALS, _pick(("'true'", "'true'", "'false'", "'True'"))
)
_REGISTERED_CLAUSES = [
    _spaced(_registered_name, _EQUALS, _quoted(_registered_word)),
    _spaced(_registered_name, _LIKE, _quoted(_pick(("n%", "N%", "%e%", "fo_est", "%", "nn%", "ü%")))),
    _spaced(_registered_name, _pick(("IN", "NOT IN")), _list(REGISTERED_NAMES)),
    *_text_clauses(_registered_tag),
    _prompt_clause,
    _prompt_clause,
]
_VERSION_CLAUSES = [
    *_REGISTERED_CLAUSES,
    _spaced(st.just("run_id"), _EQUALS, _pick(("'{run:0}'", "'elsewhere'", "''"))),
    _spaced(st.just("run_id"), _pick(("IN", "NOT IN")), st.just("('{run:0}', 'elsewhere')")),
    _spaced(st.just("source_path"), _EQUALS, _quoted(_pick(("s3://bucket/models/a", "x")))),
    _spaced(st.just("source_path"), _LIKE, _quoted(_pick(("s3://%", "%A", "%a")))),
    _spaced(st.just("version_number"), _NUMERIC, _pick(("1", "2", "'2'", "-1", "1.5", "'x'"))),
]
_BROKEN_REGISTERED = (
    "name",
    "name = ",
    "name = 1",
    "source = 'a'",
    "tags.a > 'b'",
    "version_number IN ('1')",
    "metrics.a = 1",
    "name = 'a' OR name = 'b'",
    "name IN ('a', 1)",
)
REGISTERED_FILTERS = conjunction(_REGISTERED_CLAUSES, _BROKEN_REGISTERED)
VERSION_FILTERS = conjunction(_VERSION_CLAUSES, _BROKEN_REGISTERED)


def _registry_orders(names: tuple[str, ...], bad: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    one = _spaced(_pick(names), _pick(("ASC", "DESC", "asc"))) | _pick(names)
    return st.one_of(
        st.just([]),
        st.lists(one, min_size=1, max_size=2),
        st.lists(one, min_size=1, max_size=2),
        _pick([[each] for each in bad]),
    )


REGISTERED_ORDERS = _registry_orders(
    ("name", "timestamp", "last_updated_timestamp"), ("version", "", "name UP")
)
VERSION_ORDERS = _registry_orders(
    ("name", "version_number", "creation_timestamp", "last_updated_timestamp"), ("source", "tags.x", "")
)
