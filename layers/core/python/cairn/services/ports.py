"""What use-cases ask of the outside: stores, artifacts, clock and randomness, as protocols.

``app`` wires the concrete ones; a test may wire its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Protocol

from cairn.domain.access import DEPLOYMENT, UNDECIDED, Access
from cairn.domain.artifacts import FileInfo, Part, Signed
from cairn.domain.clock import Clock
from cairn.domain.columns import Columns, Order
from cairn.domain.creations import Claim
from cairn.domain.draft import Draft, Touch
from cairn.domain.entities import Dataset, Experiment, LoggedModel, Metric, Run
from cairn.domain.indexing import Outcome
from cairn.ids import RandomBits
from cairn.search.experiments import ExperimentSearch
from cairn.search.plan import Pause, Search
from cairn.services.registry_ports import Registry, Scoped
from cairn.services.webhook_ports import Webhooks
from cairn.sharing.authorize import LookUp, unguarded

if TYPE_CHECKING:
    from cairn.services.share_ports import Shares
    from cairn.services.token_ports import CodeStore, TokenStore


class ExperimentStore(Scoped, Protocol):
    """Experiments, their names and tags. An unknown id raises ResourceDoesNotExist, MLflow's message."""

    def create(
        self,
        name: str,
        location: str | None,
        tags: Mapping[str, str],
        now: int,
        asked: str | None = None,
    ) -> Experiment:
        """A new experiment; ``location`` None takes the deployment's default for the new id. ``asked``: the
        idempotency key's claim, which notes the id; who comes second with it is given that experiment.
        Raises ResourceAlreadyExists where the name is taken, by a deleted experiment too."""

    def get(self, experiment_id: str, *, to_change: bool = False) -> Experiment:
        """With its tags, deleted or not. ``to_change``: PermissionDenied for what may be seen and not
        changed."""

    def located(self, experiment_ids: Iterable[str]) -> Mapping[str, str]:
        """The artifact locations of these experiments, by id: of those that are there and seen. What one
        call asks for again is not read again."""

    def find(self, name: str) -> Experiment | None:
        """By exact name, deleted or not."""

    def rename(self, experiment_id: str, name: str, now: int) -> None: ...

    def delete(self, experiment_id: str, now: int) -> None:
        """With all its runs, in O(1). ResourceDoesNotExist unless it is active."""

    def restore(self, experiment_id: str, now: int) -> None:
        """With all its runs, in O(1). ResourceDoesNotExist unless it is deleted."""

    def set_tag(self, experiment_id: str, key: str, value: str) -> None: ...

    def delete_tag(self, experiment_id: str, key: str) -> None: ...

    def scan(self, *, with_tags: bool) -> Iterator[Experiment]:
        """Every experiment, the newest first; without tags where those are not asked for."""

    def search(self, search: ExperimentSearch) -> Iterator[Experiment | Pause]:
        """Those that match, in order, with their tags; a Pause as the last where the search stopped before
        it had read more than one request may."""


class RunStore(Scoped, Protocol):
    """Runs and their facts. An unknown id raises ResourceDoesNotExist with MLflow's message."""

    def create(self, run: Run) -> Run:
        """A new run in an active experiment; the same run again (an idempotent replay) is returned as it
        stands. The artifact URI is derived from the experiment's location."""

    def get(self, run_id: str, *, to_change: bool = False) -> Run:
        """``to_change``: PermissionDenied for what may be seen and not changed."""

    def get_many(self, run_ids: Sequence[str]) -> dict[str, Run]:
        """Those that exist."""

    def change(
        self,
        run_id: str,
        touch: Touch,
        merge: Callable[[Draft], None],
        points: Sequence[Metric] = (),
    ) -> Run:
        """Append the points to the run's metric log, then write what ``merge`` makes of the run's facts, on
        condition that nobody else wrote meanwhile; merged again where somebody did. Returns the run with
        at least its info."""


class RunIndex(Scoped, Protocol):
    """Searches of runs that cost what their page costs."""

    def search(self, search: Search) -> Iterator[Run | Pause]:
        """The runs that match, in order, from behind ``after``; a Pause as the last where the search
        stopped before it had read more than one request may."""


