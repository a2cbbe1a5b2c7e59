"""What comes from elsewhere: a model version whose run is not seen, and its files, which are read all the
same; and nothing made of what is not seen."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cairn.artifacts.s3 import S3Artifacts
from cairn.domain.access import Permission
from cairn.domain.artifacts import Signed
from cairn.services.ports import Carriage
from tests.access.worlds import GUEST, As, Reply, World, named, prefixed

NONE, READ, WRITE, MANAGE = Permission
FILES = "/api/2.0/mlflow-artifacts/artifacts"
VIRTUAL = "mlflow-artifacts:/model-versions/fraud/1"
NEVER = f"{99_999_999:016x}"


def logged(owner: As, experiment: str, **files: str) -> tuple[str, str]:
    """A run, and the location of its artifacts, with files."""
    run = owner.run(experiment)
    for name, words in files.items():
        path = f"{FILES}/{experiment}/{run}/artifacts/{name.replace('__', '/')}"
        assert owner.send("PUT", path, content=words).status == 200
    return run, f"mlflow-artifacts:/{experiment}/{run}/artifacts"


def registered(owner: As, name: str, source: str, **more: Any) -> Mapping[str, Any]:
    owner.post("registered-models/create", {"name": name})
    made: Mapping[str, Any] = owner.made("model-versions/create", {"name": name, "source": source, **more})
    return made["model_version"]


def version(asking: As, name: str = "fraud", number: str = "1") -> Any:
    return asking.get("model-versions/get", name=name, version=number).json["model_version"]


def artifact(asking: As, path: str, name: str = "fraud") -> Reply:
    query = {"name": name, "version": "1", "path": path}
    return asking.send("GET", "/model-versions/get-artifact", query=query)


@pytest.fixture
def granted(world: World) -> World:
    """``fraud`` version 1 comes from the experiment ``secret``; the guest reads the model alone."""
    owner = world.of()
    run, root = logged(
        owner, owner.experiment("secret"), model__MLmodel="flavors", model__data__w="1.5", key="x"
    )
    link = "https://elsewhere/runs/1"
    registered(owner, "fraud", f"{root}/model", run_id=run, run_link=link)
    world.grant(GUEST, READ, named("models", "fraud"))
    return world


def test_where_a_version_comes_from_is_not_told(granted: World) -> None:
    """By any answer, and at one request more than before."""
    owner, guest = granted.of(), granted.of(GUEST)
    owner.made("registered-models/alias", {"name": "fraud", "alias": "champion", "version": "1"})
    granted.grant(GUEST, MANAGE, named("models", "fraud"))
    version(guest)  # the grants are read
    secrets = re.compile(rb"secret|[0-9a-f]{16}|elsewhere")
    asks: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "model-versions/get", {"name": "fraud", "version": "1"}),
        ("GET", "model-versions/search", {}),
        ("GET", "model-versions/get-download-uri", {"name": "fraud", "version": "1"}),
        ("GET", "registered-models/get", {"name": "fraud"}),
        ("GET", "registered-models/search", {}),
        ("GET", "registered-models/get-latest-versions", {"name": "fraud"}),
        ("GET", "registered-models/alias", {"name": "fraud", "alias": "champion"}),
        ("PATCH", "model-versions/update", {"name": "fraud", "version": "1", "description": "d"}),
        ("POST", "model-versions/transition-stage", {"name": "fraud", "version": "1", "stage": "Staging"}),
    ]
    for method, route, values in asks:
        path = f"/api/2.0/mlflow/{route}"
        as_query = {"query": values} if method == "GET" else {"content": str(values).replace("'", '"')}
        shown, as_owner = owner.measured(method, path, **as_query)
        hidden, as_guest = guest.measured(method, path, **as_query)
        assert shown.status == hidden.status == 200, (route, hidden.content)
        assert secrets.search(shown.content), route
        assert not secrets.search(hidden.content), (route, hidden.content)
        assert VIRTUAL.encode() in hidden.content
        assert as_guest.requests == as_owner.requests + 1, route
    told = version(guest)
    assert (told["run_id"], told["source"]) == ("", VIRTUAL)


def test_where_a_version_comes_from_is_told_to_who_sees_that(granted: World) -> None:
    granted.grant(GUEST, READ, prefixed("experiments", "secret"))
    assert version(granted.of(GUEST)) == version(granted.of())
    query = {"name": "fraud", "version": "1"}
    uris = [
        one.get("model-versions/get-download-uri", **query).json
        for one in (granted.of(), granted.of(GUEST))
    ]
    assert uris[0] == uris[1]


def test_a_version_gives_its_files_and_no_others(granted: World) -> None:
    guest = granted.of(GUEST)
    assert artifact(guest, "data/w").content == b"1.5"
    assert guest.get("model-versions/get-download-uri", name="fraud", version="1").json == {
        "artifact_uri": VIRTUAL
    }
    below = VIRTUAL.removeprefix("mlflow-artifacts:/")
    assert guest.send("GET", FILES, query={"path": below}).json["files"] == [
        {"path": "MLmodel", "is_dir": False, "file_size": 7},
        {"path": "data", "is_dir": True},
    ]
    assert guest.send("GET", f"{FILES}/{below}/data/w").content == b"1.5"
    for path in ("../key", "data/../../key", "%2e%2e/key", "..%2fkey", "/key", "\\..\\key"):
        for reply in (artifact(guest, path), guest.send("GET", f"{FILES}/{below}/{path}")):
            assert reply.code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"), path
    for path in ("key", "data", "never"):
        for reply in (artifact(guest, path), guest.send("GET", f"{FILES}/{below}/{path}")):
            assert reply.code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"), path
            assert re.search(r"[0-9a-f]{16}", reply.content.decode()) is None


def test_a_versions_files_are_not_written(granted: World) -> None:
    guest = granted.of(GUEST)
    granted.grant(GUEST, MANAGE, named("models", "fraud"))
    below = VIRTUAL.removeprefix("mlflow-artifacts:/")
    assert guest.send("PUT", f"{FILES}/{below}/MLmodel", content="bad").code == "RESOURCE_DOES_NOT_EXIST"
    assert guest.send("DELETE", f"{FILES}/{below}/MLmodel").content == b"{}"
    begun = guest.post(f"/api/2.0/mlflow-artifacts/mpu/create/{below}", {"path": "MLmodel", "num_parts": 1})
    assert begun.code == "RESOURCE_DOES_NOT_EXIST"
    assert artifact(guest, "MLmodel").content == b"flavors"


def test_the_files_of_a_version_that_is_not_seen_are_not_there(granted: World) -> None:
    owner, guest = granted.of(), granted.of(GUEST)
    run, root = logged(owner, owner.experiment("more"), MLmodel="secret")
    registered(owner, "other", root, run_id=run)
    version(guest)  # the grants are read
    for route in ("download", "list"):
        replies = []
        for name in ("other", "never"):
            path = f"model-versions/{name}/1"
            if route == "list":
                ask = guest.measured("GET", FILES, query={"path": path})
            else:
                ask = guest.measured("GET", f"{FILES}/{path}/MLmodel")
            reply, requests = ask
            replies.append((reply.content.replace(name.encode(), b"N"), reply.status, requests.requests))
        assert replies[0] == replies[1]
    assert artifact(guest, "MLmodel", "other").code == "RESOURCE_DOES_NOT_EXIST"


def test_pinned_files_alone_are_a_versions(granted: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bucket keeps versions: what was put beside them since is the experiment's."""
    owner, guest = granted.of(), granted.of(GUEST)
    run, root = logged(owner, owner.experiment("pinned"), MLmodel="old", data__w="1")
    store, asked = type(granted.app.stores.artifacts), []
    monkeypatch.setattr(store, "versions", lambda *_: {"MLmodel": "v1", "data/w": "v2"})
    registered(owner, "net", root, run_id=run)
    granted.grant(GUEST, READ, named("models", "net"))
    assert owner.send("PUT", f"{FILES}/{root.partition('/')[2]}/later", content="secret").status == 200
    opened = store.open

    def noted(self: Any, uri: str, version: str | None = None) -> Any:
        asked.append(version)
        return opened(self, uri, version)

    monkeypatch.setattr(store, "open", noted)
    path = "model-versions/net/1"
    names = [file["path"] for file in guest.send("GET", FILES, query={"path": path}).json["files"]]
    assert names == ["MLmodel", "data"]
    assert guest.send("GET", FILES, query={"path": f"{path}/data"}).json == {
        "files": [{"path": "w", "is_dir": False}]
    }
    for reply in (artifact(guest, "later", "net"), guest.send("GET", f"{FILES}/{path}/later")):
        assert reply.code == "RESOURCE_DOES_NOT_EXIST"
    assert artifact(guest, "MLmodel", "net").content == b"old"
    assert guest.send("GET", f"{FILES}/{path}/data/w").content == b"1"
    assert asked == ["v1", "v2"]
    assert artifact(owner, "later", "net").content == b"secret"


