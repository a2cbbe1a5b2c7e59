"""The synthesised stacks, deployed into an emulator of AWS; IAM users call them by the stock client.

CloudFormation makes every resource of the templates; API Gateway checks signatures and policies; the
functions run from their layers with the rights of their own roles. What an emulator cannot show is in
docs/limits.md.
"""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import requests
from mlflow.webhooks.constants import (
    WEBHOOK_DELIVERY_ID_HEADER,
    WEBHOOK_SIGNATURE_HEADER,
    WEBHOOK_TIMESTAMP_HEADER,
)
from mlflow.webhooks.delivery import _generate_hmac_signature

from cairn.events.catalogue import CATALOGUE
from cairn.events.schema import schema
from cairn.ids import experiment_hex
from cairn.storage import keys
from cairn.webhooks.deliver import Delivery
from infra import packages
from infra.settings import Settings
from tests.e2e.deployment import zipped
from tests.e2e.stage import Deployment, deployment
from tests.webhooks.receiver import PUBLIC, receiver

STAGE = "e2e"
INDEXED_S = 60
"""A bound, not an expectation: quiet, margin, and two polls of the emulator make about ten seconds."""
CREATE_RUN = "/api/2.0/mlflow/runs/create"
MINT = "/api/3.0/cairn/tokens/create"
HOOK: Mapping[str, Any] = {
    "name": "deploy",
    "url": f"https://{PUBLIC}/hooks?team=ml",
    "events": [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}],
    "secret": "whsec-do-not-tell",
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("deployed"), Settings(stage=STAGE, tokens=True)) as made:
        invoke = made.invoke
        read = {**invoke, "Resource": str(invoke["Resource"]).removesuffix("/*/*") + "/GET/*"}
        mint = str(invoke["Resource"]).removesuffix("/*/*") + f"/POST{MINT}"
        no_tokens = {**invoke, "Effect": "Deny", "Resource": mint}
        objects = {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{made.bucket}", f"arn:aws:s3:::{made.bucket}/artifacts/*"],
        }
        made.add_user("ada", invoke, objects)
        made.add_user("reader", read)
        made.add_user("eve", objects)
        made.add_user("guest", invoke)
        made.add_user("tokenless", invoke, no_tokens)
        yield made


def run_client(deployed: Deployment, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=deployed.environment(user),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def assert_refused(response: requests.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    answer = response.json()
    assert answer.keys() == {"error_code", "message"}
    assert answer["error_code"] == code
    assert answer["message"]


def test_the_stock_client_trains_through_api_gateway_and_lambda(deployed: Deployment) -> None:
    flow = Path(__file__).with_name("client_flow.py")
    ended = run_client(deployed, "ada", str(flow))
    assert ended.returncode == 0, ended.stderr[-4000:]
    seen = json.loads(ended.stdout.splitlines()[-1][ended.stdout.splitlines()[-1].index("{") :])
    location = seen.pop("artifact uri")
    assert location.startswith(f"s3://{deployed.bucket}/artifacts/1/")
    assert seen == {
        "default": "Default",
        "status": "FINISHED",
        "params": {"depth": "3", "rate": "0.1"},
        "accuracy": 0.9,
        "broken is NaN": True,
        "history": [1.0, 0.5, 1 / 3, 0.25, 0.2],
        "better": ["first"],
        "ordered": ["second", "first"],
        "experiments": ["flights"],
        "batch": 20,
        "artifacts": ["notes.txt"],
        "text": "kept in S3",
        "after the deletion": ["first"],
        "restored": "active",
    }


def test_bytes_pass_through_the_artifacts_function_unharmed(deployed: Deployment) -> None:
    body = bytes(range(256)) * 4000
    path = "/api/2.0/mlflow-artifacts/artifacts/0/by-hand/all.bin"
    stored = deployed.send("ada", "PUT", path, body, "application/octet-stream")
    assert (stored.status_code, stored.text) == (200, "{}")
    assert deployed.send("ada", "GET", path).content == body
    listed = deployed.send("ada", "GET", "/api/2.0/mlflow-artifacts/artifacts?path=0%2Fby-hand").json()
    assert listed == {"files": [{"path": "all.bin", "is_dir": False, "file_size": len(body)}]}
    assert deployed.send("ada", "GET", path + ".missing").status_code == 404
    assert deployed.send("ada", "DELETE", path).status_code == 200
    assert deployed.send("ada", "GET", path).status_code == 404


@pytest.mark.parametrize(
    ("path", "content_type", "text"),
    [
        ("/version", "text/plain", "3.17.2"),
        ("/health", "text/plain", "OK"),
        ("/api/3.0/mlflow/server-info", "application/json", '"multipart_uploads_enabled": true'),
    ],
)
def test_first_questions_are_answered_to_signed_callers(
    deployed: Deployment, path: str, content_type: str, text: str
) -> None:
    answer = deployed.send("ada", "GET", path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert text in answer.text
    assert_refused(deployed.unsigned("GET", path), 401, "UNAUTHENTICATED")


def test_an_unknown_path_is_endpoint_not_found(deployed: Deployment) -> None:
    """The client's fallbacks hang on that code."""
    answer = deployed.send("ada", "GET", "/api/2.0/mlflow/no/such/endpoint")
    assert_refused(answer, 404, "ENDPOINT_NOT_FOUND")


def test_an_unsigned_request_is_refused_in_mlflows_shape(deployed: Deployment) -> None:
    assert_refused(deployed.unsigned("POST", CREATE_RUN, b"{}"), 401, "UNAUTHENTICATED")


def test_a_wrong_signature_is_refused_in_mlflows_shape(deployed: Deployment) -> None:
    answer = deployed.send("ada", "POST", CREATE_RUN, b"{}", secret="not the secret")
    assert_refused(answer, 401, "UNAUTHENTICATED")


def test_a_user_without_execute_api_invoke_is_refused(deployed: Deployment) -> None:
    answer = deployed.send("eve", "POST", CREATE_RUN, b'{"experiment_id": "0"}')
    assert answer.status_code == 403
    assert "not authorized to perform: execute-api:Invoke" in answer.json()["message"]
    ended = run_client(deployed, "eve", "-c", "import mlflow; mlflow.create_experiment('mine')")
    assert ended.returncode != 0
    assert "execute-api:Invoke" in ended.stderr


def test_the_plugin_signs_files_and_needs_no_rights_on_the_bucket(deployed: Deployment) -> None:
    """What the stock signer cannot do: queries with spaces, and files, in the request and in parts."""
    environment = deployed.environment("guest") | {
        "MLFLOW_TRACKING_AUTH": "cairn",
        "REQUESTS_CA_BUNDLE": str(deployed.emulator.certificate),  # presigned URLs are asked by requests
    }
    del environment["MLFLOW_TRACKING_AWS_SIGV4"]
    flow = Path(__file__).parents[1] / "client" / "flow.py"
    ended = subprocess.run(
        [sys.executable, str(flow), "guests"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr + deployed.emulator.log.read_text()[-4000:]
    seen = json.loads(ended.stdout)
    assert (seen["scheme"], seen["models"]) == ("s3", ["guests model"])
    assert seen["equal"] == ["empty", "parts", "sub dir/ü 1"]


def test_a_token_trains_where_nothing_can_sign(deployed: Deployment) -> None:
    """Minted by a signature; then through the authorizer, without any AWS credentials, files by presigned
    URLs; void from the moment of its revocation."""
    minted = deployed.send("guest", "POST", MINT, b'{"permission": "WRITE"}').json()
    assert minted["principal"].endswith(":user/guest")
    environment = deployed.environment("guest") | {
        "MLFLOW_TRACKING_URI": f"{deployed.uri}/t",
        "MLFLOW_TRACKING_TOKEN": minted["token"],
        "MLFLOW_TRACKING_AUTH": "cairn",
        "AWS_EC2_METADATA_DISABLED": "true",
        "REQUESTS_CA_BUNDLE": str(deployed.emulator.certificate),
    }
    for name in ("MLFLOW_TRACKING_AWS_SIGV4", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del environment[name]
    flow = Path(__file__).parents[1] / "client" / "flow.py"
    ended = subprocess.run(
        [sys.executable, str(flow), "tokens"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr + deployed.emulator.log.read_text()[-4000:]
    assert json.loads(ended.stdout)["equal"] == ["empty", "parts", "sub dir/ü 1"]
    bearer = {"Authorization": f"Bearer {minted['token']}"}
    who = "/t/api/3.0/cairn/whoami"
    assert deployed.unsigned("GET", who, headers=bearer).json()["ceiling"] == "WRITE"
    assert deployed.unsigned("GET", "/t/version", headers=bearer).text == "3.17.2"
    again = deployed.unsigned("POST", f"/t{MINT}", b"{}", bearer | {"Content-Type": "application/json"})
    assert_refused(again, 403, "PERMISSION_DENIED")
    assert deployed.send("guest", "POST", "/api/3.0/cairn/tokens/revoke", b"{}").status_code == 200
    assert_refused(deployed.unsigned("GET", who, headers=bearer), 401, "UNAUTHENTICATED")


def test_what_is_no_token_is_refused_in_mlflows_shape(deployed: Deployment) -> None:
    for header in ("Bearer x", "Bearer cairn_" + "A" * 65, "Basic YTpi"):
        refused = deployed.unsigned("GET", "/t/version", headers={"Authorization": header})
        assert_refused(refused, 401, "UNAUTHENTICATED")
    assert_refused(deployed.unsigned("GET", "/t/version"), 401, "UNAUTHENTICATED")
    signed = deployed.send("ada", "GET", "/t/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert_refused(signed, 401, "UNAUTHENTICATED")


def test_a_policy_may_deny_the_minting_of_tokens(deployed: Deployment) -> None:
    assert deployed.send("tokenless", "GET", "/api/3.0/cairn/whoami").status_code == 200
    assert deployed.send("tokenless", "POST", MINT, b"{}").status_code == 403


def test_a_policy_may_allow_reading_alone(deployed: Deployment) -> None:
    read = deployed.send("reader", "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert read.json()["experiment"]["name"] == "Default"
    write = deployed.send("reader", "POST", CREATE_RUN, b'{"experiment_id": "0"}')
    assert write.status_code == 403


def test_a_run_that_went_quiet_is_indexed_in_the_background(deployed: Deployment) -> None:
    """From the write through the table's stream, its filter, the queue and its delay to the index."""
    post = deployed.post
    experiment = post("experiments/create", {"name": "quiet"})["experiment_id"]
    runs = {}
    for loss in (0.5, 0.25):
        run_id = post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
        point = {"key": "loss", "value": loss, "timestamp": 1, "step": 0}
        post("runs/log-batch", {"run_id": run_id, "metrics": [point]})
        runs[run_id] = loss
    search = {"experiment_ids": [experiment], "order_by": ["metrics.loss ASC"]}
    best_first = sorted(runs, key=runs.__getitem__)

    def found() -> list[str]:
        return [run["info"]["run_id"] for run in post("runs/search", search)["runs"]]

    digits = experiment_hex(experiment)
    assert digits is not None
    marks, entries = keys.dirty_partition(digits), keys.index_partition(digits, "a0", "mloss")
    assert found() == best_first, "before the index knows them"
    deadline = time.monotonic() + INDEXED_S
    while deployed.items(marks) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not deployed.items(marks), deployed.emulator.log.read_text()[-4000:]
    assert {item["sk"]["S"][-32:] for item in deployed.items(entries)} == set(runs)
    assert found() == best_first, "off the index"


def test_what_is_done_through_the_api_is_heard_on_the_bus(deployed: Deployment) -> None:
    """From the write through the table's stream, its filter and the publisher to a rule's target."""
    heard = _listen(deployed, "heard", {"source": ["cairn"]})
    champions = _listen(
        deployed,
        "champions",
        {
            "source": ["cairn"],
            "detail-type": ["Model Alias Set"],
            "detail": {"name": ["fraud"], "alias": ["champion"]},
        },
    )
    experiment = deployed.post("experiments/create", {"name": "heard"})["experiment_id"]
    run_id = deployed.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    point = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 0}
    deployed.post("runs/log-batch", {"run_id": run_id, "metrics": [point]})
    deployed.post("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 9})
    deployed.post("registered-models/create", {"name": "fraud"})
    source = {"name": "fraud", "source": "s3://elsewhere/model", "run_id": run_id}
    deployed.post("model-versions/create", source)
    for alias in ("candidate", "champion"):
        deployed.post("registered-models/alias", {"name": "fraud", "alias": alias, "version": "1"})
    events = _take(deployed, heard, 7)
    ours = [event for event in events if event["detail"].get("name") == "fraud" or run_id in str(event)]
    assert sorted(event["detail-type"] for event in ours) == [
        "Model Alias Set",
        "Model Alias Set",
        "Model Version Created",
        "Registered Model Created",
        "Run Created",
        "Run Finished",
    ]
    types = {one.type: one for one in CATALOGUE}
    for event in events:
        assert event["source"] == "cairn"
        jsonschema.validate(event["detail"], schema(types[event["detail-type"]]))
    assert len({event["detail"]["id"] for event in events}) == len(events)
    (champion,) = _take(deployed, champions, 1)
    assert champion["detail"]["model_version"] == 1
    assert champion["resources"] == ["registered-models/fraud", "registered-models/fraud/versions/1"]


def test_a_webhook_leads_to_no_address_of_our_own(deployed: Deployment) -> None:
    """Refused at its creation; and what came to the queue nevertheless goes to the failed ones, unsent."""
    hook = {**HOOK, "url": "https://127.0.0.1/hooks"}
    refused = deployed.send("ada", "POST", "/api/2.0/mlflow/webhooks", json.dumps(hook).encode())
    assert_refused(refused, 400, "INVALID_PARAMETER_VALUE")
    inward = Delivery("d", str(uuid.uuid4()), "https://127.0.0.1/hooks", False, {})
    sqs = deployed.emulator.client("sqs")
    urls = sqs.list_queues()["QueueUrls"]
    deliveries, failed = (_only(urls, name) for name in ("WebhooksDeliveries", "WebhooksFailed"))
    sqs.send_message(QueueUrl=deliveries, MessageBody=inward.message())
    assert _take(deployed, failed, 1) == [json.loads(inward.message())]
    answer = deployed.emulator.client("lambda").invoke(
        FunctionName=_deliver(deployed), Payload=json.dumps({"test": inward.message()}).encode()
    )
    error = "the host name stands for an address that is not public"
    assert json.loads(answer["Payload"].read()) == {"status": None, "error": error}


def test_a_webhook_arrives_signed(deployed: Deployment, tmp_path: Path) -> None:
    """From the write through the bus, the dispatcher and the queue to the deployed function and a receiver
    on this machine, which it takes for a public one: see tests/e2e/deliver_here.py."""
    alias = {"name": "signed", "alias": "champion", "version": "1"}
    with receiver(tmp_path, PUBLIC) as there:
        code = _leading_to(there.port, tmp_path)
        deployed.emulator.client("lambda").update_function_code(
            FunctionName=_deliver(deployed), ZipFile=code
        )
        made = deployed.post("webhooks", HOOK)["webhook"]["webhook_id"]
        tested = deployed.post(f"webhooks/{made}/test", {})["result"]
        assert tested == {"success": True, "response_status": 200}
        deployed.post("registered-models/create", {"name": "signed"})
        deployed.post("model-versions/create", {"name": "signed", "source": "s3://elsewhere/model"})
        deployed.post("registered-models/alias", alias)
        deadline = time.monotonic() + INDEXED_S
        while len(there.received) < 2:
            assert time.monotonic() < deadline, deployed.emulator.log.read_text()[-4000:]
            time.sleep(0.1)
    assert json.loads(there.received[1].body)["data"] == alias
    for request in there.received:
        assert request.headers[WEBHOOK_SIGNATURE_HEADER] == _generate_hmac_signature(
            HOOK["secret"],
            request.headers[WEBHOOK_DELIVERY_ID_HEADER],
            request.headers[WEBHOOK_TIMESTAMP_HEADER],
            request.body.decode(),
        )


def _only(names: Sequence[str], part: str) -> str:
    (found,) = [name for name in names if part in name]
    return found


def _deliver(deployed: Deployment) -> str:
    functions = deployed.emulator.client("lambda").list_functions()["Functions"]
    return _only([each["FunctionName"] for each in functions], "WebhooksDeliver")


def _leading_to(port: int, folder: Path) -> bytes:
    """The code of ``deliver`` behind an entry that leads to the receiver of this port and folder."""
    package = folder / "package"
    package.mkdir()
    (package / "product.py").write_bytes((packages.FUNCTIONS / "deliver" / "handler.py").read_bytes())
    (package / "handler.py").write_bytes(Path(__file__).with_name("deliver_here.py").read_bytes())
    (package / "receiver.crt").write_bytes((folder / "server.crt").read_bytes())
    (package / "receiver.json").write_text(json.dumps({"address": PUBLIC, "port": port}))
    return zipped(package)


def _listen(deployed: Deployment, name: str, pattern: Mapping[str, object]) -> str:
    """A rule on the bus, and the URL of the queue that is its target."""
    sqs, bus = deployed.emulator.client("sqs"), deployed.emulator.client("events")
    queue = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name=name, EventBusName=deployed.bus, EventPattern=json.dumps(pattern))
    bus.put_targets(Rule=name, EventBusName=deployed.bus, Targets=[{"Id": name, "Arn": arn}])
    return queue


def _take(deployed: Deployment, queue: str, count: int) -> list[dict[str, Any]]:
    """At least so many events off a queue."""
    sqs = deployed.emulator.client("sqs")
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + INDEXED_S
    while len(found) < count:
        assert time.monotonic() < deadline, f"{found}\n{deployed.emulator.log.read_text()[-4000:]}"
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages", ()
        ):
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_the_hourly_look_for_overdue_runs_may_do_what_it_does(deployed: Deployment) -> None:
    """Half an hour cannot pass here: its reads are allowed, and what it would send is tested elsewhere."""
    client = deployed.emulator.client("lambda")
    names = [f["FunctionName"] for f in client.list_functions()["Functions"]]
    (overdue,) = [name for name in names if "Overdue" in name]
    answer = client.invoke(FunctionName=overdue, Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