class Indexer(Protocol):
    """Brings the index up to what was written."""

    def index(self, run_id: str, marked: int) -> Outcome:
        """Index a run whose dirty mark is of this time (ms)."""

    def sweep(self, experiment_id: str) -> int:
        """Index the quiet runs of an experiment; how many those were."""


class HistoryStore(Scoped, Protocol):
    """The points of metrics, each once, in MLflow's order of get-history: timestamp, step, value."""

    def points(self, run_id: str, key: str) -> list[Metric]:
        """Every point of one key."""

    def page(self, run_id: str, key: str, after: Order | None, limit: int) -> list[Metric]:
        """The first points behind ``after``."""

    def columns(self, run_id: str, key: str, steps: tuple[int, int] | None = None) -> Columns:
        """Every point of one key, or those between two steps (inclusive), without an object for each."""

    def each(
        self, run_ids: Sequence[str], key: str, steps: tuple[int, int] | None = None
    ) -> Iterator[Columns]:
        """``columns`` of each run, in their order: what is held at once does not grow with their number."""

    def firsts(self, run_ids: Sequence[str], key: str, limit: int) -> Iterator[Columns]:
        """The first points of each run, ``limit`` altogether; nothing of the runs behind them."""


class DatasetStore(Scoped, Protocol):
    """Datasets of an experiment, identified by (name, digest)."""

    def add(self, experiment_id: str, datasets: Sequence[Dataset]) -> None:
        """Those that are new; an existing (name, digest) stays as it is."""

    def fill(self, runs: Sequence[Run]) -> list[Run]:
        """The same runs, with ``DatasetInput.dataset`` filled in."""

    def summaries(self, experiment_ids: Sequence[str]) -> list[dict[str, str]]:
        """search-datasets: distinct experiment_id, name, digest and, where there is one, context."""

    def use(self, experiment_id: str, uses: Sequence[tuple[str, str, str | None]]) -> None:
        """Note (name, digest, context) for ``summaries``."""


class LoggedModelStore(Scoped, Protocol):
    """Logged models. An unknown id raises ResourceDoesNotExist with MLflow's message."""

    def create(self, model: LoggedModel) -> LoggedModel:
        """A new model in an active experiment; the artifact URI is derived from its location."""

    def get(self, model_id: str, *, to_change: bool = False) -> LoggedModel:
        """Deleted or not; ``to_change`` as of runs."""

    def get_many(self, model_ids: Sequence[str]) -> dict[str, LoggedModel]: ...

    def change(self, model_id: str, touch: Touch, merge: Callable[[Draft], None]) -> LoggedModel: ...

    def log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Those of the metrics that name a model, each point once."""

    def scan(self, experiment_id: str) -> Iterator[LoggedModel]:
        """The experiment's models, newest first, ties by id."""


class CreationStore(Protocol):
    """Idempotency keys."""

    def claim(self, asked: str, claim: Claim, now: int) -> Claim:
        """The claim that holds: this one, or one of the last 24 hours that was there before it."""


class PlaceStore(Protocol):
    """Where searches go on that stopped among what their callers may not see."""

    def keep(self, asked: str, token: str, now: int) -> None: ...

    def find(self, asked: str, now: int) -> str | None:
        """What was kept within the last hour."""


