"""Tags by which MLflow notes other resources: prompts of a run or model, versions of a model, runs and
experiments of a prompt.

Who does not see a resource is not told of the note of it. MLflow's clients read such a tag, add to it and
write it back: what they were not told of stays in it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cairn.domain.access import Kind
from cairn.ids import experiment_of_run
from cairn.services import proxied
from cairn.services.ports import Stores
from cairn.services.sight import Sight

Json = dict[str, Any]

LINKED_PROMPTS = "mlflow.linkedPrompts"
MODEL_VERSIONS = "mlflow.modelVersions"
PROMPT_RUNS = "mlflow.prompt.associatedRunIds"
PROMPT_EXPERIMENTS = "_mlflow_experiment_ids"


@dataclass(frozen=True, slots=True)
class _Note:
    """How a tag is read and written: a list (None for a text of another shape, which notes nothing), and
    which of its entries are seen. ``experiment``: the one that has a say in that."""

    read: Callable[[str], list[Any] | None]
    write: Callable[[Sequence[Any]], str]
    sees: Callable[[Sight, Any], bool]
    experiment: Callable[[Any], str | None] = lambda _: None


def named_by(tagged: Json) -> Iterator[str | None]:
    """The experiments that have a say in the tags of a message."""
    for tag in tagged.get("tags", ()):
        note = _NOTES.get(tag["key"])
        if note is not None:
            yield from map(note.experiment, note.read(tag["value"]) or ())


def hide(sight: Sight, tagged: Json) -> None:
    """Leave of a message's tags what is seen; a tag of which nothing is left is left out."""
    for tag in tagged.get("tags", ()):
        note = _NOTES.get(tag["key"])
        entries = None if note is None else note.read(tag["value"])
        if note is None or entries is None:
            continue
        seen = [one for one in entries if note.sees(sight, one)]
        if len(seen) < len(entries):
            tag["value"] = note.write(seen) if seen else None
    keep(tagged, "tags", lambda tag: tag["value"] is not None)


def keep(message: Json, name: str, test: Callable[[Any], bool]) -> None:
    """Of a list what passes; left out where that is nothing, as wherever a message has none."""
    if name in message:
        message[name] = list(filter(test, message[name]))
        if not message[name]:
            del message[name]


def are_among(stores: Stores, keys: Iterable[str]) -> bool:
    """Whether ``with_hidden`` has anything to do with these tags."""
    return not stores.access.unrestricted and any(key in _NOTES for key in keys)


def with_hidden(stores: Stores, key: str, value: str, held: str | None) -> str:
    """A tag's new value, with what its present one notes and this caller does not see. 1 BatchGetItem at
    most, where runs or experiments are noted."""
    note = _NOTES.get(key)
    if stores.access.unrestricted or note is None or held is None:
        return value
    new, old = note.read(value), note.read(held)
    if new is None or old is None:
        return value
    sight = Sight(stores)
    sight.look(map(note.experiment, old))
    hidden = [one for one in old if one not in new and not note.sees(sight, one)]
    return note.write([*new, *hidden]) if hidden else value


def _array(value: str) -> list[Any] | None:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(",") if one.strip()]


def _names(kind: Kind) -> _Note:
    """Names with versions; an entry without a name names nothing."""

    def sees(sight: Sight, one: Any) -> bool:
        name = one.get("name") if isinstance(one, Mapping) else None
        return not isinstance(name, str) or sight.stores.access.sees(kind, name)

    return _Note(_array, json.dumps, sees)


def _sees_experiment(sight: Sight, one: str) -> bool:
    return proxied.experiment_of(one) == one and sight.experiment(one)


_NOTES: Mapping[str, _Note] = {
    LINKED_PROMPTS: _names("prompts"),
    MODEL_VERSIONS: _names("models"),
    PROMPT_RUNS: _Note(_listed, ",".join, Sight.run, experiment_of_run),
    # MLflow's client looks for ``,1,``
    PROMPT_EXPERIMENTS: _Note(
        _listed, lambda ids: f",{','.join(ids)},", _sees_experiment, proxied.experiment_of
    ),
}
