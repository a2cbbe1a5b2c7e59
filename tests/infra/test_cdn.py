"""The distribution before the web UI: what it leads to, what it keeps, and what is told of it."""

import json
import subprocess
from typing import Any

import pytest

from infra.node import node_binary
from infra.settings import Settings
from infra.stacks.cdn import NOT_HERE
from tests.infra.synthesis import Assembly, synthesise

OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
"""AWS's managed policies ("Use managed cache policies", "Use managed origin request policies")."""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Before the distribution's name is known."""
    folder = tmp_path_factory.mktemp("first") / "cdk.out"
    return synthesise(Settings(ui=True, cloudfront=True), folder)


def config(assembly: Assembly) -> dict[str, Any]:
    found = assembly.only("Cdn", "AWS::CloudFront::Distribution")["Properties"]["DistributionConfig"]
    return dict(found)


def behaviors(assembly: Assembly) -> dict[str, dict[str, Any]]:
    return {one["PathPattern"]: one for one in config(assembly)["CacheBehaviors"]}


def test_there_is_none_unless_it_is_asked_for(default: Assembly) -> None:
    assert default.templates.keys() == {"Data", "Api"}


def test_nothing_is_found_without_a_name(first: Assembly) -> None:
    assert first.findings == ()


def test_it_asks_the_stage_of_the_api_by_https(first: Assembly) -> None:
    (origin,) = config(first)["Origins"]
    assert origin["OriginPath"] == "/prod"
    api, *rest = origin["DomainName"]["Fn::Join"][1]
    assert "RestApi" in api["Fn::ImportValue"]
    assert rest == [".execute-api.", {"Ref": "AWS::Region"}, ".", {"Ref": "AWS::URLSuffix"}]
    sent = origin["CustomOriginConfig"]
    assert (sent["OriginProtocolPolicy"], sent["OriginSSLProtocols"]) == ("https-only", ["TLSv1.2"])


def test_files_are_kept_and_calls_are_not(first: Assembly) -> None:
    found = behaviors(first)
    assert list(found) == ["/ui/static-files/*", "/ui", "/ui/*"], "the first that fits is taken"
    kept = found.pop("/ui/static-files/*")
    assert (kept["CachePolicyId"], kept["AllowedMethods"]) == (OPTIMIZED, ["GET", "HEAD"])
    for one in found.values():
        assert one["CachePolicyId"] == DISABLED
        assert {"GET", "POST", "PATCH", "DELETE"} <= set(one["AllowedMethods"])
    for one in (kept, *found.values()):
        assert one["OriginRequestPolicyId"] == ALL_BUT_HOST
        assert one["ViewerProtocolPolicy"] == "https-only"
        assert "ResponseHeadersPolicyId" not in one, "the origin's headers are the pages'"
        assert "FunctionAssociations" not in one


def test_no_callers_error_is_kept_for_another(first: Assembly) -> None:
    errors = {one["ErrorCode"]: one for one in config(first)["CustomErrorResponses"]}
    assert errors.keys() == {400, 403, 404, 405, 414, 500, 501, 502, 503, 504}
    for code, one in errors.items():
        assert one == {"ErrorCode": code, "ErrorCachingMinTTL": 0}


def test_elsewhere_is_nothing_and_no_origin_is_asked(first: Assembly) -> None:
    default = config(first)["DefaultCacheBehavior"]
    (attached,) = default["FunctionAssociations"]
    assert attached["EventType"] == "viewer-request"
    assert default["ViewerProtocolPolicy"] == "https-only"
    function = first.only("Cdn", "AWS::CloudFront::Function")["Properties"]
    assert function["FunctionCode"] == NOT_HERE
    script = f"{NOT_HERE}\nconsole.log(JSON.stringify(handler()))"
    run = subprocess.run(
        [str(node_binary()), "-e", script], capture_output=True, text=True, check=True, timeout=30
    )
    said = json.loads(run.stdout)
    assert said["statusCode"] == 404
    assert json.loads(said["body"]["data"])["error_code"] == "ENDPOINT_NOT_FOUND"


def test_a_certificate_brings_a_name_and_tls(first: Assembly, everything: Assembly) -> None:
    assert "ViewerCertificate" not in config(first)
    assert "Aliases" not in config(first)
    named = config(everything)
    assert named["Aliases"] == ["mlflow.example.org"]
    assert named["ViewerCertificate"] == {
        "AcmCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0a1b-2c3d",
        "MinimumProtocolVersion": "TLSv1.2_2021",
        "SslSupportMethod": "sni-only",
    }


def test_every_function_is_told_of_the_origin_once_the_deployer_says_it(
    first: Assembly, everything: Assembly
) -> None:
    for assembly, told in ((first, None), (everything, "https://mlflow.example.org")):
        functions = assembly.resources("Api", "AWS::Lambda::Function").values()
        assert functions
        for function in functions:
            variables = function["Properties"]["Environment"]["Variables"]
            assert variables.get("CAIRN_UI_ORIGIN") == told


def test_the_outputs_lead_from_the_first_deployment_to_the_second(
    first: Assembly, everything: Assembly
) -> None:
    (before, domain) = first.templates["Cdn"]["Outputs"]["UiOrigin"]["Value"]["Fn::Join"][1]
    assert before == "https://"
    assert domain["Fn::GetAtt"][1] == "DomainName"
    assert everything.templates["Api"]["Outputs"]["UiUrl"]["Value"] == "https://mlflow.example.org/ui"
    assert "Fn::Join" in first.templates["Api"]["Outputs"]["UiUrl"]["Value"]
