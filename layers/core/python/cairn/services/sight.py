"""What a call sees of the resources that others name: runs, models and sources, by the experiments that
their ids and paths name."""

from collections.abc import Iterable
from dataclasses import dataclass

from cairn.domain import registry_sources as sources
from cairn.errors import InvalidParameterValue
from cairn.ids import experiment_of_model, experiment_of_run
from cairn.services import proxied
from cairn.services.ports import Stores


@dataclass(frozen=True, slots=True)
class Sight:
    """Of one call, whose stores these are. ``own``: experiments that it is known to see."""

    stores: Stores
    own: frozenset[str] = frozenset()

    def look(self, experiments: Iterable[str | None]) -> None:
        """At all that will be asked for, in one request."""
        self.stores.experiments.located({one for one in experiments if one is not None} - self.own)

    def experiment(self, experiment_id: str | None) -> bool:
        if experiment_id is None:
            return False
        return experiment_id in self.own or bool(self.stores.experiments.located([experiment_id]))

    def run(self, run_id: str) -> bool:
        return self.experiment(experiment_of_run(run_id))

    def model(self, model_id: str) -> bool:
        return self.experiment(experiment_of_model(model_id))

    def registered(self, name: str) -> bool:
        access = self.stores.access
        return access.sees("models", name) or access.sees("prompts", name)

    def source(self, uri: str) -> bool:
        """Whether a URI may be known: what it names is seen, or it is none of this server's."""
        named = model_uri(uri)
        if named is not None and named.name is not None:
            return self.registered(named.name)
        if named is not None and named.model_id is not None:
            return self.model(named.model_id)
        of_run = sources.run_and_path(uri)
        if of_run is not None:
            return self.run(of_run[0])
        path = self.stores.artifacts.path_of(uri)
        return path is None or proxied.sees(self.stores, path)

    def experiment_of(self, uri: str) -> str | None:
        """The experiment that has a say in ``source``."""
        named = model_uri(uri)
        if named is not None:
            return None if named.model_id is None else experiment_of_model(named.model_id)
        of_run = sources.run_and_path(uri)
        if of_run is not None:
            return experiment_of_run(of_run[0])
        path = self.stores.artifacts.path_of(uri)
        return None if path is None else proxied.experiment_of(path)


def model_uri(uri: str) -> sources.ModelUri | None:
    """What a ``models:`` URI names; None as well for a bad one."""
    try:
        return sources.model_uri(uri)
    except InvalidParameterValue:
        return None
