"""How a document's facts are named: one mapping of entries, the first letter of a name is its kind.

Params, tags, datasets, model inputs and outputs share a section, so that a small run is one item and a
large one is spread evenly.
"""

from typing import Any

from cairn.domain.draft import Draft, Touch
from cairn.storage import keys
from cairn.storage.codec import decode_json, encode_json
from cairn.storage.document import Entries, Section

FACTS = Section("b", keys.FACTS_PREFIX, encode_json, decode_json)

PARAM, TAG, DATASET, MODEL_INPUT, MODEL_OUTPUT = "p", "t", "d", "i", "o"


def names(touch: Touch) -> set[str]:
    """The entries that a change touches."""
    entries = {PARAM + key for key in touch.params}
    entries |= {TAG + key for key in touch.tags}
    entries |= {_dataset_name(*dataset) for dataset in touch.datasets}
    entries |= {MODEL_INPUT + model for model in touch.model_inputs}
    return entries | {MODEL_OUTPUT + model for model in touch.model_outputs}


def read_into(draft: Draft, entries: Entries) -> Draft:
    """Fill a draft's mappings."""
    params, tags = draft.params, draft.tags
    for entry, value in entries.items():
        kind, name = entry[0], entry[1:]
        if kind == PARAM:
            params[name] = value
        elif kind == TAG:
            tags[name] = value
        elif kind == DATASET:
            draft.datasets[_dataset_parts(name)] = value
        elif kind == MODEL_INPUT:
            draft.model_inputs[name] = value
        else:
            draft.model_outputs[name] = value
    return draft


def entries_of(draft: Draft) -> Entries:
    entries: dict[str, Any] = {PARAM + key: value for key, value in draft.params.items()}
    entries |= {TAG + key: value for key, value in draft.tags.items()}
    entries |= {_dataset_name(*dataset): tags for dataset, tags in draft.datasets.items()}
    entries |= {MODEL_INPUT + model: value for model, value in draft.model_inputs.items()}
    return entries | {MODEL_OUTPUT + model: step for model, step in draft.model_outputs.items()}


def _dataset_name(name: str, digest: str) -> str:
    return f"{DATASET}{len(name)}:{name}{digest}"


def _dataset_parts(rest: str) -> tuple[str, str]:
    length, _, parts = rest.partition(":")
    return parts[: int(length)], parts[int(length) :]
