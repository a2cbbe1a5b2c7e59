"""``GET /api/3.0/cairn/overview``: what Cairn's own page shows."""

from cairn.domain.release import CAIRN_VERSION, MLFLOW_VERSION
from cairn.services.overview import NEWEST
from tests.api.client import Client

OVERVIEW = "/api/3.0/cairn/overview"


def test_an_empty_server_says_who_what_and_where_to_begin(client: Client) -> None:
    reply = client.get(OVERVIEW)
    assert reply.status == 200
    told = reply.json
    [default] = told.pop("experiments")
    assert default["name"] == "Default"
    assert told == {
        "caller": {
            "principal": "local ada",
            "account": "",
            "kind": "local",
            "name": "ada",
            "ceiling": "MANAGE",
            "everything": "MANAGE",
        },
        "versions": {"cairn": CAIRN_VERSION, "mlflow": MLFLOW_VERSION},
        "health": "OK",
        "setup": ["pip install mlflow", "export MLFLOW_TRACKING_URI={uri}", "python train.py"],
        "shared_with_me": [],
        "shared_by_me": [],
    }


def test_the_newest_experiments_come_first_with_their_notes(client: Client) -> None:
    ids = [client.experiment(f"experiment-{number}") for number in range(NEWEST + 2)]
    note = {
        "experiment_id": ids[-1],
        "key": "mlflow.note.content",
        "value": "\n Churn by region \nand more",
    }
    assert client.post("experiments/set-experiment-tag", note).status == 200
    assert client.post("experiments/delete", {"experiment_id": ids[-2]}).status == 200
    there = client.get("experiments/search", max_results="100").json["experiments"]
    newest = sorted(there, key=lambda found: (-found["creation_time"], int(found["experiment_id"])))[
        :NEWEST
    ]
    shown = client.get(OVERVIEW).json["experiments"]
    assert [each["experiment_id"] for each in shown] == [each["experiment_id"] for each in newest]
    assert {each["experiment_id"]: each["note"] for each in shown if "note" in each} == {
        ids[-1]: "Churn by region"
    }


def test_it_is_cairns_own_and_not_a_browsers_alias(client: Client) -> None:
    assert client.get("/ajax-api/3.0/cairn/overview").error == (404, "ENDPOINT_NOT_FOUND")
    assert client.post(OVERVIEW).error == (404, "ENDPOINT_NOT_FOUND")
