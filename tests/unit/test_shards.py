"""The trie that spreads a section over items: shapes survive packing, and every name has one leaf."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cairn.storage.codec import decode_json, encode_json
from cairn.storage.shards import LEAF_BYTES, WHOLE, leaf_of, outermost, pack_shape, split, unpack_shape

ENTRIES = st.dictionaries(st.text(max_size=40), st.text(max_size=3_000), max_size=60)


@given(ENTRIES)
def test_splitting_keeps_every_entry_once_in_the_leaf_its_name_leads_to(entries: dict[str, str]) -> None:
    leaves = {prefix: decode_json(blob) for prefix, blob in split("", entries, encode_json).items()}
    shape = frozenset(leaves)
    assert {name: value for held in leaves.values() for name, value in held.items()} == entries
    assert all(leaf_of(shape, name) == prefix for prefix, held in leaves.items() for name in held)
    assert sum(2.0 ** -len(prefix) for prefix in shape) == 1.0


@given(ENTRIES)
def test_a_shape_survives_packing(entries: dict[str, str]) -> None:
    shape = frozenset(split("", entries, encode_json))
    assert unpack_shape(pack_shape(shape)) == shape


def test_a_leaf_past_4_kb_is_split_until_its_parts_fit() -> None:
    entries = {f"key{index}": f"{index:07d}" * 100 for index in range(200)}
    leaves = split("", entries, _plain)
    assert len(leaves) == 32
    held = dict.fromkeys(json.loads(leaves["01010"]), "x" * 2_500)
    deeper = split("01010", held, _plain)
    assert all(len(json.loads(blob)) <= 1 or len(blob) <= LEAF_BYTES for blob in deeper.values())


def _plain(held: Mapping[str, Any]) -> bytes:
    return json.dumps(held).encode()


def test_one_entry_is_a_leaf_however_large() -> None:
    assert split("", {"a": "x" * 100_000}, _plain) == {"": _plain({"a": "x" * 100_000})}
    assert pack_shape(WHOLE) == b"\x02"


def test_a_packed_shape_takes_two_bits_a_leaf() -> None:
    leaves = frozenset(f"{number:013b}" for number in range(8_192))
    assert len(pack_shape(leaves)) == 2_048


def test_a_reader_who_met_parent_and_children_keeps_the_children() -> None:
    assert sorted(outermost(dict.fromkeys(["", "0", "00", "01", "1"]))) == ["00", "01", "1"]
