"""Strategies for whole sequences: a story that is mostly sensible, with bad calls mixed in.

``Story`` remembers what has probably been made, so that most operations aim at something that exists and
succeed. It is a guess made of the draws alone: no backend is asked while a sequence is generated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st

from tests.differential import values
from tests.differential.operations import Json, Operation

API = "/api/2.0/mlflow"
AJAX = "/ajax-api/2.0/mlflow"
T = TypeVar("T")


@dataclass(slots=True)
class ExperimentGuess:
    name: str
    active: bool = True
    tags: set[str] = field(default_factory=set)


@dataclass(slots=True)
class RunGuess:
    experiment: int
    active: bool = True
    params: dict[str, str] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ModelGuess:
    experiment: int
    active: bool = True
    params: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Story:
    """The draws of one sequence, and what they have probably made so far."""

    draw: Callable[[st.SearchStrategy[Json]], Json]
    experiments: list[ExperimentGuess] = field(default_factory=lambda: [ExperimentGuess("Default")])
    runs: list[RunGuess] = field(default_factory=list)
    models: list[ModelGuess] = field(default_factory=list)
    registered: dict[str, int] = field(default_factory=dict)
    """Registered models, and how many versions each was asked to have."""
    webhooks: int = 0
    """How many were asked for."""

    def pick(self, pool: Sequence[T]) -> T:
        drawn: T = self.draw(st.sampled_from(pool))
        return drawn

    def chance(self, percent: int) -> bool:
        """True so often; shrinks to False."""
        drawn: int = self.draw(st.integers(0, 99))
        return drawn >= 100 - percent

    def value(self, usual: Sequence[T], bad: Sequence[T], percent: int = 4) -> T:
        return self.pick(bad) if self.chance(percent) else self.pick(usual)

    def count(self, low: int, high: int) -> int:
        drawn: int = self.draw(st.integers(low, high))
        return drawn

    def tick(self) -> int:
        """Milliseconds until the next call: often none, so that server-side times tie."""
        return self.pick((1, 0, 0, 1, 5, 1000))

    def experiment(self) -> int:
        """An experiment, most often an active one."""
        active = [number for number, each in enumerate(self.experiments) if each.active]
        everyone = list(range(len(self.experiments)))
        return self.pick(active if active and not self.chance(8) else everyone)

    def run(self) -> int | None:
        active = [
            number
            for number, each in enumerate(self.runs)
            if each.active and self.experiments[each.experiment].active
        ]
        everyone = list(range(len(self.runs)))
        if not everyone:
            return None
        return self.pick(active if active and not self.chance(10) else everyone)

    def model(self) -> int | None:
        active = [number for number, each in enumerate(self.models) if each.active]
        everyone = list(range(len(self.models)))
        if not everyone:
            return None
        return self.pick(active if active and not self.chance(10) else everyone)

    def run_id(self) -> str:
        """A placeholder; now and then the id of nobody, or no id at all."""
        number = self.run()
        if number is None or self.chance(3):
            return self.pick(("f" * 32, "not-a-run", "", "0" * 32))
        return f"{{run:{number}}}"

    def experiment_id(self) -> str:
        if self.chance(3):
            return self.pick(values.UNKNOWN_EXPERIMENTS)
        return f"{{experiment:{self.experiment()}}}"

    def model_id(self) -> str:
        number = self.model()
        if number is None or self.chance(3):
            return self.pick(("m-" + "f" * 32, "m-x", "f" * 32))
        return f"{{model:{number}}}"

    def guess(self, run_id: str) -> RunGuess | None:
        """What is known of the run that a placeholder names."""
        if not run_id.startswith("{run:"):
            return None
        return self.runs[int(run_id[5:-1]) % len(self.runs)]


_KEYED = ("/runs/outputs", "/params")
"""Writes that MLflow's database refuses the second time, and Cairn does not: they end a sequence."""

Maker = Callable[[Story], Operation]


def spoiled(story: Story, operation: Operation) -> Operation:
    """The same call with one field dropped or of another type, or a body that is no JSON object."""
    if not isinstance(operation.body, dict) or not operation.body:
        return operation
    kind = story.count(0, 9)
    if kind == 0:
        raw = story.pick(("{bad", "", "[]", '"text"', "12", "null"))
        return _with(operation, body=None, raw=raw)
    name = story.pick(sorted(operation.body))
    body = {key: value for key, value in operation.body.items() if key != name}
    if kind >= 4:
        body[name] = story.pick(values.WRONG_TYPES)
    return _with(operation, body=body)


def _with(operation: Operation, *, body: Json, raw: str | None = None) -> Operation:
    return Operation(
        operation.method, operation.path, body, operation.query, raw, operation.tick, operation.pages
    )


def post(story: Story, path: str, body: Json, *, pages: int = 0, messages: bool = True) -> Operation:
    """A call whose errors must have MLflow's words too; searches explain a broken filter in their own."""
    return Operation("POST", f"{API}/{path}", body, tick=story.tick(), pages=pages, messages=messages)


def sequence(
    makers: Sequence[Maker], start: Sequence[Maker], low: int, high: int, *, spoil: int = 3
) -> st.SearchStrategy[list[Operation]]:
    """``start`` once each, then ``low`` to ``high`` calls of ``makers``; ``spoil`` percent of them spoiled,
    and some sent twice."""

    @st.composite
    def generate(draw: st.DrawFn) -> list[Operation]:
        story = Story(draw)
        operations = [make(story) for make in start]
        for _ in range(story.count(low, high)):
            operation = story.pick(makers)(story)
            if story.chance(spoil):
                operation = spoiled(story, operation)
            operations.append(operation)
            if story.chance(1 if operation.path.endswith(_KEYED) else 5):
                operations.append(operation)  # a client's retry: the answer got lost
        return operations

    return generate()
