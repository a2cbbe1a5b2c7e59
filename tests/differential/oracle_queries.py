"""Filters and orders in MLflow's three grammars, most of them good, some broken on purpose."""

from hypothesis import strategies as st

from tests.differential import oracle_store as data

_pick = st.sampled_from
_NUMERIC = _pick(("=", "!=", "<", "<=", ">", ">="))
_TEXTUAL = _pick(("=", "!=", "=", "!=", "LIKE", "ILIKE"))
_NULLS = _pick(("IS NULL", "IS NOT NULL"))
_NUMBERS = _pick(
    (
        "0", "1", "-1", "0.5", "2.5", "-2.5", "1.", ".5", "1e-300", "5E-324", "1e308", "1e999", "-0.0",
        "9007199254740992",
        "9007199254740993", "1.7976931348623157e308", "0.3", "0.30000000000000004", "100", "-.5",
    )
)  # fmt: skip
_TIMES = _pick(
    (
        "0", "1", "-5", "5", "7", "1700000000000", "1700000000000000", "9007199254740992",
        "9007199254740993", "1.5",
        "9007199254740993.0", "4611686018427387904", "1e3", "1.7e12",
    )
)  # fmt: skip
_GAPS = _pick((" ", " ", " ", "  ", "\t", "\n"))
_FEW_GAPS = _pick(("", " ", " "))
_AND = _pick((" AND ", " AND ", " and ", "  AND\n", " AND AND "))
_PIECES = ("%", "_", "a", "A", "b", "é", "É", "0", "10", "日", "\n", "x", "zz", "ong", "100", "\\", "train")
_PATTERNS = st.lists(_pick(_PIECES), max_size=4).map("".join)


def _quote(text: str, style: int) -> str:
    mark = '"' if (style and "'" in text) or style == 2 else "'"
    return f"{mark}{text}{mark}"


_STRINGS = st.builds(_quote, st.one_of(_pick(data.TEXTS), _pick(data.TEXTS), _PATTERNS), st.integers(0, 2))
_LISTED = _pick([text for text in data.TEXTS if "\n" not in text and "\\" not in text])


def _key(key: str, style: int) -> str:
    plain = key.replace(".", "").isalnum()
    return key if plain and style == 0 else (f'"{key}"' if style == 1 else f"`{key}`")


_KEYS = st.builds(_key, _pick((*data.KEYS, "missing")), st.integers(0, 2))


@st.composite
def _clause(
    draw: st.DrawFn,
    names: st.SearchStrategy[str],
    comparators: st.SearchStrategy[str],
    values: st.SearchStrategy[str],
) -> str:
    name, comparator, value = draw(names), draw(comparators), draw(values)
    if comparator[0].isalpha():
        return f"{name}{draw(_GAPS)}{comparator}{draw(_GAPS)}{value}"
    return f"{name}{draw(_FEW_GAPS)}{comparator}{draw(_FEW_GAPS)}{value}"


def _named(prefixes: tuple[str, ...], keys: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda prefix, key: f"{prefix}{key}", _pick(prefixes), keys)


def _null(names: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda name, test: f"{name} {test}", names, _NULLS)


def _list(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quoted = st.builds(_quote, values, st.integers(0, 2))
    return st.builds(
        lambda found, gap, comma: f"({gap.join([*found[:-1], found[-1]])}{comma})",
        st.lists(quoted, min_size=1, max_size=4),
        _pick((", ", ",", " , ")),
        _pick(("", "", ",")),
    )


_IN = _pick(("IN", "NOT IN", "NOT  IN"))
_any_case = _pick((str.upper, str.lower, str.title))


def _join(clauses: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    @st.composite
    def join(draw: st.DrawFn) -> str:
        parts = draw(st.lists(clauses, max_size=4))
        text = ""
        for index, part in enumerate(parts):
            text += (draw(_AND) if index else "") + part
        return (
            draw(_pick(("", "", "", " "))) + text + draw(_pick(("", "", "", " ", " AND"))) if text else ""
        )

    return join()


_JUNK = _pick(
    (
        "'", '"', "`", "(", ")", ",", ".", ";", " ", "AND", " OR ", "NOT ", "IN", "IS NULL", "=", "!",
        "<", "~", "-", "--",
        "1", "a", "'x'", '"x"', "`y`", "params.", "é", "DESC", "\\", "/*", "%", "*", "+", "# ", "e5",
        "in (", "''", "_",
    )
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn, whole: st.SearchStrategy[str]) -> str:
    """A text with a few pieces put in, taken out or doubled."""
    text = draw(whole)
    if draw(st.booleans()):
        text = text.replace(" AND ", " ", 1)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 4)))
        text = text[:start] + draw(st.one_of(st.just(""), _JUNK)) + text[end:]
    return text


