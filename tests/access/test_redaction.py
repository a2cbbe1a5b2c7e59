"""What a caller may not see is not told of either: by runs, logged models, prompts, tags and GraphQL; and
no filter, order or token finds out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from cairn.domain.access import Permission
from tests.access.worlds import GUEST, As, World, named, prefixed

NONE, READ, WRITE, MANAGE = Permission
NEVER = f"{99_999_999:016x}"


@dataclass(frozen=True)
class Place:
    """An experiment, a run of it and a logged model of that."""

    experiment: str
    run: str
    model: str


def place(owner: As, name: str, source_run: str | None = None) -> Place:
    experiment = owner.experiment(name)
    run = owner.run(experiment)
    body = {"experiment_id": experiment, "name": "net", "source_run_id": source_run or run}
    model = owner.made("logged-models", body)["model"]["info"]["model_id"]
    return Place(experiment, run, model)


@dataclass(frozen=True)
class Two:
    """``shared`` is what the guest sees, ``secret`` what it does not."""

    world: World
    shared: Place
    secret: Place

    @property
    def owner(self) -> As:
        return self.world.of()

    @property
    def guest(self) -> As:
        return self.world.of(GUEST)


@pytest.fixture
def two(world: World) -> Two:
    owner = world.of()
    secret = place(owner, "secret")
    shared = place(owner, "shared/a", secret.run)
    world.grant(GUEST, MANAGE, prefixed("experiments", "shared/"))
    return Two(world, shared, secret)


def tags(message: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in message.get("tags", ())}


def test_models_of_other_experiments_are_no_inputs_or_outputs(two: Two) -> None:
    models = [{"model_id": two.secret.model}, {"model_id": two.shared.model}]
    two.owner.made("runs/log-inputs", {"run_id": two.shared.run, "models": models})
    two.owner.made("runs/outputs", {"run_id": two.shared.run, "models": models})
    other = two.owner.run(two.shared.experiment)
    two.owner.made("runs/outputs", {"run_id": other, "models": models[:1]})

    def linked(asking: As, run: str) -> list[list[str]]:
        read = asking.get("runs/get", run_id=run).json["run"]
        found = asking.made("runs/search", {"experiment_ids": [two.shared.experiment]})["runs"]
        (same,) = [one for one in found if one["info"]["run_id"] == run]
        assert same["outputs"] == read["outputs"]
        parts = (read["inputs"].get("model_inputs", []), read["outputs"].get("model_outputs", []))
        return [sorted(model["model_id"] for model in part) for part in parts]

    own, both = [two.shared.model], sorted([two.shared.model, two.secret.model])
    assert linked(two.owner, two.shared.run) == [both, both]
    assert linked(two.guest, two.shared.run) == [own, own]
    assert linked(two.guest, other) == [[], []]
    assert two.guest.get("runs/get", run_id=other).json["run"]["outputs"] == {}


def test_a_run_of_another_experiment_is_no_source(two: Two) -> None:
    point = {"key": "loss", "value": 0.5, "timestamp": 1, "model_id": two.shared.model}
    two.owner.made("runs/log-metric", {**point, "run_id": two.secret.run})
    model = f"logged-models/{two.shared.model}"
    ids = {"experiment_ids": [two.shared.experiment]}
    tag = {"tags": [{"key": "a", "value": "b"}]}
    for asking, run in ((two.owner, two.secret.run), (two.guest, None)):
        answers = [
            asking.get(model).json["model"],
            asking.made(model, {"status": "LOGGED_MODEL_READY"}, "PATCH")["model"],
            asking.made("logged-models/search", ids)["models"][0],
        ]
        assert asking.made(f"{model}/tags", tag, "PATCH") in ({}, {"model": answers[0]})
        for answer in answers:
            assert answer["info"].get("source_run_id") == run
            assert [metric.get("run_id") for metric in answer["data"]["metrics"]] == [run]
    named_run = {"experiment_id": two.shared.experiment, "name": "net"}
    for run in (two.secret.run, NEVER + two.secret.run[16:]):
        refused = two.guest.post("logged-models", {**named_run, "source_run_id": run})
        assert refused.code == "RESOURCE_DOES_NOT_EXIST"
        assert refused.json["message"].replace(run, "RUN") == "Run with id=RUN not found"
    assert two.guest.post("logged-models", {**named_run, "source_run_id": two.shared.run}).status == 200


def test_no_filter_of_models_finds_a_run_that_is_not_seen(two: Two) -> None:
    ids = {"experiment_ids": [two.shared.experiment]}

    def found(asking: As, filter_: str, *orders: str) -> list[str]:
        by = [{"field_name": order, "ascending": True} for order in orders]
        body = {**ids, "filter": filter_, "order_by": by, "max_results": 1}
        answer = asking.made("logged-models/search", body)
        return [model["info"]["model_id"] for model in answer.get("models", ())]

    for test in (f"source_run_id = '{two.secret.run}'", f"source_run_id LIKE '{two.secret.run[:20]}%'"):
        assert found(two.owner, test) == [two.shared.model]
        assert found(two.guest, test) == []
    two.owner.made(
        "logged-models", {"experiment_id": two.shared.experiment, "source_run_id": two.secret.run}
    )
    by_run = [{"field_name": "source_run_id", "ascending": True}]
    body = {**ids, "order_by": by_run, "max_results": 1}
    tokens = [one.made("logged-models/search", body)["next_page_token"] for one in (two.owner, two.guest)]
    assert [two.secret.run in _words(token) for token in tokens] == [True, False]


def _words(token: str) -> str:
    """Whatever is written in a token."""
    import base64
    import zlib

    text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for start in range(len(text)):
        try:
            return zlib.decompress(text[start:]).decode(errors="replace")
        except zlib.error:
            continue
    return text.decode(errors="replace")


def test_no_filter_of_versions_finds_a_run_or_source_that_is_not_seen(two: Two) -> None:
    """Nor do its requests tell an invisible run from one that never was."""
    root = f"mlflow-artifacts:/{two.secret.experiment}/{two.secret.run}/artifacts"
    two.owner.made("registered-models/create", {"name": "fraud"})
    two.owner.made("model-versions/create", {"name": "fraud", "source": root, "run_id": two.secret.run})
    two.world.grant(GUEST, READ, named("models", "fraud"))

    def found(asking: As, filter_: str) -> tuple[int, int]:
        query = {"filter": filter_}
        reply, requests = asking.measured("GET", "/api/2.0/mlflow/model-versions/search", query=query)
        return len(reply.json.get("model_versions", ())), requests.requests

    run = two.secret.run
    two.guest.get("experiments/get", experiment_id=two.shared.experiment)  # the grants are read
    for test in (
        f"run_id = '{run}'",
        f"run_id IN ('{run}')",
        f"name = 'fraud' AND run_id = '{run}'",
        f"run_id LIKE '{run[:20]}%'",
        f"source_path = '{root}'",
        f"source_path LIKE '%{run}%'",
    ):
        assert found(two.owner, test)[0] == 1, test
        assert found(two.guest, test)[0] == 0, test
        assert found(two.guest, test) == found(two.guest, test.replace(run, NEVER + run[16:])), test
    assert found(two.guest, "source_path LIKE 'mlflow-artifacts:/model-versions/%'")[0] == 1
    assert found(two.guest, "run_id != 'x'")[0] == 1
    two.world.grant(GUEST, READ, named("experiments", "secret"))
    assert found(two.guest, f"run_id = '{run}'")[0] == 1


def test_a_filter_looks_at_the_experiments_of_many_versions_at_once(two: Two) -> None:
    two.owner.made("registered-models/create", {"name": "fraud"})
    two.world.grant(GUEST, READ, named("models", "fraud"))
    counted = []
    for number in range(12):
        experiment = two.owner.experiment(f"secret {number}")
        run = two.owner.run(experiment)
        source = f"mlflow-artifacts:/{experiment}/{run}/artifacts"
        two.owner.made("model-versions/create", {"name": "fraud", "source": source, "run_id": run})
        query = {"filter": "source_path LIKE 'mlflow-artifacts:/model-versions/%'"}
        path = "/api/2.0/mlflow/model-versions/search"
        two.guest.measured("GET", path, query=query)
        reply, requests = two.guest.measured("GET", path, query=query)
        assert len(reply.json["model_versions"]) == number + 1
        counted.append(requests.requests)
    assert counted[1] == counted[-1]


def test_tags_note_nothing_that_is_not_seen(two: Two) -> None:
    """Prompts linked to runs and models; runs and experiments associated with prompts."""
    prompts = [{"name": "mine", "version": "1"}, {"name": "secret", "version": "2"}]
    linked = {"key": "mlflow.linkedPrompts", "value": json.dumps(prompts)}
    two.owner.made("runs/set-tag", {"run_id": two.shared.run, **linked})
    two.owner.made(f"logged-models/{two.shared.model}/tags", {"tags": [linked]}, "PATCH")
    ids = f",{two.secret.experiment},{two.shared.experiment},"
    is_prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    experiments = {"key": "_mlflow_experiment_ids", "value": ids}
    two.owner.made("registered-models/create", {"name": "mine", "tags": [is_prompt, experiments]})
    runs = {
        "key": "mlflow.prompt.associatedRunIds",
        "value": f"{two.secret.run},{two.shared.run}",
    }
    two.owner.made(
        "model-versions/create",
        {"name": "mine", "source": "prompt-template", "tags": [is_prompt, runs, linked]},
    )
    two.world.grant(GUEST, READ, named("prompts", "mine"))

    def told(asking: As) -> list[Any]:
        run = asking.get("runs/get", run_id=two.shared.run).json["run"]["data"]
        found = asking.made("runs/search", {"experiment_ids": [two.shared.experiment]})["runs"][0]["data"]
        model = asking.get(f"logged-models/{two.shared.model}").json["model"]["info"]
        prompt = asking.get("registered-models/get", name="mine").json["registered_model"]
        version = asking.get("model-versions/get", name="mine", version="1").json["model_version"]
        assert prompt["latest_versions"][0]["tags"] == version["tags"]
        kinds = [
            *((one, linked["key"]) for one in (run, found, model, version)),
            (prompt, experiments["key"]),
            (version, runs["key"]),
        ]
        return [tags(one)[key] for one, key in kinds]

    assert told(two.owner) == [linked["value"]] * 4 + [ids, runs["value"]]
    mine = json.dumps(prompts[:1])
    assert told(two.guest) == [mine] * 4 + [f",{two.shared.experiment},", two.shared.run]
    two.world.take_all(GUEST)
    two.world.grant(GUEST, READ, prefixed("experiments", "shared/"))
    assert "mlflow.linkedPrompts" not in tags(
        two.guest.get("runs/get", run_id=two.shared.run).json["run"]["data"]
    )


def test_what_was_not_told_stays_in_a_tag_that_is_written_back(two: Two) -> None:
    """MLflow's client links a prompt by reading the tag, adding to it and writing it."""
    names = [{"name": name, "version": "1"} for name in ("mine", "secret", "new")]
    linked = "mlflow.linkedPrompts"
    is_prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    ids = {"key": "_mlflow_experiment_ids", "value": f",{two.secret.experiment},"}
    runs = {"key": "mlflow.prompt.associatedRunIds", "value": two.secret.run}
    body = {"name": "mine", "source": "prompt-template", "tags": [is_prompt, runs]}
    two.owner.made("registered-models/create", {"name": "mine", "tags": [is_prompt, ids]})
    two.owner.made("model-versions/create", body)
    two.world.grant(GUEST, WRITE, named("prompts", "mine"), named("prompts", "new"))
    run, model = two.shared.run, f"logged-models/{two.shared.model}"
    before = {"key": linked, "value": json.dumps(names[:2])}
    two.owner.made("runs/set-tag", {"run_id": run, **before})
    two.owner.made(f"{model}/tags", {"tags": [before]}, "PATCH")

    written = {"key": linked, "value": json.dumps([names[0], names[2]])}
    two.guest.made("runs/set-tag", {"run_id": run, **written})
    two.guest.made("runs/log-batch", {"run_id": run, "tags": [written, {"key": "a", "value": "b"}]})
    two.guest.made(f"{model}/tags", {"tags": [written]}, "PATCH")
    own = {"name": "mine", "key": ids["key"], "value": f",{two.shared.experiment},"}
    two.guest.made("registered-models/set-tag", own)
    of_version = {"name": "mine", "version": "1", "key": runs["key"], "value": two.shared.run}
    two.guest.made("model-versions/set-tag", of_version)

    for asking, hidden in ((two.owner, [names[1]]), (two.guest, [])):
        found = asking.get("runs/get", run_id=run).json["run"]["data"]
        info = asking.get(model).json["model"]["info"]
        expected = json.dumps([names[0], names[2], *hidden])
        assert tags(found)[linked] == tags(info)[linked] == expected
        assert tags(found)["a"] == "b"
    prompt = two.owner.get("registered-models/get", name="mine").json["registered_model"]
    assert tags(prompt)[ids["key"]] == f",{two.shared.experiment},{two.secret.experiment},"
    version = two.owner.get("model-versions/get", name="mine", version="1").json["model_version"]
    assert tags(version)[runs["key"]] == f"{two.shared.run},{two.secret.run}"
    two.owner.made("runs/set-tag", {"run_id": run, **written})
    found = two.owner.get("runs/get", run_id=run).json["run"]["data"]
    assert tags(found)[linked] == written["value"]


