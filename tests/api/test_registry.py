"""The model registry through the HTTP edge: what MLflow's client asks of it, and what it is refused."""

from typing import Any

import pytest

from tests.api.client import JSON, Client, Reply, event

CREATE, VERSION = "registered-models/create", "model-versions/create"


def _send(client: Client, method: str, route: str, body: dict[str, Any]) -> Reply:
    import json

    return client.send(event(method, f"/api/2.0/mlflow/{route}", content=json.dumps(body), headers=JSON))


def _model(client: Client, name: str = "net", **fields: object) -> None:
    assert client.post(CREATE, {"name": name, **fields}).status == 200


def _version(client: Client, name: str = "net", **fields: object) -> dict[str, Any]:
    answer = client.post(VERSION, {"name": name, "source": "s3://bucket/model", **fields})
    assert answer.status == 200, answer.json
    made: dict[str, Any] = answer.json["model_version"]
    return made


def _move(client: Client, version: int, stage: str, *, archive: bool = False) -> dict[str, Any]:
    body = {"name": "net", "version": str(version), "stage": stage, "archive_existing_versions": archive}
    answer = client.post("model-versions/transition-stage", body)
    assert answer.status == 200, answer.json
    moved: dict[str, Any] = answer.json["model_version"]
    return moved


def _stages(client: Client) -> dict[str, str]:
    found = client.get("model-versions/search", filter="name = 'net'").json.get("model_versions", [])
    return {version["version"]: version["current_stage"] for version in found}


def test_numbers_go_on_after_a_deleted_version(client: Client) -> None:
    _model(client)
    assert [_version(client)["version"] for _ in range(2)] == ["1", "2"]
    assert _send(client, "DELETE", "model-versions/delete", {"name": "net", "version": "2"}).status == 200
    assert _version(client)["version"] == "3"
    assert client.get("model-versions/get", name="net", version="2").error == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
    )


def test_a_model_made_again_begins_anew(client: Client) -> None:
    _model(client)
    _version(client)
    client.post("registered-models/alias", {"name": "net", "alias": "champion", "version": "1"})
    assert _send(client, "DELETE", "registered-models/delete", {"name": "net"}).status == 200
    assert client.get("registered-models/get", name="net").status == 404
    assert client.get("model-versions/search").json == {}
    _model(client)
    model = client.get("registered-models/get", name="net").json["registered_model"]
    assert not {"aliases", "latest_versions"} & set(model)
    assert _version(client)["version"] == "1"


def test_a_renamed_model_takes_versions_and_aliases_along(client: Client) -> None:
    _model(client)
    _version(client)
    client.post("registered-models/alias", {"name": "net", "alias": "champion", "version": "1"})
    assert client.post("registered-models/rename", {"name": "net", "new_name": "web"}).status == 200
    found = client.get("registered-models/alias", name="web", alias="champion").json["model_version"]
    assert (found["name"], found["version"], found["aliases"]) == ("web", "1", ["champion"])
    assert client.get("registered-models/get", name="net").status == 404
    _model(client)  # the name is free


@pytest.mark.parametrize("versions", [3, 120])
def test_an_archiving_move_archives_all_the_others(client: Client, versions: int) -> None:
    _model(client)
    for number in range(1, versions + 1):
        _version(client)
        _move(client, number, "Production")
    moved = _move(client, 2, "Production", archive=True)
    assert moved["current_stage"] == "Production"
    stages = _stages(client)
    assert {number for number, stage in stages.items() if stage == "Production"} == {"2"}
    assert sum(stage == "Archived" for stage in stages.values()) == versions - 1
    latest = client.post("registered-models/get-latest-versions", {"name": "net"}).json["model_versions"]
    assert {one["current_stage"]: one["version"] for one in latest} == {
        "Production": "2",
        "Archived": str(versions),
    }


def test_versions_archived_by_different_moves_keep_their_times(client: Client) -> None:
    _model(client)
    for number in (1, 2, 3):
        _version(client)
        _move(client, number, "Staging", archive=True)
    first, second, third = (
        client.get("model-versions/get", name="net", version=str(number)).json["model_version"]
        for number in (1, 2, 3)
    )
    assert [one["current_stage"] for one in (first, second, third)] == ["Archived", "Archived", "Staging"]
    assert first["last_updated_timestamp"] <= second["last_updated_timestamp"]
    assert second["last_updated_timestamp"] == third["last_updated_timestamp"]


def test_only_active_stages_can_be_emptied(client: Client) -> None:
    _model(client)
    _version(client)
    body = {"name": "net", "version": "1", "stage": "None", "archive_existing_versions": True}
    assert client.post("model-versions/transition-stage", body).error == (400, "INVALID_PARAMETER_VALUE")


def test_long_tags_come_back_whole(client: Client) -> None:
    text = "".join(chr(0x4E00 + number % 20_000) for number in range(100_000))
    _model(client, tags=[{"key": "a", "value": "x" * 9_000}, {"key": "b", "value": "y" * 9_000}])
    _version(client, tags=[{"key": "mlflow.prompt.text", "value": text}, {"key": "k", "value": "v"}])
    client.post("model-versions/set-tag", {"name": "net", "version": "1", "key": "more", "value": text})

    def tags() -> dict[str, str]:
        found = client.get("model-versions/get", name="net", version="1").json["model_version"]
        return {tag["key"]: tag["value"] for tag in found["tags"]}

    assert tags() == {"mlflow.prompt.text": text, "k": "v", "more": text}
    client.post("model-versions/set-tag", {"name": "net", "version": "1", "key": "more", "value": "short"})
    body = {"name": "net", "version": "1", "key": "mlflow.prompt.text"}
    assert _send(client, "DELETE", "model-versions/delete-tag", body).status == 200
    assert tags() == {"k": "v", "more": "short"}
    model = client.get("registered-models/get", name="net").json["registered_model"]
    assert [len(tag["value"]) for tag in model["tags"]] == [9_000, 9_000]


