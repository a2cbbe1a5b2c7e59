"""What use-cases ask of the model registry's stores, as protocols (see ``ports``)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from cairn.domain.access import Access
from cairn.domain.registry import ModelVersion, RegisteredModel
from cairn.search.plan import Pause
from cairn.search.registry import ModelSearch, VersionSearch


class Scoped(Protocol):
    """A store acts within an access: what that does not see is as if it were not there, and what changes
    something that is seen demands what the action takes (PermissionDenied). Unscoped stores raise."""

    def scoped(self, access: Access) -> Self:
        """The same store for one call."""


class RegisteredModelStore(Scoped, Protocol):
    """Registered models by name. An unknown name raises ResourceDoesNotExist with MLflow's message."""

    def create(self, model: RegisteredModel, model_id: str, asked: str | None = None) -> RegisteredModel:
        """ResourceAlreadyExists where the name is taken. The id is a new one. ``asked``, an idempotency
        key's hash: the same again is the model that it made, until that is deleted."""

    def get(self, name: str) -> RegisteredModel:
        """With the latest version of each stage, those without aliases (MLflow's rule)."""

    def latest_versions(self, name: str) -> tuple[ModelVersion, ...]:
        """The highest version of each stage that has one, with aliases."""

    def update(self, name: str, description: str, now: int) -> RegisteredModel: ...

    def rename(self, name: str, new_name: str, now: int) -> RegisteredModel:
        """With all versions, in O(1). ResourceAlreadyExists where the name is taken."""

    def delete(self, name: str) -> None:
        """With all versions."""

    def sweep(self, limit: int = ...) -> int:
        """Remove what deleted models left behind, ``limit`` versions at most; how many those were, 0 where
        nothing was left."""

    def set_tag(self, name: str, key: str, value: str) -> None: ...

    def delete_tag(self, name: str, key: str) -> None:
        """What is not there is no error."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """ResourceDoesNotExist for a version that is not there."""

    def delete_alias(self, name: str, alias: str) -> None:
        """What is not there is no error."""


class ModelVersionStore(Scoped, Protocol):
    """Versions by their model's name and their number. What is not there raises ResourceDoesNotExist."""

    def create(
        self, version: ModelVersion, asked: str | None, pins: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """The version with the model's next number, which nothing else ever has. ``asked``, an idempotency
        key's hash: the same again is the version that it made, until that is deleted. ``pins``: the
        artifact store's version of each file, by path."""

    def get(self, name: str, number: int) -> ModelVersion: ...

    def pinned(self, name: str, number: int) -> tuple[ModelVersion, Mapping[str, str]]:
        """With its pins."""

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """None where the model has no such alias."""

    def update(self, name: str, number: int, description: str | None, now: int) -> ModelVersion: ...

    def move(self, name: str, number: int, stage: str, *, archive: bool, now: int) -> ModelVersion:
        """To a stage, whose other versions may be archived in the same moment, in O(1)."""

    def delete(self, name: str, number: int, now: int) -> None:
        """With the aliases that name it."""

    def set_tag(self, name: str, number: int, key: str, value: str) -> None: ...

    def delete_tag(self, name: str, number: int, key: str) -> None:
        """What is not there is no error."""


class RegistryIndex(Scoped, Protocol):
    """Searches that cost what their page costs; a Pause as the last where one stopped early."""

    def search_models(self, search: ModelSearch) -> Iterator[RegisteredModel | Pause]: ...

    def search_versions(self, search: VersionSearch) -> Iterator[ModelVersion | Pause]:
        """Without aliases (MLflow's rule)."""


@dataclass(frozen=True, slots=True)
class Registry:
    models: RegisteredModelStore
    versions: ModelVersionStore
    index: RegistryIndex

    def scoped(self, access: Access) -> "Registry":
        return Registry(self.models.scoped(access), self.versions.scoped(access), self.index.scoped(access))