def test_large_files_of_a_version_go_by_a_url_of_their_pins(
    granted: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an answer cannot carry, and what the client fetches by ranges."""
    owner, guest = granted.of(), granted.of(GUEST)
    run, root = logged(owner, owner.experiment("pinned"), MLmodel="large")
    stores = replace(granted.app.stores, carriage=Carriage(download=3))
    granted.app = replace(granted.app, stores=stores)
    store, asked = type(stores.artifacts), list[str | None]()

    def sign(self: Any, uri: str, seconds: int, version: str | None = None) -> Signed:
        assert seconds <= 900
        asked.append(version)
        return Signed(f"https://bucket/{version}", {}, 5)

    monkeypatch.setattr(store, "versions", lambda *_: {"MLmodel": "v1"})
    monkeypatch.setattr(store, "sign_download", sign)
    registered(owner, "net", root, run_id=run)
    granted.grant(GUEST, READ, named("models", "net"))
    assert owner.send("PUT", f"{FILES}/{root.partition('/')[2]}/later", content="secret").status == 200
    signed = "/api/2.0/mlflow-artifacts/presigned/model-versions/net/1"
    assert guest.send("GET", f"{signed}/MLmodel").json == {
        "url": "https://bucket/v1",
        "headers": {},
        "file_size": 5,
    }
    for path in ("later", "never", "../key", ""):
        assert guest.send("GET", f"{signed}/{path}").code in (
            "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",
        )
    for reply in (
        artifact(guest, "MLmodel", "net"),
        guest.send("GET", f"{FILES}/model-versions/net/1/MLmodel"),
    ):
        assert reply.status == 302
    assert asked == ["v1"] * 3


@pytest.mark.parametrize(
    "source", ["runs:/{run}/model", "{root}/model", "models:/{model}", "{whole}", "{all}"]
)
@pytest.mark.parametrize("beside", [{}, {"run_id": "{run}"}, {"model_id": "{model}"}, {"run_id": "{own}"}])
def test_nothing_is_registered_of_what_is_not_seen(
    world: World, source: str, beside: Mapping[str, str]
) -> None:
    """The answer of what never was; and no version, no note on the model."""
    owner, guest = world.of(), world.of(GUEST)
    secret = owner.experiment("secret")
    run, _ = logged(owner, secret, model__MLmodel="x")
    model = owner.made("logged-models", {"experiment_id": secret})["model"]["info"]["model_id"]
    own = owner.run(owner.experiment("shared/a"))
    world.grant(GUEST, MANAGE, prefixed("experiments", "shared/"), prefixed("models", "mine"))
    guest.made("registered-models/create", {"name": "mine"})

    def ask(experiment: str, run: str, model: str) -> tuple[int, str]:
        words = {
            "run": run,
            "own": own,
            "model": model,
            "root": f"s3://bucket/{experiment}/{run}/artifacts",
            "whole": f"mlflow-artifacts:/{experiment}",
            "all": "mlflow-artifacts:/",
        }
        words["root"] = f"mlflow-artifacts:/{experiment}/{run}/artifacts"
        body = {name: value.format_map(words) for name, value in beside.items()}
        body |= {"name": "mine", "source": source.format_map(words)}
        reply = guest.post("model-versions/create", body)
        text = reply.content.decode()
        for word, what in ((model, "MODEL"), (run, "RUN"), (f"/{experiment}", "/EXPERIMENT")):
            text = text.replace(word, what)
        return reply.status, text

    there = ask(secret, run, model)
    assert there == ask("99999999", NEVER + run[16:], f"m-{NEVER}{model[18:]}")
    assert there[0] in (400, 404)
    assert "latest_versions" not in guest.get("registered-models/get", name="mine").json["registered_model"]
    assert "tags" not in owner.get(f"logged-models/{model}").json.get("model", {}).get("info", {})


def test_s3_sources_of_this_servers_own_are_held_to_it_as_well(world: World) -> None:
    """MLflow takes any S3 URI for a source."""
    owner, guest = world.of(), world.of(GUEST)
    secret, shared = owner.experiment("secret"), owner.experiment("shared/a")
    runs = {one: owner.run(one) for one in (secret, shared)}
    in_s3 = S3Artifacts(None, "bucket", "folder")  # type: ignore[arg-type]  # asked for places alone
    object.__setattr__(in_s3, "versions", lambda *_: {})
    world.app = replace(world.app, stores=replace(world.app.stores, artifacts=in_s3))
    world.grant(GUEST, MANAGE, prefixed("experiments", "shared/"), prefixed("models", "mine"))
    guest.made("registered-models/create", {"name": "mine"})
    refused = [
        f"s3://bucket/folder/{secret}/{runs[secret]}/artifacts/m",
        f"s3://bucket/folder/{secret}/{runs[secret]}/artifacts/m?x=1",
        f"S3://bucket/folder/{secret}/{runs[shared]}/artifacts",
        f"s3://bucket/folder/{secret}",
        f"s3://bucket/folder/{shared}",
        "s3://bucket/folder",
        "s3://bucket/folder/model-versions/fraud/1",
    ]
    for source in refused:
        for of in ({}, {"run_id": runs[shared]}):
            reply = guest.post("model-versions/create", {"name": "mine", "source": source, **of})
            assert reply.code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"), source
    for source in (
        f"s3://bucket/folder/{shared}/{runs[shared]}/artifacts/m",
        "s3://their-own/m",
        "s3://bucket/folder2/m",
    ):
        assert guest.post("model-versions/create", {"name": "mine", "source": source}).status == 200


@pytest.mark.parametrize("suffix", ["/1", "/latest", "/Production", "/None", "@champion", "@never", ""])
@pytest.mark.parametrize("kind", ["models", "prompts"])
def test_no_version_is_copied_of_a_model_that_is_not_seen(world: World, suffix: str, kind: str) -> None:
    owner, guest = world.of(), world.of(GUEST)
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}] if kind == "prompts" else []
    owner.made("registered-models/create", {"name": "secret", "tags": tags})
    source = "prompt-template" if kind == "prompts" else "s3://elsewhere/m"
    owner.made("model-versions/create", {"name": "secret", "source": source, "tags": tags})
    owner.made("registered-models/alias", {"name": "secret", "alias": "champion", "version": "1"})
    world.grant(GUEST, MANAGE, prefixed("models", "mine"), prefixed("experiments", ""))
    guest.made("registered-models/create", {"name": "mine"})
    answers = []
    for name in ("secret", "never!"):
        body = {"name": "mine", "source": f"models:/{name}{suffix}"}
        path = "/api/2.0/mlflow/model-versions/create"
        reply, requests = guest.measured("POST", path, content=json.dumps(body))
        answers.append((reply.status, reply.content.replace(name.encode(), b"N"), requests.requests))
    assert answers[0] == answers[1]
    assert answers[0][0] in (400, 404)


def test_who_reads_a_version_may_copy_it_with_all_that_is_hidden(granted: World) -> None:
    owner, guest = granted.of(), granted.of(GUEST)
    granted.grant(GUEST, WRITE, named("models", "mine"))
    guest.made("registered-models/create", {"name": "mine"})
    run = version(owner)["run_id"]
    body = {"name": "mine", "source": "models:/fraud/1"}
    assert guest.post("model-versions/create", {**body, "run_id": run}).code == "INVALID_PARAMETER_VALUE"
    copied = guest.made("model-versions/create", {**body, "run_id": ""})["model_version"]
    assert (copied["run_id"], copied["source"]) == ("", "models:/fraud/1")
    assert version(owner, "mine")["run_id"] == run
    assert artifact(guest, "data/w", "mine").content == b"1.5"
    granted.take_all(GUEST)
    granted.grant(GUEST, READ, named("models", "mine"))
    assert version(guest, "mine")["source"] == "mlflow-artifacts:/model-versions/mine/1"
    assert artifact(guest, "data/w", "mine").content == b"1.5"
    assert guest.get("model-versions/get-download-uri", name="mine", version="1").json == {
        "artifact_uri": "mlflow-artifacts:/model-versions/mine/1"
    }


def test_a_version_is_made_of_a_model_that_may_only_be_read(world: World) -> None:
    """And the model is told, as by MLflow's server; others of its versions are not told of."""
    owner, guest = world.of(), world.of(GUEST)
    shared = owner.experiment("shared/a")
    model = owner.made("logged-models", {"experiment_id": shared})["model"]["info"]["model_id"]
    body = {"source": f"models:/{model}", "model_id": model}
    registered(owner, "secret", **body)
    world.grant(GUEST, READ, prefixed("experiments", "shared/"))
    world.grant(GUEST, WRITE, prefixed("models", "mine"))
    guest.made("registered-models/create", {"name": "mine"})
    guest.made("model-versions/create", {"name": "mine", **body})

    def tags(asking: As) -> Any:
        found = asking.get(f"logged-models/{model}").json["model"]["info"]["tags"]
        return {tag["key"]: tag["value"] for tag in found}["mlflow.modelVersions"]

    both = '[{"name": "secret", "version": 1}, {"name": "mine", "version": 1}]'
    assert tags(owner) == both
    assert tags(guest) == '[{"name": "mine", "version": 1}]'


@pytest.mark.parametrize(
    "location",
    [
        "mlflow-artifacts:/{0}",
        "mlflow-artifacts:/",
        "MLFLOW-ARTIFACTS:/{0}/x",
        "mlflow-artifacts:{0}?a=b",
    ],
)
def test_nobody_puts_an_experiment_among_others_files(world: World, location: str) -> None:
    owner, guest = world.of(), world.of(GUEST)
    secret = owner.experiment("secret")
    world.grant(GUEST, MANAGE, prefixed("experiments", "shared/"))
    body = {"name": "shared/b", "artifact_location": location.format(secret)}
    refused = guest.post("experiments/create", body)
    assert refused.code == "PERMISSION_DENIED"
    assert "artifact_location" in refused.json["message"]
    assert owner.post("experiments/create", body).status == 200
    elsewhere = {"name": "shared/c", "artifact_location": "s3://their-own/place"}
    assert guest.post("experiments/create", elsewhere).status == 200


def test_a_version_without_a_run_looks_no_different(granted: World) -> None:
    """From one whose run is not seen."""
    owner, guest = granted.of(), granted.of(GUEST)
    registered(owner, "plain", "s3://elsewhere/m")
    granted.grant(GUEST, READ, named("models", "plain"))
    assert set(version(guest, "plain")) == set(version(guest))