def test_a_replayed_create_makes_one_version(client: Client) -> None:
    headers = {**JSON, "Idempotency-Key": ["abc"]}
    for _ in range(2):
        _model_answer = client.post(CREATE, {"name": "net"}, headers=headers)
        assert _model_answer.status == 200
    body = {"name": "net", "source": "s3://bucket/x"}
    answers = [client.post(VERSION, body, headers=headers).json["model_version"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert _version(client)["version"] == "2"


def test_a_version_of_a_logged_model(client: Client) -> None:
    experiment = client.experiment()
    run = client.run(experiment)
    model_id = client.model(experiment, source_run_id=run)
    _model(client)
    made = _version(client, source=f"models:/{model_id}", model_id=model_id)
    assert made["run_id"] == run
    where = client.get("model-versions/get-download-uri", name="net", version="1").json["artifact_uri"]
    logged = client.get(f"logged-models/{model_id}").json["model"]["info"]
    assert where == logged["artifact_uri"]
    assert {"key": "mlflow.modelVersions", "value": '[{"name": "net", "version": 1}]'} in logged["tags"]
    found = client.get("model-versions/search", filter=f"run_id = '{run}'").json["model_versions"]
    assert [one["version"] for one in found] == ["1"]


def test_a_copied_version_has_the_files_and_the_run_of_the_first(client: Client) -> None:
    _model(client)
    _model(client, "copy")
    _version(client, run_id="elsewhere")
    client.post("registered-models/alias", {"name": "net", "alias": "champion", "version": "1"})
    made = _version(client, "copy", source="models:/net@champion")
    assert (made["source"], made["run_id"]) == ("models:/net/1", "elsewhere")
    where = client.get("model-versions/get-download-uri", name="copy", version="1").json
    assert where == {"artifact_uri": "s3://bucket/model"}


def test_plain_searches_show_no_prompts(client: Client) -> None:
    prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    _model(client)
    _model(client, "greeting", tags=[prompt])
    _version(client)
    _version(client, "greeting", source="dummy-source", tags=[prompt])
    wanted = "tags.`mlflow.prompt.is_prompt` = 'true'"

    def names(route: str, **query: str) -> list[str]:
        return [one["name"] for found in client.get(route, **query).json.values() for one in found]

    for route in ("registered-models/search", "model-versions/search"):
        assert names(route) == ["net"]
        assert names(route, filter=wanted) == ["greeting"]
    body = {"name": "greeting", "key": "mlflow.prompt.is_prompt"}
    _send(client, "DELETE", "registered-models/delete-tag", body)
    assert names("registered-models/search") == ["greeting", "net"]


@pytest.mark.parametrize("order", ["name ASC", "name DESC", "timestamp ASC", "timestamp DESC"])
@pytest.mark.parametrize("size", ["1", "2", "7"])
def test_pages_of_models_hold_each_once(client: Client, order: str, size: str) -> None:
    expected = [f"model-{number:02d}" for number in range(11)] + ["n" * 140 + "a", "n" * 140 + "b"]
    for name in expected:
        _model(client, name)
    seen, token = [], ""
    while True:
        answer = client.get(
            "registered-models/search", max_results=size, order_by=[order], page_token=token
        )
        seen += [model["name"] for model in answer.json.get("registered_models", [])]
        token = answer.json.get("next_page_token", "")
        if not token:
            break
    assert sorted(seen) == expected
    if order.startswith("name"):
        assert seen == sorted(expected, reverse=order.endswith("DESC"))


@pytest.mark.parametrize(
    "order", ["", "name ASC", "version_number DESC", "creation_timestamp ASC", "last_updated_timestamp ASC"]
)
def test_pages_of_versions_hold_each_once(client: Client, order: str) -> None:
    for name in ("a", "net", "z"):
        _model(client, name)
        for _ in range(4):
            _version(client, name)
    _move(client, 1, "Production")
    _move(client, 2, "Production", archive=True)
    client.post("registered-models/rename", {"name": "a", "new_name": "b"})
    seen: list[tuple[str, str]] = []
    token = ""
    while True:
        more = {"order_by": [order]} if order else {}
        answer = client.get("model-versions/search", max_results="2", page_token=token, **more)
        seen += [(one["name"], one["version"]) for one in answer.json.get("model_versions", [])]
        token = answer.json.get("next_page_token", "")
        if not token:
            break
    assert len(seen) == 12
    assert set(seen) == {(name, str(number)) for name in ("b", "net", "z") for number in (1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (CREATE, {"name": "a/b"}),
        (CREATE, {"name": "n" * 257}),
        (VERSION, {"name": "net", "source": "/etc/passwd"}),
        (VERSION, {"name": "net", "source": "file:///etc"}),
        (VERSION, {"name": "net", "source": "s3://bucket/../x"}),
        (VERSION, {"name": "net", "source": "http://169.254.169.254/x"}),
        (VERSION, {"name": "net", "source": "mlflow-artifacts:/1/secret"}),
        ("registered-models/alias", {"name": "net", "alias": "latest", "version": "1"}),
        ("registered-models/alias", {"name": "net", "alias": "v1", "version": "1"}),
        ("model-versions/transition-stage", {"name": "net", "version": "1", "stage": "Nowhere"}),
    ],
)
def test_what_mlflow_refuses(client: Client, route: str, body: dict[str, str]) -> None:
    _model(client)
    _version(client)
    before = client.dump()
    assert client.post(route, body).error == (400, "INVALID_PARAMETER_VALUE")
    assert client.dump() == before