class ByteStream(Protocol):
    """Chunks to go through once; ``close`` is for who stops before their end."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class ArtifactStore(Protocol):
    """Bytes under artifact URIs (``s3://bucket/key`` or ``mlflow-artifacts:/path``) of this deployment.

    Paths are confined to their root by ``domain.paths`` before they get here, and once more by the store.
    What is not there raises ResourceDoesNotExist; a URI of another bucket or scheme raises
    InvalidParameterValue; what a store cannot do (parts and presigned URLs in a folder) raises
    NotImplementedHere with the message that MLflow's clients fall back on.
    """

    def path_of(self, uri: str) -> str | None:
        """Where a URI lies below ``mlflow-artifacts:/`` (``""``: it is the root itself); None for what this
        store would refuse. A URI's query string is no part of its place (``domain.paths.join``)."""

    def list(self, uri: str) -> Sequence[FileInfo]:
        """One level below ``uri``, by name; nothing for a file or what is missing (MLflow's rule)."""

    def open(self, uri: str, version: str | None = None) -> tuple[ByteStream, int]:
        """The bytes in chunks, and how many; of a version that ``versions`` named, or the latest."""

    def versions(self, uri: str, most: int) -> Mapping[str, str]:
        """The current version of each file below ``uri``, by path. Nothing where the store keeps no
        versions, or where there are more than ``most`` files, or too many old versions to look through."""

    def save(self, uri: str, body: BinaryIO, length: int | None) -> None:
        """The whole file or nothing: readers never see a part of it. A body that ends before its
        ``length`` raises BadRequest."""

    def delete(self, uri: str) -> None:
        """The object and everything below it; what is missing is no error."""

    def begin_upload(self, uri: str, parts: int) -> tuple[str, Sequence[Signed]]:
        """A multipart upload of up to 10,000 parts: its id, and a URL to PUT each part to."""

    def complete_upload(self, uri: str, upload_id: str, parts: Sequence[Part]) -> None: ...

    def abort_upload(self, uri: str, upload_id: str) -> None:
        """An upload that is gone already is no error."""

    def sign_download(self, uri: str, seconds: int, version: str | None = None) -> Signed: ...

    def sign_upload(self, uri: str, seconds: int) -> Signed: ...


class BlobStore(Protocol):
    """Bytes that outgrow the table, found by their content."""

    def put(self, data: bytes) -> str:
        """The key of these bytes; the same bytes have the same key, and may be put again."""

    def get(self, key: str) -> bytes:
        """Raises ResourceDoesNotExist for an unknown key."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """How many bytes of a file one request, and one answer, can carry; None: any number."""

    upload: int | None = None
    download: int | None = None


@dataclass(frozen=True, slots=True)
class Origins:
    """Runs and logged models as the deployment itself sees them, for where the files of a model version are
    and for what a logged model is told of its versions. No answer may show what was read here."""

    runs: RunStore
    models: LoggedModelStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything a use-case may need, wired by the composition root.

    ``multipart``: clients are told to move large artifacts in parts and by presigned URL.
    ``tokens``: None where none are given. ``sessions``: None where no browser signs in. ``ui_origin``: of
    the distribution before the UI; empty where there is none.
    ``shares``: None where there is no RAM. ``artifact_root``: where in S3 ``mlflow-artifacts:/`` lies; None
    where it is a folder. ``look_up``: what any caller could do, and by which grants.
    """

    experiments: ExperimentStore
    runs: RunStore
    index: RunIndex
    indexer: Indexer
    history: HistoryStore
    datasets: DatasetStore
    models: LoggedModelStore
    registry: Registry
    webhooks: Webhooks
    creations: CreationStore
    places: PlaceStore
    artifacts: ArtifactStore
    clock: Clock
    bits: RandomBits
    carriage: Carriage = Carriage()
    multipart: bool = False
    tokens: "TokenStore | None" = None
    sessions: "CodeStore | None" = None
    ui_origin: str = ""
    shares: "Shares | None" = None
    artifact_root: str | None = None
    access: Access = UNDECIDED
    look_up: LookUp = unguarded

    def scoped(self, access: Access) -> "Stores":
        """What one call works with, once it is decided what it may touch."""
        return replace(
            self,
            experiments=self.experiments.scoped(access),
            runs=self.runs.scoped(access),
            index=self.index.scoped(access),
            history=self.history.scoped(access),
            datasets=self.datasets.scoped(access),
            models=self.models.scoped(access),
            registry=self.registry.scoped(access),
            access=access,
        )

    @property
    def origins(self) -> Origins:
        """READ on a model version is enough for its files, whoever may see where they come from."""
        return Origins(self.runs.scoped(DEPLOYMENT), self.models.scoped(DEPLOYMENT))


@dataclass(frozen=True, slots=True)
class RawCall:
    """A request whose body is bytes, not a message: an artifact's upload or download."""

    params: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: BinaryIO
    length: int | None


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes to answer with, as an attachment of this name."""

    chunks: Iterable[bytes]
    length: int
    filename: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the caller to a presigned URL."""

    url: str


@dataclass(frozen=True, slots=True)
class Text:
    """A plain-text answer (``/health``, ``/version``)."""

    text: str


Result = Mapping[str, object] | Download | Redirect | Text
