"""Experiments over the wire: shapes, rules, errors."""

import pytest

from tests.api.client import Client

LONG = "x" * 501


def test_the_default_experiment_is_there_from_the_start(client: Client) -> None:
    experiment = client.get("experiments/get", experiment_id="0").json["experiment"]
    assert experiment["name"] == "Default"
    assert experiment["artifact_location"] == "mlflow-artifacts:/0"


def test_an_experiment_has_mlflows_shape(client: Client) -> None:
    created = client.post("experiments/create", {"name": "iris", "tags": [{"key": "team", "value": "a"}]})
    assert created.json == {"experiment_id": "1"}
    experiment = client.get("experiments/get-by-name", experiment_name="iris").json["experiment"]
    now = experiment["creation_time"]
    assert experiment == {
        "experiment_id": "1",
        "name": "iris",
        "artifact_location": "mlflow-artifacts:/1",
        "lifecycle_stage": "active",
        "creation_time": now,
        "last_update_time": now,
        "tags": [{"key": "team", "value": "a"}],
        "workspace": "default",
    }
    assert client.get("experiments/get", experiment_id="1").json["experiment"] == experiment


def test_an_experiment_is_renamed_deleted_and_restored(client: Client) -> None:
    experiment_id = client.experiment("iris")
    assert (
        client.post("experiments/update", {"experiment_id": experiment_id, "new_name": "rose"}).json == {}
    )
    assert client.get("experiments/get-by-name", experiment_name="iris").error == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
    )
    assert client.post("experiments/delete", {"experiment_id": experiment_id}).json == {}
    deleted = client.get("experiments/get-by-name", experiment_name="rose").json["experiment"]
    assert deleted["lifecycle_stage"] == "deleted"
    assert client.post("experiments/delete", {"experiment_id": experiment_id}).status == 404
    rename = client.post("experiments/update", {"experiment_id": experiment_id, "new_name": "lily"})
    assert rename.error == (500, "INVALID_STATE")
    assert client.post("experiments/restore", {"experiment_id": experiment_id}).json == {}
    assert client.post("experiments/restore", {"experiment_id": experiment_id}).status == 404


def test_a_name_stays_taken_by_a_deleted_experiment(client: Client) -> None:
    experiment_id = client.experiment("iris")
    client.post("experiments/delete", {"experiment_id": experiment_id})
    assert client.post("experiments/create", {"name": "iris"}).error == (400, "RESOURCE_ALREADY_EXISTS")


def test_tags_are_set_and_deleted(client: Client) -> None:
    experiment_id = client.experiment()
    tag = {"experiment_id": experiment_id, "key": "team", "value": "a"}
    assert client.post("experiments/set-experiment-tag", tag).json == {}
    assert client.post("experiments/set-experiment-tag", {**tag, "value": "b"}).json == {}
    shown = client.get("experiments/get", experiment_id=experiment_id).json["experiment"]
    assert shown["tags"] == [{"key": "team", "value": "b"}]
    del tag["value"]
    assert client.post("experiments/delete-experiment-tag", tag).json == {}
    again = client.post("experiments/delete-experiment-tag", tag)
    assert again.error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert again.json["message"] == f"No tag with name: team in experiment with id {experiment_id}"


def test_at_most_50_custom_views(client: Client) -> None:
    experiment_id = client.experiment()
    for number in range(50):
        tag = {"experiment_id": experiment_id, "key": f"mlflow.customView.view{number}", "value": "{}"}
        assert client.post("experiments/set-experiment-tag", tag).status == 200
    assert client.post("experiments/set-experiment-tag", tag).status == 200, "an edit is no new view"
    tag["key"] = "mlflow.customView.view50"
    refused = client.post("experiments/set-experiment-tag", tag)
    assert refused.error == (400, "INVALID_PARAMETER_VALUE")
    assert refused.json["message"].startswith(
        f"Unable to create another custom view for experiment {experiment_id}; the maximum number"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing value for required parameter 'name'. See the API docs"),
        ({"name": ""}, "Missing value for required parameter 'name'. See the API docs"),
        ({"name": 5}, "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'. See"),
        ({"name": LONG}, "'name' exceeds the maximum length of 500 characters"),
        (
            {"name": "a", "tags": 5},
            "Invalid value 5 for parameter 'tags' supplied:  Hint: Value was of type",
        ),
        (
            {"name": "a", "tags": [{"key": "$", "value": ""}]},
            "Invalid value \"$\" for parameter 'key' supplied",
        ),
        (
            {"name": "a", "tags": [{"key": "a//b"}]},
            "Invalid value \"a//b\" for parameter 'key' supplied: Names",
        ),
        ({"name": "a", "tags": [{"key": "k" * 251}]}, "'key' exceeds the maximum length of 250 characters"),
        (
            {"name": "a", "tags": [{"key": "k", "value": "v" * 20_001}]},
            "'value' exceeds the maximum length of 20000 characters",
        ),
        ({"name": "a", "artifact_location": "runs:/x"}, "Artifact location cannot be a runs:/ URI."),
        (
            {"name": "a", "artifact_location": "https://h/x"},
            "'artifact_location' cannot use the 'https' scheme",
        ),
        (
            {"name": "a", "artifact_location": "s3://b/x#f"},
            "'artifact_location' URL can't include fragments",
        ),
        ({"name": "a", "artifact_location": "s3://b/x?v=%252e%252e"}, "Invalid query string"),
        ({"name": "a", "artifact_location": "http://["}, "'artifact_location' is not a valid URI"),
        ({"name": "a", "artifact_location": "s3://" + "b" * 2048}, "Invalid artifact path length."),
        (
            {"name": "a", "tags": [{"key": f"mlflow.customView.view{n}"} for n in range(51)]},
            "Unable to create another custom view; the maximum number of custom views per experiment is",
        ),
    ],
)
def test_refused_experiments(client: Client, body: object, message: str) -> None:
    before = client.dump()
    refused = client.post("experiments/create", body)
    assert refused.error == (400, "INVALID_PARAMETER_VALUE")
    assert refused.json["message"].startswith(message)
    assert client.dump() == before


@pytest.mark.parametrize("experiment_id", ["99", "-1", "9" * 30])
def test_an_unknown_experiment_is_404(client: Client, experiment_id: str) -> None:
    missing = client.get("experiments/get", experiment_id=experiment_id)
    assert missing.error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert missing.json["message"] == f"No Experiment with id={int(experiment_id)} exists"


def test_an_experiment_id_is_an_integer(client: Client) -> None:
    refused = client.get("experiments/get", experiment_id="iris")
    assert refused.error == (400, "INVALID_PARAMETER_VALUE")
    assert refused.json["message"] == "Invalid experiment ID 'iris'. Experiment ID must be a valid integer."
