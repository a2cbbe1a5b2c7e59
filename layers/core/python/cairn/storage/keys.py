"""Every key of the table, in one place.

    item                       pk             sk
    experiment counter         W              C
    experiment list entry      W#L#<shard>    <max - created><experiment>
    the same with tags         W#D#<shard>    <max - created><experiment>
    name guard                 W#N            N#<sha256 of the name>
    experiment head            E#<experiment> #
    experiment tag             E#<experiment> #G#<key>
    default order of runs      X#<experiment>#<group># <max - start><run>
    index entry                X#<experiment>#<group>#<field> <value><max - start><run>
    dirty mark                 D#<experiment> <run>
    dataset                    E#<experiment> S#<sha256 of name, digest>
    use of a dataset           E#<experiment> U#<sha256 of name, digest, context>
    logged model, newest first E#<experiment> M#<max - created>#<model>
    run head                   R#<run>        F
    run facts, sharded         R#<run>        F#<prefix>
    latest metrics, sharded    R#<run>        M#<prefix>
    metric log                 R#<run>        L#<time>#<content hash>
    folded log of a metric     R#<run>        H#<metric>
    segment of it              R#<run>        H#<metric>#<version>#<content hash>
    fold that is under way     R#<run>        J#<content hash>
    its index entries          R#<run>        I
    pieces of them             R#<run>        I#<version>#<content hash>
    logged model head, facts   M#<model>      as those of a run
    registered model's name    RN#<sha256 of the name> #
    registered model           RM#<id>       #
    its versions, newest first RM#<id>       V#<max - number>
    an archiving stage move    RM#<id>       A#<stage>#<epoch>
    a model asked for by key   RK#<idempotency key, hashed> #
    a version asked for by key RM#<id>       K#<idempotency key, hashed>
    model version              RV#<id>#<number> #
    its files' versions        RV#<id>#<number> P
    long tag of a model        RM#<id>       G#<hash of the key>
    long tag of a version      RV#<id>#<number> G#<hash of the key>
    registered models by name  W#M           <name><id>
    prompts by name            W#P           <name><id>
    versions by last update    W#V           <time>#<id>#<number>
    all versions of a renamed model W#V           <time>#<id>#R
    the versions that a move archived W#V           <time>#<id>#A#<stage>#<epoch>
    versions by creation       W#C           <time>#<id>#<number>
    versions of a run          RR#<sha256 of the run id> <id>#<number>
    deleted model to sweep     W#S           <id>
    webhook                    W#H           <webhook>
    grants of a holder         G#<account or organisation> #
    token                      T#<principal, hashed> T#<sha256 of the token>
    code to sign in            T#<principal, hashed> C#<sha256 of the code>
    session of a browser       T#<principal, hashed> S#<sha256 of the session>
    tokens revoked until       T#<principal, hashed> #
    claim of an idempotency key K#<caller, route, key, hashed> #
    where a search goes on     P#<caller, query, name, hashed> #
    share                      W#R           <share>
    the reconciler's last run  W#R           #

Experiments are 16 hex digits, runs 32, so that a run's id begins with its experiment's. Numbers in keys are
fixed-width hex of an order-preserving unsigned integer. A group is a life-cycle stage and epoch (``a0``).
"""

import hashlib

from cairn.search import index
from cairn.storage.table import Key

MAX_INT64 = 2**63 - 1
MIN_INT64 = -(2**63)

COUNTER = Key("W", "C")
LISTED, DETAILED = "W#L#", "W#D#"
LIST_SHARDS = 4
NAME_GUARDS = "W#N"
HEAD = "#"
TAG_PREFIX = "#G#"
DATASET_PREFIX = "S#"
USE_PREFIX = "U#"
MODEL_PREFIX = "M#"
FACTS_HEAD = "F"
FACTS_PREFIX = "F#"
LATEST_PREFIX = "M#"
LOG_PREFIX = "L#"
FOLDED_PREFIX = "H#"
JOURNAL_PREFIX = "J#"
INVENTORY = "I"
RUNS, VERSIONS = "R#", "RV#"
"""What the partitions of runs, and those of model versions, begin with."""
LONG_TAG_PREFIX = "G#"
VERSION_PREFIX = "V#"
ARCHIVING_PREFIX = "A#"
VERSIONS_BY_UPDATE = "W#V"
VERSIONS_BY_CREATION = "W#C"
DELETED_MODELS = "W#S"
WEBHOOKS = "W#H"
TOKENS = "T#"
"""What the partitions of tokens begin with, those of codes and sessions as well: all that the authorizer
may read."""
SHARES = "W#R"
GRANTS = "G#"
"""What the partitions of grants begin with."""

_MAX_VERSION = 2**32 - 1


def digest(*parts: str) -> str:
    """64 hex digits that stand for the parts."""
    joined = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))
    return hashlib.sha256(joined).hexdigest()


