"""Removes what deleted registered models left: their versions, list entries, long tags and keys.

Nobody finds any of it, and nobody writes there any more: every write of a version checks its model. So it
may be done by whoever comes by, by several at once, in any number of rounds, and be cut short anywhere.
"""

from cairn.storage import keys
from cairn.storage.registry_items import VersionEntry, every, read_entry, version_entity
from cairn.storage.table import Delete, Item, Key, Query, Table

AT_ONCE = 200
"""Versions that one request sweeps away: about 50 requests of its own."""


def sweep(table: Table, limit: int = AT_ONCE) -> int:
    """Remove ``limit`` versions, models and keys at most; how many those were. None: nothing is left.

    1 Query; for each model 1 Query of versions, 1 BatchGetItem per 100 of them, 1 BatchWriteItem per 5 or 6
    (more with long tags and pins); 1 Query of the rest.
    """
    swept = 0
    for note in every(table, Query(keys.DELETED_MODELS)):
        if swept < limit:
            swept += _sweep_model(table, note, limit - swept)
    return swept


def _sweep_model(table: Table, note: Item, limit: int) -> int:
    """A version's entry in the model's own list goes last: by it a later sweep finds the others."""
    model, renamed = note["sk"], note["t"]
    partition = keys.registered_partition(model)
    page = table.query(Query(partition, prefix=keys.VERSION_PREFIX, limit=limit))
    if page.items:
        _sweep_versions(table, model, list(map(read_entry, page.items)))
        table.batch_write([_delete(item) for item in page.items])
    swept = len(page.items)
    if page.after is not None or swept >= limit:
        return swept
    page = table.query(Query(partition, limit=limit - swept))
    table.batch_write([Delete(_bump(model, item)) for item in page.items if _archives(item)])
    table.batch_write([_delete(item) for item in page.items])
    swept += len(page.items)
    if page.after is not None or swept >= limit:
        return swept
    if renamed:
        table.delete(Delete(keys.renamed_by_update(renamed, model)))
    table.delete(Delete(keys.deleted_model(model)))
    return swept + 1


def _sweep_versions(table: Table, model: str, entries: list[VersionEntry]) -> None:
    """A version itself goes after its long tags and pins, which it names."""
    heads = [keys.version_head(model, entry.number) for entry in entries]
    versions = list(map(version_entity, table.batch_get(heads).values()))
    beside = [keys.long_tag(version.key.pk, key) for version in versions for key in version.apart]
    beside += [keys.version_pins(model, version.number) for version in versions if version.info.pinned]
    for entry in entries:
        beside += [
            keys.version_by_update(entry.updated, model, entry.number),
            keys.version_by_creation(entry.created, model, entry.number),
        ]
        if entry.run is not None:
            beside.append(Key(entry.run, keys.version_of_run(model, entry.number)))
    table.batch_write([Delete(key) for key in beside])
    table.batch_write([Delete(key) for key in heads])


def _archives(item: Item) -> bool:
    archives: bool = item["sk"].startswith(keys.ARCHIVING_PREFIX)
    return archives


def _bump(model: str, item: Item) -> Key:
    """The entry in the list by update of an archiving move."""
    stage, _, epoch = item["sk"][len(keys.ARCHIVING_PREFIX) :].partition("#")
    return keys.archived_by_update(item["t"], model, stage, int(epoch, 16))


def _delete(item: Item) -> Delete:
    return Delete(Key(item["pk"], item["sk"]))
