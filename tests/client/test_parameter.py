"""A share's parameter is followed to where it may lead, and nowhere else."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from mlflow_cairn.hosts import gateway_region
from mlflow_cairn.parameter import Parameters, Shared, checked
from mlflow_cairn.uris import is_parameter

REGION = "eu-west-1"
HOST = "abc123.execute-api.eu-west-1.amazonaws.com"
ARN = "arn:aws:ssm:eu-west-1:111122223333:parameter/cairn/prod/shares/fraud"


def value(url: str = f"https://{HOST}/prod", **more: object) -> str:
    return json.dumps({"version": 1, "url": url, "region": REGION, "share": "fraud", **more})


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"https://{HOST}/prod", f"https://{HOST}/prod"),
        (f"https://{HOST}/prod/", f"https://{HOST}/prod"),
        (f"https://{HOST}:443/prod", f"https://{HOST}/prod"),
        (f"https://{HOST}", f"https://{HOST}"),
        (
            "https://abc123-vpce-0a1b.execute-api.eu-west-1.amazonaws.com/prod",
            "https://abc123-vpce-0a1b.execute-api.eu-west-1.amazonaws.com/prod",
        ),
    ],
)
def test_an_api_of_the_parameters_region_is_followed(url: str, place: str) -> None:
    assert checked(value(url), REGION, []) == Shared(place, REGION, "fraud")


@pytest.mark.parametrize(
    "url",
    [
        "https://stranger.example.org/prod",
        f"http://{HOST}/prod",
        "https://abc123.execute-api.us-east-1.amazonaws.com/prod",
        f"https://{HOST}.example.org/prod",
        f"https://{HOST}@stranger.example.org/prod",
        f"https://stranger.example.org@{HOST}/prod",
        f"https://user:password@{HOST}/prod",
        f"https://{HOST}:8443/prod",
        f"https://{HOST}:443:443/prod",
        f"https://{HOST}:/prod",
        f"https://{HOST}\\@stranger.example.org/",
        f"https://stranger.example.org\\@{HOST}/",
        f"https://stranger.example.org#@{HOST}/prod",
        f"https://stranger.example.org?x=.{HOST}/prod",
        f"https://{HOST}/prod?x=1",
        f"https://{HOST}/prod#x",
        f"https://{HOST}/../prod",
        f"https://{HOST}/prod%2f..",
        f"https:/{HOST}/prod",
        f"//{HOST}/prod",
        f" https://{HOST}/prod",
        f"https://{HOST}/prod\n",
        f"https://{HOST.upper()}/prod",
        f"https://{HOST}./prod",
        "https://ａbc123.execute-api.eu-west-1.amazonaws.com/prod",
        "https://127.0.0.1/prod",
        "https://169.254.169.254/latest",
        "https://localhost/prod",
        "",
    ],
)
def test_any_other_place_is_not(url: str) -> None:
    with pytest.raises(MlflowException, match="is not followed"):
        checked(value(url), REGION, [])


@pytest.mark.parametrize(
    "named", ["cairn.example.org", "https://cairn.example.org", "https://cairn.example.org/x"]
)
def test_a_host_that_the_user_named_is_followed(named: str) -> None:
    url = "https://cairn.example.org/mlflow"
    assert checked(value(url), REGION, [named]).url == url
    for other in (
        "http://cairn.example.org",
        "cairn.example.org:8443",
        "example.org",
        "evil-cairn.example.org",
    ):
        with pytest.raises(MlflowException, match="MLFLOW_CAIRN_HOSTS"):
            checked(value(url), REGION, [other])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://" + HOST,
        "[]",
        "null",
        "{}",
        value(version=2),
        value(version="1"),
        value(version=None),
        value(region="us-east-1"),
        value(region=None),
        value(share=None),
        json.dumps({"version": 1, "url": [f"https://{HOST}"], "region": REGION, "share": "x"}),
    ],
)
def test_a_value_of_another_shape_is_not_followed(text: str) -> None:
    with pytest.raises(MlflowException, match="is not followed"):
        checked(text, REGION, [])


@given(st.text(max_size=40), st.text(max_size=20))
def test_whatever_is_followed_is_a_gateway_of_the_region(before: str, after: str) -> None:
    url = f"https://{before}{HOST}{after}"
    try:
        place = checked(value(url), REGION, []).url
    except MlflowException:
        return
    host = place.removeprefix("https://").split("/")[0]
    assert gateway_region(host) == REGION


def parameters(read: Callable[[str, str], str]) -> Parameters:
    return Parameters(read, list)


def test_a_parameter_is_read_once_and_a_failure_again() -> None:
    asked: list[tuple[str, str]] = []

    def read(arn: str, region: str) -> str:
        asked.append((arn, region))
        if len(asked) == 1:
            raise MlflowException("not yet accepted")
        return value()

    known = parameters(read)
    with pytest.raises(MlflowException, match="not yet accepted"):
        known.resolve(ARN)
    assert known.resolve(ARN) == known.resolve(ARN) == Shared(f"https://{HOST}/prod", REGION, "fraud")
    assert asked == [(ARN, REGION)] * 2


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:ssm:eu-west-1:111122223333:parameter/other/fraud",
        "arn:aws:ssm:eu-west-1:111122223333:parameter/cairn/prod/webhooks/secret",
        "arn:aws:ssm:eu-west-1:1111:parameter/cairn/shares/fraud",
        "arn:aws:ssm::111122223333:parameter/cairn/shares/fraud",
        "arn:evil:ssm:eu-west-1:111122223333:parameter/cairn/shares/fraud",
        "arn:aws:ssm:eu-west-1:111122223333:document/cairn/shares/fraud",
        ARN + "/../../x",
        ARN + "\n",
    ],
)
def test_another_arn_is_not_read(arn: str) -> None:
    def read(arn: str, region: str) -> str:
        raise AssertionError(arn)

    with pytest.raises(MlflowException, match="is not the ARN of a share's parameter"):
        parameters(read).resolve(arn)


def test_the_service_tells_whose_an_arn_is() -> None:
    assert is_parameter(ARN)
    assert is_parameter("arn:aws-cn:ssm:cn-north-1:111122223333:parameter/cairn/shares/x")
    assert not is_parameter("arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/x")
    assert not is_parameter("https://ssm:x@example.org")
    assert not is_parameter("arn:")