def ascending(number: int) -> str:
    """16 hex digits that order as the int64 does."""
    return f"{number - MIN_INT64:016x}"


def descending(number: int) -> str:
    """16 hex digits that order against the int64."""
    return f"{MAX_INT64 - number:016x}"


def from_descending(text: str) -> int:
    return MAX_INT64 - int(text, 16)


def experiment_list(kind: str, shard: int) -> str:
    """A part of the list of all experiments: ``LISTED``, or ``DETAILED`` with locations and tags."""
    return f"{kind}{shard}"


def experiment_list_entry(kind: str, experiment: str, created: int) -> Key:
    """Ascending keys give creation_time DESC, experiment_id ASC."""
    place = experiment_list(kind, list_shard(experiment))
    return Key(place, experiment_position(experiment, created))


def list_shard(experiment: str) -> int:
    return int(experiment, 16) % LIST_SHARDS


def experiment_position(experiment: str, created: int) -> str:
    return descending(created) + experiment


def experiment_of_position(sort_key: str) -> tuple[str, int]:
    """Experiment and its creation time from the sort key of a list entry."""
    return sort_key[16:], from_descending(sort_key[:16])


def name_guard(name: str) -> Key:
    return Key(NAME_GUARDS, f"N#{digest(name)}")


def experiment_partition(experiment: str) -> str:
    return f"E#{experiment}"


def experiment_head(experiment: str) -> Key:
    return Key(experiment_partition(experiment), HEAD)


def experiment_tag(experiment: str, key: str) -> Key:
    return Key(experiment_partition(experiment), TAG_PREFIX + key)


def index_partition(experiment: str, group: str, field: str = "") -> str:
    """The entries of one field of the runs of a group; of no field: the default order."""
    return f"{index_prefix(experiment)}{group}#{field}"


def is_default_order(partition: str) -> bool:
    """Whether entries of the default order are in a partition of the index; a group has no ``#``, the name
    of a field may end with one."""
    return partition[-1] == "#" and partition.count("#") == 3


def index_prefix(experiment: str) -> str:
    """What the partitions of an experiment's index have in common."""
    return f"X#{experiment}#"


NAME = "n"
"""Attribute of an entry of the default order: the run's name as its tag has it, as text of the index; empty
where it has none. An entry without it is older than the first indexing of its run, and says nothing."""


def run_position(start_time: int, run_id: str) -> str:
    """The end of every index sort key: ascending it gives start_time DESC, run_id ASC."""
    return descending(start_time) + run_id


def run_of_position(sort_key: str) -> tuple[int, str]:
    """Start time and run id from the end of an index sort key."""
    return from_descending(sort_key[-48:-32]), sort_key[-32:]


def dirty_partition(experiment: str) -> str:
    return f"D#{experiment}"


def dirty_mark(run_id: str) -> Key:
    return Key(dirty_partition(run_id[:16]), run_id)


def inventory(run_id: str) -> Key:
    """What the index holds of a run."""
    return Key(run_partition(run_id), INVENTORY)


def model_order(experiment: str, created: int, model_id: str) -> Key:
    """Ascending keys give creation DESC, model_id ASC."""
    return Key(experiment_partition(experiment), f"{MODEL_PREFIX}{descending(created)}#{model_id}")


def dataset(experiment: str, name: str, dataset_digest: str) -> Key:
    return Key(experiment_partition(experiment), DATASET_PREFIX + digest(name, dataset_digest))


def dataset_use(experiment: str, name: str, dataset_digest: str, context: str | None) -> Key:
    parts = (name, dataset_digest) if context is None else (name, dataset_digest, context)
    return Key(experiment_partition(experiment), USE_PREFIX + digest(*parts))


def run_partition(run_id: str) -> str:
    return f"{RUNS}{run_id}"


def model_partition(model_id: str) -> str:
    return f"M#{model_id}"


def metric_log(run_id: str, time: int, content: bytes) -> Key:
    """The same points give the same key: appending them again changes nothing."""
    return Key(
        run_partition(run_id), f"{LOG_PREFIX}{ascending(time)}#{hashlib.sha256(content).hexdigest()[:16]}"
    )


def folded(run_id: str, metric: str) -> Key:
    """What was folded of one metric's log."""
    return Key(run_partition(run_id), FOLDED_PREFIX + digest(metric)[:32])


def segment(run_id: str, metric: str, name: str) -> Key:
    return Key(run_partition(run_id), f"{FOLDED_PREFIX}{digest(metric)[:32]}#{name}")


def segment_name(version: int, content: bytes) -> str:
    """A segment is named for its content, and for the version that first lists it: no two versions share a
    name, so that who drops an old version's segment cannot hit one that a later version lists."""
    return f"{version:08x}#{hashlib.sha256(content).hexdigest()[:16]}"


