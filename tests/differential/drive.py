"""Runs one sequence against the reference and its contenders, and says where they differ first.

The contenders go first at every call: the name that they gave to a nameless run is handed to the reference.
After the sequence everything that was made is read back, so that a write which went wrong silently shows.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.differential.allowlist import parts, tolerated
from tests.differential.compare import Answer, difference, read
from tests.differential.operations import Ids, Json, Kind, Operation, replay
from tests.differential.reference import Backend, Moment
from tests.differential.values import START

_CREATES: Final[dict[str, tuple[Kind, tuple[str, ...]]]] = {
    "/experiments/create": ("experiment", ("experiment_id",)),
    "/runs/create": ("run", ("run", "info", "run_id")),
    "/logged-models": ("model", ("model", "info", "model_id")),
    "/webhooks": ("webhook", ("webhook", "webhook_id")),
}
_API: Final = "/api/2.0/mlflow"


class Different(AssertionError):
    """Two backends gave different answers. The message is a replay."""


@dataclass(slots=True)
class Tally:
    """What a run of the comparison saw."""

    sequences: int = 0
    operations: int = 0
    succeeded: int = 0
    parted: int = 0
    by_path: Counter[str] = field(default_factory=Counter)
    tolerated: Counter[str] = field(default_factory=Counter)
    other_messages: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """How much of what was generated succeeded on the reference."""
        return self.succeeded / max(1, self.operations)

    def text(self) -> str:
        lines = [
            f"{self.sequences} sequences, {self.operations} operations, {self.share:.0%} succeeded",
            f"{self.parted} sequences ended early, at a tolerated difference",
            "tolerated: "
            + (", ".join(f"{key} {n}" for key, n in sorted(self.tolerated.items())) or "nothing"),
        ]
        lines.append(f"errors of equal code in other words: {len(self.other_messages)} kinds")
        return "\n".join(lines)

    def wordings(self) -> str:
        """MLflow's words and Cairn's, where an operation does not ask that they be equal."""
        return "\n".join(f"{count} x {text}" for text, count in self.other_messages.most_common())


@dataclass(slots=True)
class Side:
    backend: Backend
    ids: Ids = field(default_factory=Ids)


def run(
    operations: Sequence[Operation], reference: Backend, contenders: Sequence[Backend], tally: Tally
) -> None:
    """Raises Different at the first difference that nothing tolerates."""
    leader, others = Side(reference), [Side(each) for each in contenders]
    for side in (leader, *others):
        side.backend.reset(START)
    tally.sequences += 1
    now = START
    done: list[Operation] = []
    for operation in operations:
        now += operation.tick
        done.append(operation)
        answer, parted = _compare(operation, now, leader, others, done, tally)
        tally.operations += 1
        tally.succeeded += answer.ok
        tally.by_path[
            f"{operation.path.rsplit('mlflow/', 1)[-1]} {'ok' if answer.ok else answer.status}"
        ] += 1
        if parted:
            tally.parted += 1
            return
    for operation in _audit(leader):
        done.append(operation)
        answer, _ = _compare(operation, now, leader, others, done, tally)
        for history in _histories(operation, answer):
            _compare(history, now, leader, others, [*done, history], tally)


def _compare(
    operation: Operation,
    now: int,
    leader: Side,
    others: Sequence[Side],
    done: Sequence[Operation],
    tally: Tally,
) -> tuple[Answer, bool]:
    """The reference's first answer, after all pages have been compared, and whether a tolerated difference
    left the backends in two states: one of them wrote what another refused."""
    bits = int.from_bytes(hashlib.sha256(f"{len(done)}".encode()).digest()[:8], "big")
    tokens: list[str | None] = [None] * (1 + len(others))
    first: Answer | None = None
    parted = False
    for page in range(1 + operation.pages):
        name: str | None = None
        answers: list[Answer] = []
        for side, token in zip(others, tokens[1:], strict=True):
            reply = side.backend.call(side.ids.request(operation, token), Moment(now, bits, name))
            answers.append(read(reply))
            name = name or _run_name(answers[-1].body)
        reply = leader.backend.call(leader.ids.request(operation, tokens[0]), Moment(now, bits, name))
        expected = read(reply)
        first = first or expected
        for side, got in zip(others, answers, strict=True):
            _judge(operation, page, expected, got, side, leader, done, tally)
            parted |= parts(operation, expected, got)
        _learn(operation, expected, leader)
        for side, got in zip(others, answers, strict=True):
            _learn(operation, got, side)
        tokens = [_token(expected), *(_token(each) for each in answers)]
        if None in tokens:
            break
    assert first is not None
    return first, parted


def _judge(
    operation: Operation,
    page: int,
    expected: Answer,
    got: Answer,
    side: Side,
    leader: Side,
    done: Sequence[Operation],
    tally: Tally,
) -> None:
    if expected.error_code is not None and expected.message != got.message:
        tally.other_messages[f"{(expected.message or '')[:110]!r} / {(got.message or '')[:110]!r}"] += 1
    what = difference(expected, got, messages=operation.messages)
    crashed = got.status == 500 and got.error_code == "INTERNAL_ERROR"
    failed = crashed and got.message != expected.message  # MLflow crashes beside itself in the same words
    if what is None and not failed:
        return
    reason = None if failed else tolerated(operation, expected, got)
    if reason is not None:
        tally.tolerated[reason] += 1
        return
    where = f"page {page + 1} of " if page else ""
    sent = leader.ids.request(operation)
    body = "" if sent.body is None else sent.body.decode()[:2_000]
    raise Different(
        f"{side.backend.name} differs from {leader.backend.name} in {where}operation {len(done) - 1}:\n"
        f"  {operation.text()}\n  sent as {sent.method} {sent.path} {sent.query or ''} {body}\n"
        f"  expected {what}\n\nReplay:\n{replay(done)}"
    )


def _learn(operation: Operation, answer: Answer, side: Side) -> None:
    """Note the id of what a successful create made."""
    created = _CREATES.get(operation.path.removeprefix(_API))
    if created is None or operation.method != "POST" or not answer.ok:
        return
    kind, path = created
    value: Json = answer.body
    for key in path:
        value = value[key]
    side.ids.add(kind, value)


def _run_name(body: Json) -> str | None:
    """The name of the run or model that a create answered with."""
    for kind, member in (("run", "run_name"), ("model", "name")):
        inner = body.get(kind) if isinstance(body, dict) else None
        info = inner.get("info") if isinstance(inner, dict) else None
        if isinstance(info, dict) and info.get(member):
            return str(info[member])
    return None


def _token(answer: Answer) -> str | None:
    token = answer.body.get("next_page_token") if answer.ok and isinstance(answer.body, dict) else None
    return token or None


def _audit(leader: Side) -> Iterator[Operation]:
    """Reads of everything that the sequence made."""
    count = {kind: len(given) for kind, given in leader.ids.given.items()}
    everyone = [f"{{experiment:{number}}}" for number in range(count["experiment"])]
    for number in range(count["experiment"]):
        query = (("experiment_id", f"{{experiment:{number}}}"),)
        yield Operation("GET", f"{_API}/experiments/get", query=query, tick=0)
    yield Operation("POST", f"{_API}/experiments/search", {"max_results": 1000, "view_type": "ALL"}, tick=0)
    for number in range(count["run"]):
        yield Operation("GET", f"{_API}/runs/get", query=(("run_id", f"{{run:{number}}}"),), tick=0)
    for view in ("ACTIVE_ONLY", "DELETED_ONLY"):
        body = {"experiment_ids": everyone, "run_view_type": view}
        yield Operation("POST", f"{_API}/runs/search", body, tick=0)
    for number in range(count["model"]):
        yield Operation("GET", f"{_API}/logged-models/{{model:{number}}}", tick=0)
    for prompt in ("!= 'true'", "= 'true'"):
        clause = (("filter", f"tags.`mlflow.prompt.is_prompt` {prompt}"),)
        for path in ("registered-models", "model-versions"):
            yield Operation("GET", f"{_API}/{path}/search", query=clause, tick=0)
    if count["webhook"]:
        yield Operation("GET", f"{_API}/webhooks", tick=0)
    if count["model"]:
        yield Operation("POST", f"{_API}/logged-models/search", {"experiment_ids": everyone}, tick=0)


def _histories(operation: Operation, answer: Answer) -> Iterator[Operation]:
    """The history of up to four metrics of a run that was read."""
    if not operation.path.endswith("/runs/get") or not answer.ok:
        return
    for metric in answer.body["run"]["data"].get("metrics", [])[:4]:
        query = (*operation.query, ("metric_key", metric["key"]))
        yield Operation("GET", f"{_API}/metrics/get-history", query=query, tick=0)


def summary(tally: Tally) -> str:
    """Successes and failures by operation, as JSON."""
    return json.dumps(dict(sorted(tally.by_path.items())), indent=1)
