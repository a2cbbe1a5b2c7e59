"""Lists as a caller with few grants reads them: what the grants name, and not what lies between.

What is found is looked at as everything else is: here nothing is decided, and where grants are many, or
name experiments by how they begin, for which there is no list, the whole of a list is read.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from cairn.domain.access import Access
from cairn.ids import experiment_hex
from cairn.search.plan import LAST
from cairn.storage import keys
from cairn.storage.table import Item, Key, Query

MOST = 50
"""Grants of a kind. Each costs 3 read units of experiments, and a request of models where it is walked."""

_DIGITS = 19  # of an int64

Read = Callable[[Sequence[Key]], dict[Key, Item]]


def experiment_entries(access: Access, read: Read) -> list[Item] | None:
    """The detailed entries of the experiments that are granted by id or name, in the list's order; None
    where the list is to be read. 1 BatchGetItem of name guards, of heads and of entries."""
    rules = access.rules["experiments"]
    if rules.prefixes or len(rules.ids) + len(rules.names) > MOST:
        return None
    numbers = {guard["e"] for guard in read([keys.name_guard(name) for name in rules.names]).values()}
    numbers |= {number for one in rules.ids if (number := _number(one)) is not None}
    heads = read([keys.experiment_head(number) for number in sorted(numbers)])
    begin = keys.experiment_partition("")
    created = {key.pk.removeprefix(begin): head["ct"] for key, head in heads.items()}
    places = [keys.experiment_list_entry(keys.DETAILED, *place) for place in created.items()]
    return sorted(read(places).values(), key=lambda entry: str(entry["sk"]))


def _number(experiment_id: str) -> str | None:
    """In hex; None for what no experiment's id reads like."""
    if not experiment_id.isdecimal() or len(experiment_id) > _DIGITS:
        return None
    return experiment_hex(experiment_id) if str(int(experiment_id)) == experiment_id else None


def model_queries(access: Access, prefix: str, *, prompts: bool) -> list[Query]:
    """Parts of a list by name, in its order, in which all names lie that are granted and begin with a
    prefix."""
    rules = access.rules["prompts" if prompts else "models"]
    begins = [keys.name_prefix(text) for held in rules.prefixes.values() for text in held]
    begins += [keys.model_by_name(name, "", prompts=prompts).sk for name in rules.names]
    everything, asked = keys.name_prefix(""), keys.name_prefix(prefix)
    if len(begins) > MOST:
        begins = [everything]
    parts: list[str] = []
    for low in sorted(max(one, asked) for one in begins if one.startswith(asked) or asked.startswith(one)):
        if not (parts and low.startswith(parts[-1])):
            parts.append(low)
    whole = Query(keys.model_list(prompts=prompts))
    return [whole if low == everything else replace(whole, low=low, high=low + LAST) for low in parts]