def test_tags_of_another_shape_stay_as_they_are(two: Two) -> None:
    for value in ("[", "{}", "words", "1", '["a"]', "[[]]", '[{"name": 1}]'):
        two.owner.made(
            "runs/set-tag", {"run_id": two.shared.run, "key": "mlflow.linkedPrompts", "value": value}
        )
        read = two.guest.get("runs/get", run_id=two.shared.run).json["run"]["data"]
        assert tags(read)["mlflow.linkedPrompts"] == value


QUERY = """
query($run: String, $ids: [String]) {
  mlflowGetRun(input: {runId: $run}) { apiError { code } run {
    info { runId } experiment { name } modelVersions { name version runId source }
    outputs { modelOutputs { modelId } } } }
  mlflowSearchRuns(input: {experimentIds: $ids}) { runs {
    info { runId } modelVersions { name runId source } } }
  mlflowSearchModelVersions(input: {}) { modelVersions { name runId source } }
}
"""


def test_graphql_nests_nothing_that_is_not_seen(two: Two) -> None:
    for number, run in ((1, two.secret.run), (2, two.shared.run)):
        experiment = two.secret.experiment if run == two.secret.run else two.shared.experiment
        source = {"source": f"mlflow-artifacts:/{experiment}/{run}/artifacts", "run_id": run}
        for name in (f"open-{number}", f"closed-{number}"):
            two.owner.made("registered-models/create", {"name": name})
            two.owner.made("model-versions/create", {"name": name, **source})
    two.owner.made("runs/outputs", {"run_id": two.shared.run, "models": [{"model_id": two.secret.model}]})
    two.world.grant(GUEST, READ, prefixed("models", "open-"))

    def ask(run: str) -> Any:
        ids = [two.secret.experiment, two.shared.experiment]
        reply = two.guest.post("/graphql", {"query": QUERY, "variables": {"run": run, "ids": ids}})
        assert reply.status == 200, reply.content
        return reply.json

    answer = ask(two.shared.run)["data"]
    run = answer["mlflowGetRun"]["run"]
    assert run["experiment"]["name"] == "shared/a"
    assert [version["name"] for version in run["modelVersions"]] == ["open-2"]
    assert run["modelVersions"][0]["runId"] == two.shared.run
    assert not run["outputs"]["modelOutputs"]
    assert [one["info"]["runId"] for one in answer["mlflowSearchRuns"]["runs"]] == [two.shared.run]
    versions = {one["name"]: one for one in answer["mlflowSearchModelVersions"]["modelVersions"]}
    assert set(versions) == {"open-1", "open-2"}
    hidden = {"name": "open-1", "runId": "", "source": "mlflow-artifacts:/model-versions/open-1/1"}
    assert versions["open-1"] == hidden
    there, never = (
        json.dumps(ask(run)).replace(run, "RUN") for run in (two.secret.run, NEVER + two.secret.run[16:])
    )
    assert there == never