def version_of(name: str) -> int:
    """The version that first lists the segment of this name."""
    return int(name.partition("#")[0], 16)


def fold_journal(run_id: str, content: bytes) -> Key:
    """Of the segments that one fold writes and drops."""
    return Key(run_partition(run_id), f"{JOURNAL_PREFIX}{hashlib.sha256(content).hexdigest()[:16]}")


def model_name_guard(name: str) -> Key:
    return Key(f"RN#{digest(name)}", HEAD)


def model_asked(key: str) -> Key:
    """What was made for an idempotency key."""
    return Key(f"RK#{key}", HEAD)


def registered_partition(model: str) -> str:
    return f"RM#{model}"


def registered_head(model: str) -> Key:
    return Key(registered_partition(model), HEAD)


def model_list(*, prompts: bool) -> str:
    """The partition of all registered models by name: prompts have one of their own."""
    return "W#P" if prompts else "W#M"


def model_by_name(name: str, model: str, *, prompts: bool) -> Key:
    return Key(model_list(prompts=prompts), f"{index.text(name)}{model}")


def version_partition(model: str, number: int) -> str:
    return f"{VERSIONS}{model}#{number:08x}"


def version_head(model: str, number: int) -> Key:
    return Key(version_partition(model, number), HEAD)


def version_pins(model: str, number: int) -> Key:
    """Which versions of its files a model version is made of."""
    return Key(version_partition(model, number), "P")


def version_entry(model: str, number: int) -> Key:
    """Ascending keys give the newest version first."""
    return Key(registered_partition(model), f"{VERSION_PREFIX}{_MAX_VERSION - number:08x}")


def number_of_entry(sort_key: str) -> int:
    return _MAX_VERSION - int(sort_key[len(VERSION_PREFIX) :], 16)


def archiving(model: str, stage: str, epoch: int) -> Key:
    return Key(registered_partition(model), f"{ARCHIVING_PREFIX}{stage}#{epoch:08x}")


def version_asked(model: str, key: str) -> Key:
    return Key(registered_partition(model), f"K#{key}")


def long_tag(partition: str, key: str) -> Key:
    return Key(partition, f"{LONG_TAG_PREFIX}{digest(key)[:32]}")


def version_by_update(time: int, model: str, number: int) -> Key:
    return Key(VERSIONS_BY_UPDATE, f"{ascending(time)}#{model}#{number:08x}")


def version_by_creation(time: int, model: str, number: int) -> Key:
    return Key(VERSIONS_BY_CREATION, f"{ascending(time)}#{model}#{number:08x}")


def renamed_by_update(time: int, model: str) -> Key:
    """Stands for all versions of a model that were last touched by its renaming."""
    return Key(VERSIONS_BY_UPDATE, f"{ascending(time)}#{model}#R")


def archived_by_update(time: int, model: str, stage: str, epoch: int) -> Key:
    """Stands for all versions that a stage move archived."""
    return Key(VERSIONS_BY_UPDATE, f"{ascending(time)}#{model}#A#{stage}#{epoch:08x}")


def from_ascending(text: str) -> int:
    return int(text, 16) + MIN_INT64


def versions_of_run(run_id: str) -> str:
    """Any text can be a version's run id."""
    return f"RR#{digest(run_id)}"


def deleted_model(model: str) -> Key:
    return Key(DELETED_MODELS, model)


def version_of_run(model: str, number: int) -> str:
    """The sort key of a version in its run's partition."""
    return f"{model}#{number:08x}"


def name_prefix(name: str) -> str:
    """What the list's keys of all names begin with that begin so."""
    return index.text(name).removesuffix("\0\0")


def webhook(webhook_id: str) -> Key:
    return Key(WEBHOOKS, webhook_id)


def grants(holder: str) -> Key:
    """Of all grants that an account, or an organisation, holds."""
    return Key(f"{GRANTS}{holder}", HEAD)


def share(share_name: str) -> Key:
    """``HEAD``, which no name can be, is what the reconciler notes."""
    return Key(SHARES, share_name)


def token_partition(holder: str) -> str:
    return f"{TOKENS}{holder}"


def token(holder: str, hashed: str) -> Key:
    return Key(token_partition(holder), f"T#{hashed}")


def code(holder: str, hashed: str) -> Key:
    return Key(token_partition(holder), f"C#{hashed}")


def session(holder: str, hashed: str) -> Key:
    return Key(token_partition(holder), f"S#{hashed}")


def revocation(holder: str) -> Key:
    return Key(token_partition(holder), HEAD)


def creation(asked: str) -> Key:
    """What an idempotency key stands for."""
    return Key(f"K#{asked}", HEAD)


def place(asked: str) -> Key:
    """Where a search goes on, for a caller who may not know it."""
    return Key(f"P#{asked}", HEAD)
