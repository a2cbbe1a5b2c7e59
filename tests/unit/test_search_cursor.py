"""Page tokens: they come back whole, and to their own query alone."""

import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import InvalidParameterValue
from cairn.search.cursor import decode, encode, fingerprint
from cairn.search.fields import RUNS, read_order
from cairn.search.order import Position, run_ordering

_ORDERING = run_ordering(read_order(RUNS, ["metrics.a", "params.b DESC"]))
_QUERY = fingerprint("runs", ["1"], "metrics.a > 1", "ALL", ["metrics.a"])
_POSITION: Position = ((0, 0.1), (2, ""), (0, -(2**62)), (0, "ab" * 16))
_URL_SAFE = set(string.ascii_letters + string.digits + "-_")
_places = st.sampled_from((0, 1, 2))
_floats = st.floats(allow_nan=False, allow_infinity=False)  # as metrics are kept


@given(st.tuples(
    st.tuples(_places, _floats), st.tuples(_places, st.text()),
    st.tuples(_places, st.integers(-(2**63), 2**63 - 1)), st.tuples(_places, st.text()),
))  # fmt: skip
def test_a_position_comes_back(position: Position) -> None:
    token = encode(_QUERY, position)
    assert set(token) <= _URL_SAFE
    assert decode(_QUERY, token, _ORDERING) == position


def test_no_token_is_the_start() -> None:
    assert decode(_QUERY, "", _ORDERING) is None
    assert decode(_QUERY, None, _ORDERING) is None


@pytest.mark.parametrize(
    "other",
    [
        fingerprint("runs", ["2"], "metrics.a > 1", "ALL", ["metrics.a"]),
        fingerprint("runs", ["1"], "metrics.a > 2", "ALL", ["metrics.a"]),
        fingerprint("runs", ["1"], "metrics.a > 1", "ACTIVE_ONLY", ["metrics.a"]),
        fingerprint("runs", ["1"], "metrics.a > 1", "ALL", ["metrics.a DESC"]),
    ],
)
def test_a_token_of_another_query_is_refused(other: bytes) -> None:
    with pytest.raises(InvalidParameterValue, match="another query"):
        decode(other, encode(_QUERY, _POSITION), _ORDERING)


@given(st.data())
def test_an_altered_token_is_refused(data: st.DataObject) -> None:
    token = encode(_QUERY, _POSITION)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from([*sorted(_URL_SAFE - {token[place]}), "", "=", "é", "\n"]))
    with pytest.raises(InvalidParameterValue, match="page token"):
        decode(_QUERY, token[:place] + other + token[place + 1 :], _ORDERING)


@pytest.mark.parametrize(
    "payload",
    [b"", b"5", b"[]", b"[[0,1]]", b"[[0],[0,1],[0,1],[0,1]]", b'[[0,"x"],[0,""],[0,1],[0,"r"]]',
     b'{"a":1}',
     b'[[9,1.0],[0,""],[0,1],[0,"r"]]', b'[[0,true],[0,""],[0,1],[0,"r"]]', b"\xff",
     b'[[[],1.0],[0,""],[0,1],[0,"r"]]', b'[[0,1.0],[0,""],[0,1e999],[0,"r"]]',
     b'[[0,NaN],[0,""],[0,1],[0,"r"]]'],
)  # fmt: skip
def test_a_forged_position_is_refused(payload: bytes) -> None:
    checksum = hashlib.sha256(b"\x01" + _QUERY + payload).digest()[:12]
    token = base64.urlsafe_b64encode(b"\x01" + checksum + payload).rstrip(b"=").decode()
    with pytest.raises(InvalidParameterValue, match="page token"):
        decode(_QUERY, token, _ORDERING)


def test_an_offset_token_of_mlflows_is_refused() -> None:
    with pytest.raises(InvalidParameterValue, match="page token"):
        decode(_QUERY, base64.b64encode(b'{"offset": 5}').decode(), _ORDERING)