def test_one_request_more_at_most_and_none_for_who_sees_everything(two: Two) -> None:
    models = [{"model_id": two.secret.model}]
    runs = [two.owner.run(two.shared.experiment) for _ in range(70)]
    for run in runs:
        two.owner.made("runs/outputs", {"run_id": run, "models": models})
    for _ in range(3):
        body = {"experiment_id": two.shared.experiment, "source_run_id": two.secret.run}
        two.owner.made("logged-models", body)
    ids = {"experiment_ids": [two.shared.experiment], "max_results": 1_000}
    one = {"query": {"run_id": runs[0]}}
    asks: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/api/2.0/mlflow/runs/get", one),
        ("POST", "/api/2.0/mlflow/runs/search", {"content": json.dumps(ids)}),
        ("GET", f"/api/2.0/mlflow/logged-models/{two.shared.model}", {}),
        ("POST", "/api/2.0/mlflow/logged-models/search", {"content": json.dumps(ids)}),
    ]
    two.guest.get("experiments/get", experiment_id=two.shared.experiment)  # the grants are read
    heads = {"logged-models/search": 1}  # the experiment, which an access to everything needs not
    for method, path, rest in asks:
        reply, by_owner = two.owner.measured(method, path, **rest)
        assert reply.status == 200
        by_guest = two.guest.measured(method, path, **rest)[1].requests
        assert by_guest == by_owner.requests + 1 + heads.get(path.partition("mlflow/")[2], 0), path