def _weighted(*each: tuple[int, st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    # one_of would take a strategy that comes twice for one.
    return _pick([one for weight, one in each for _ in range(weight)]).flatmap(lambda one: one)


_ATTRIBUTE = ("", "attribute.", "attributes.", "attr.", "run.", "`run`.")
_RUN_TEXTS = _pick(
    (
        "run_id", "run_name", "status", "artifact_uri", "user_id", "`run_name`", '"run name"',
        "`Run name`", '"user_id"',
    )
)  # fmt: skip
_RUN_STRINGS = st.one_of(
    _STRINGS,
    _pick(("'RUNNING'", "'FINISHED'", "'%ING'", "'alice'", "'bob'", "'Run É'", "''", "'a'", '"abc"')),
)
_PARAMS = _named(("params.", "param.", "parameter.", "parameters.", "`params`."), _KEYS)
_TAGS = _named(("tags.", "tag."), _KEYS)
_DATASET = _named(("dataset.", "datasets."), _pick(("name", "digest", "context", "`name`")))
_DATASET_WORDS = ("train", "Train", "eval", "Eval", "d1", "d2", "é%", "x_1", "training", "EVAL", "%", "tr%")

run_filters = _join(
    _weighted(
        (16, _clause(_named(("metrics.", "metric."), _KEYS), _NUMERIC, _NUMBERS)),
        (12, _clause(_PARAMS, _TEXTUAL, _STRINGS)),
        (12, _clause(_TAGS, _TEXTUAL, _STRINGS)),
        (4, _null(_PARAMS)),
        (4, _null(_TAGS)),
        (12, _clause(_named(_ATTRIBUTE, _RUN_TEXTS), _TEXTUAL, _RUN_STRINGS)),
        (
            3,
            _clause(
                _named(_ATTRIBUTE, _pick(("start_time", "end_time", "created", "Created"))),
                _NUMERIC,
                _TIMES,
            ),
        ),
        (8, _clause(_DATASET, _TEXTUAL, st.builds(_quote, _pick(_DATASET_WORDS), st.integers(0, 2)))),
        (4, _clause(_DATASET, _IN, _list(_pick(_DATASET_WORDS)))),
        (4, _clause(_pick(("run_id", "attributes.run_id")), _IN, _list(_LISTED))),
        (1, _clause(_pick(("run_id", "status", "start_time", "params.x")), _IN, _list(_LISTED))),
        (1, _clause(st.one_of(_PARAMS, _TAGS, _RUN_TEXTS), _NUMERIC, st.one_of(_NUMBERS, _STRINGS))),
        (1, _clause(_PARAMS, _pick(("like", "ilike", "Like", "==", "<>", "NOT LIKE", "RLIKE")), _STRINGS)),
    )
)

_DIRECTION = _pick(("", " ASC", " DESC", " desc", " asc", "  DESC", "\tDesc", ' "desc"')).flatmap(
    lambda good: _pick((good,) * 24 + (" DOWN",))
)
run_orders = st.lists(
    st.builds(
        lambda name, direction: name + direction,
        _weighted(
            (16, _named(("metrics.", "metric."), _KEYS)),
            (12, _PARAMS),
            (12, _TAGS),
            (
                4,
                _named(
                    _ATTRIBUTE,
                    st.one_of(_RUN_TEXTS, _pick(("start_time", "end_time", "created", "Created"))),
                ),
            ),
            (1, _pick(("name", "dataset.name", "lifecycle_stage", "metrics.", "5", "'x'", '"metrics.x"'))),
        ),
        _DIRECTION,
    ),
    max_size=3,
)

_EXPERIMENT_TEXTS = _pick(("name", "attribute.name", "`name`", "name"))
_IDS = _pick(("0", "1", "2", "3", "14", "99", " 1 ", "01", "x", "-1"))
_WHOLE_TIMES = _pick(("0", "1", "5", "7", "-5", "1700000000000", "1700000000001", "9007199254740993"))
_EXPERIMENT_TIMES = _pick(("creation_time", "last_update_time", "attribute.creation_time"))
_EXPERIMENT_TAGS = _named(("tags.", "tag.", "tags."), _KEYS)
_EXPERIMENT_STRINGS = st.one_of(
    _STRINGS, _pick(("'Default'", "'default'", "'a%'", "'Two words'", "'%/%'", "'it_s'"))
)

experiment_filters = _join(
    _weighted(
        (16, _clause(_EXPERIMENT_TEXTS, _TEXTUAL, _EXPERIMENT_STRINGS)),
        (16, _clause(_EXPERIMENT_TAGS, _TEXTUAL, _EXPERIMENT_STRINGS)),
        (8, _null(_EXPERIMENT_TAGS)),
        (12, _clause(_EXPERIMENT_TIMES, _NUMERIC, _weighted((6, _WHOLE_TIMES), (1, _TIMES)))),
        (4, _clause(_pick(("experiment_id", "`experiment_id`")), _TEXTUAL, st.builds(_quote, _IDS,
        st.just(0)))),
        (4, _clause(st.just("experiment_id"), _IN, _list(_IDS))),
        (1, _clause(_pick(("name", "tags.x", "creation_time", "run.name")), _pick(("like", "IN", "==",
        "ilike")), _STRINGS)),
    )
)  # fmt: skip
experiment_orders = st.lists(
    st.builds(
        lambda name, direction: name + direction,
        _pick(
            (
                *("name", "experiment_id", "creation_time", "last_update_time") * 5, "attribute.name",
                "`name`", '"creation_time"',
                "tags.x", "status", "attributes.name",
            )
        ),
        _DIRECTION,
    ),
    max_size=3,
)  # fmt: skip

_MODEL_TEXTS = _pick(
    ("name", "model_id", "model_type", "source_run_id", "attributes.name", "`name`",
    "attributes.`model_type`",
     "lifecycle_stage", "status_message", "artifact_location", "status", "experiment_id",
     "attributes.status")
)  # fmt: skip
_MODEL_TIMES = _pick(
    ("creation_time", "creation_timestamp", "creation_timestamp_ms", "last_updated_timestamp",
     "attributes.creation_timestamp_ms", "attributes.last_updated_timestamp_ms",
     "last_updated_timestamp_ms")
)  # fmt: skip
_MODEL_KEYS = st.builds(_key, _pick((*data.KEYS, "missing")), _pick((0, 2, 2)))
_MODEL_STRINGS = st.one_of(
    _STRINGS,
    _pick(
        (
            "2",
            "'2'",
            "' 2 '",
            "'2.0'",
            "'READY'",
            "READY",
            "1",
            "'0'",
            "'+1'",
            "'1e0'",
            "'3x'",
            "'agent'",
            "'AGENT'",
            "zz",
        )
    ),
)
_MODEL_LISTS = st.one_of(
    _list(_LISTED), _list(_pick(("1", "2", "2.0", "READY"))), _pick(("(1, 2)", "(2,)", "(1.0, 3)"))
)

model_filters = _join(
    _weighted(
        (5, _clause(_named(("metrics.",), _MODEL_KEYS), _NUMERIC, st.one_of(_NUMBERS, _pick(("nan",
        "inf", "'1'"))))),
        (3, _clause(_named(("params.",), _MODEL_KEYS), _TEXTUAL, _STRINGS)),
        (3, _clause(_named(("tags.",), _MODEL_KEYS), _TEXTUAL, _STRINGS)),
        (4, _clause(_MODEL_TEXTS, _TEXTUAL, _MODEL_STRINGS)),
        (3, _clause(_MODEL_TIMES, _NUMERIC, _TIMES)),
        (2, _clause(_MODEL_TEXTS, _IN, _MODEL_LISTS)),
        (1, _clause(_named(("params.", "tags."), _MODEL_KEYS), _IN, _MODEL_LISTS)),
        (1, _clause(_pick(("metric.x", "tags.x", "params.x", "attributes.creation_time", "nope", '"name"')),
                    _pick(("=", ">", "like", "IS NULL", "==")), st.one_of(_STRINGS, _NUMBERS))),
    )
)  # fmt: skip
_DATASETS = _pick((None, *data.DATASETS, ("train", None), ("nope", "d1")))
model_orders = st.lists(
    st.tuples(
        st.one_of(
            st.builds(lambda key: f"metrics.{key}", _pick((*data.KEYS, "missing"))),
            _pick(
                ("name", "model_id", "model_type", "status", "experiment_id", "creation_time",
                "creation_timestamp",
                 "last_updated_timestamp", "source_run_id", "artifact_location", "nope", "params.x",
                 "tags.x")
            ),
        ),
        st.booleans(),
        _DATASETS,
    ),
    max_size=3,
)  # fmt: skip
model_datasets = st.lists(_pick((*data.DATASETS, ("train", None), ("é%", None))), max_size=2)
