"""What changes daily: functions, layers, the REST API and the answers that it gives by itself."""

import json
from fnmatch import fnmatch
from typing import Any

import pytest

from cairn.services import server
from cairn.settings import Settings as CoreSettings
from cairn.sharing.authorizer import HEADER
from cairn.sharing.caller import SESSION, TOKEN
from cairn.sharing.fronts import FRONTS
from infra.constructs.browser_front import OPEN
from infra.gateway_responses import GATEWAY_ANSWERS
from infra.resources import PROXY
from tests.infra.synthesis import Assembly

REQUESTS = ("tracking", "artifacts", "bootstrap")
BACKGROUND = ("deliver", "events", "marks", "indexer", "overdue", "reconciler", "shares", "webhooks")
REQUIRED_ANSWERS = {
    "ACCESS_DENIED": (403, "PERMISSION_DENIED"),
    "EXPIRED_TOKEN": (401, "UNAUTHENTICATED"),
    "INVALID_SIGNATURE": (401, "UNAUTHENTICATED"),
    "MISSING_AUTHENTICATION_TOKEN": (401, "UNAUTHENTICATED"),
    "UNAUTHORIZED": (401, "UNAUTHENTICATED"),
    "THROTTLED": (429, "REQUEST_LIMIT_EXCEEDED"),
    "INTEGRATION_TIMEOUT": (504, "TEMPORARILY_UNAVAILABLE"),
    "REQUEST_TOO_LARGE": (413, "BAD_REQUEST"),
    "RESOURCE_NOT_FOUND": (404, "ENDPOINT_NOT_FOUND"),
    "DEFAULT_4XX": (None, "BAD_REQUEST"),
    "DEFAULT_5XX": (None, "INTERNAL_ERROR"),
}


def methods(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Every method's properties by ``METHOD /path``."""
    resources = assembly.resources("Api", "AWS::ApiGateway::Resource")

    def path(reference: dict[str, Any]) -> str:
        if "Fn::GetAtt" in reference:
            return ""
        properties = resources[reference["Ref"]]["Properties"]
        return f"{path(properties['ParentId'])}/{properties['PathPart']}"

    found = assembly.resources("Api", "AWS::ApiGateway::Method").values()
    return {
        f"{m['Properties']['HttpMethod']} {path(m['Properties']['ResourceId']) or '/'}": m["Properties"]
        for m in found
    }


SERVER_INFO = server.info(multipart=True, artifact_root="s3://BUCKET/artifacts")


def literal(template: str | dict[str, Any]) -> str:
    """A template's text, with BUCKET where the name of the data stack's bucket comes in."""
    if isinstance(template, str):
        return template
    separator, parts = template["Fn::Join"]
    for part in parts:
        if not isinstance(part, str):
            assert "ExportsOutputRefArtifacts" in part["Fn::ImportValue"]
    return str(separator).join(part if isinstance(part, str) else "BUCKET" for part in parts)


def functions(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Every function's properties by the service name that it logs under."""
    return {
        f["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]: f["Properties"]
        for f in assembly.resources("Api", "AWS::Lambda::Function").values()
    }


def test_every_method_asks_for_a_signature(default: Assembly) -> None:
    assert {m["AuthorizationType"] for m in methods(default).values()} == {"AWS_IAM"}
    assert not default.resources("Api", "AWS::ApiGateway::Authorizer")


def test_the_token_front_asks_its_authorizer_and_the_rest_for_a_signature(everything: Assembly) -> None:
    """Of the fronts by which the functions read the caller, each is guarded as it says."""
    of_tokens, of_sessions = (authorizer(everything, kind)[0] for kind in ("TOKEN", "REQUEST"))
    found = methods(everything)
    for name, method in found.items():
        part = name.partition(" ")[2].split("/")[1]
        front = next(front for front in FRONTS if part in front.parts)
        if front.name == TOKEN:
            assert method["AuthorizationType"] == "CUSTOM", name
            assert method["AuthorizerId"] == {"Ref": of_tokens}
        elif front.name == SESSION and not is_open(name):
            assert method["AuthorizationType"] == "CUSTOM", name
            assert method["AuthorizerId"] == {"Ref": of_sessions}
        elif front.name == SESSION:
            assert method["AuthorizationType"] == "NONE", name
        else:
            assert method["AuthorizationType"] == "AWS_IAM", name
    below = {name.replace(" /t", " ", 1).replace(" ", " /", 1) for name in found if " /t" in name}
    assert {name.replace("//", "/") for name in below} == {
        name for name in found if " /t" not in name and " /ui" not in name
    }


def authorizer(assembly: Assembly, kind: str) -> tuple[str, dict[str, Any]]:
    """Logical id and properties of the one of a kind."""
    ((name, found),) = (
        (name, found["Properties"])
        for name, found in assembly.resources("Api", "AWS::ApiGateway::Authorizer").items()
        if found["Properties"]["Type"] == kind
    )
    return name, found


def is_open(name: str) -> bool:
    """Whether the resource policy lets anybody ask for it."""
    return any(fnmatch(name.replace(" ", ""), open_path) for open_path in OPEN)


def test_what_is_open_is_listed_and_nothing_else_is(everything: Assembly) -> None:
    found = methods(everything)
    opened = {name for name, method in found.items() if method["AuthorizationType"] == "NONE"}
    assert opened == {
        "GET /ui",
        "GET /ui/index.html",
        "GET /ui/static-files/{proxy+}",
        "GET /ui/sign-in",
        "GET /ui/sign-in/{proxy+}",
        "GET /ui/cairn",
        "GET /ui/cairn/{proxy+}",
        "POST /ui/session/{action}",
    }
    policy = everything.only("Api", "AWS::ApiGateway::RestApi")["Properties"]["Policy"]
    _, allowed = policy["Statement"]
    assert (allowed["Effect"], allowed["Principal"]) == ("Allow", "*")
    assert allowed["Resource"] == sorted(f"execute-api:/*/{path}" for path in OPEN)
    for path in OPEN:
        assert not fnmatch("GET/ui/ajax-api/2.0/mlflow/runs/get", path)
        assert not fnmatch("POST/ui/graphql", path)


def test_what_pages_call_is_below_the_browsers_front(everything: Assembly) -> None:
    found = methods(everything)
    ours = {name.replace("/ui", "", 1) for name in found if " /ui/" in name and not is_open(name)}
    paths = {name for name in found if name.partition(" ")[2].split("/")[1] not in ("t", "ui", "api", "")}
    assert ours == {name for name in paths if "/health" not in name and "/version" not in name}


def test_a_session_is_asked_for_at_each_request(everything: Assembly) -> None:
    _, properties = authorizer(everything, "REQUEST")
    assert properties["AuthorizerResultTtlInSeconds"] == 0
    assert properties["IdentitySource"] == "method.request.header.Cookie"


def test_files_of_the_ui_are_sent_with_the_headers_of_pages(everything: Assembly) -> None:
    """Straight from their bucket, by a role that reads one folder of it."""
    found = methods(everything)
    for name in ("static-files/{proxy+}", "cairn", "cairn/{proxy+}", "sign-in", "sign-in/{proxy+}"):
        method = found[f"GET /ui/{name}"]
        integration = method["Integration"]
        assert (integration["Type"], integration["IntegrationHttpMethod"]) == ("AWS", "GET")
        answer = next(one for one in integration["IntegrationResponses"] if one["StatusCode"] == "200")
        sent = {
            header.removeprefix("method.response.header."): value
            for header, value in answer["ResponseParameters"].items()
        }
        assert sent == {
            "Content-Type": "integration.response.header.Content-Type",
            "Content-Encoding": "integration.response.header.Content-Encoding",
            "Cache-Control": "integration.response.header.Cache-Control",
            "ETag": "integration.response.header.ETag",
            "Content-Security-Policy": "integration.response.header.x-amz-meta-policy",
            "X-Content-Type-Options": "'nosniff'",
            "X-Frame-Options": "'DENY'",
            "Referrer-Policy": "'same-origin'",
            "Cross-Origin-Opener-Policy": "'same-origin'",
            "Strict-Transport-Security": "'max-age=31536000'",
        }
        declared = next(one for one in method["MethodResponses"] if one["StatusCode"] == "200")
        assert declared["ResponseParameters"] == dict.fromkeys(answer["ResponseParameters"], True)
        if name.endswith(PROXY):
            assert integration["RequestParameters"] == {
                "integration.request.path.proxy": "method.request.path.proxy"
            }
            assert method["RequestParameters"] == {"method.request.path.proxy": True}


def test_the_uis_bucket_is_private(everything: Assembly) -> None:
    bucket = everything.only("Api", "AWS::S3::Bucket")["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    put = everything.only("Api", "Custom::CairnUiFiles")["Properties"]
    assert "frame-ancestors 'none'" in str(put["Policies"]["stock"])
    assert "ExportsOutputRefArtifacts" in str(put["Policies"]["stock"]), "the host of presigned URLs"
    assert put["Policies"]["own"].startswith("default-src 'none'")


def test_without_the_ui_there_is_nothing_of_it(default: Assembly) -> None:
    assert not default.resources("Api", "AWS::S3::Bucket")
    assert not [name for name in methods(default) if "/ui" in name]
    policy = default.only("Api", "AWS::ApiGateway::RestApi")["Properties"]["Policy"]
    assert len(policy["Statement"]) == 1


def test_the_authorizers_answers_are_not_kept(everything: Assembly) -> None:
    _, properties = authorizer(everything, "TOKEN")
    assert properties["AuthorizerResultTtlInSeconds"] == 0
    assert properties["IdentitySource"] == "method.request.header.Authorization"
    assert properties["IdentityValidationExpression"] == HEADER


def test_the_api_has_few_resources(default: Assembly, everything: Assembly) -> None:
    assert len(default.resources("Api", "AWS::ApiGateway::Resource")) <= 60
    assert len(everything.resources("Api", "AWS::ApiGateway::Resource")) <= 160
    assert all(len(template["Resources"]) <= 250 for template in default.templates.values())
    assert all(len(template["Resources"]) <= 450 for template in everything.templates.values())


def test_unknown_paths_at_the_root_reach_a_function(default: Assembly) -> None:
    assert methods(default)[f"ANY /{PROXY}"]["Integration"]["Type"] == "AWS_PROXY"


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/health", "text/plain", "OK"),
        ("/version", "text/plain", server.MLFLOW_VERSION),
        ("/api/3.0/mlflow/server-info", "application/json", json.dumps(SERVER_INFO)),
        ("/ajax-api/3.0/mlflow/server-info", "application/json", json.dumps(SERVER_INFO)),
    ],
)
def test_first_questions_are_answered_without_a_function(
    default: Assembly, path: str, content_type: str, body: str
) -> None:
    integration = methods(default)[f"GET {path}"]["Integration"]
    (response,) = integration["IntegrationResponses"]
    assert integration["Type"] == "MOCK"
    assert response["ResponseParameters"] == {"method.response.header.Content-Type": f"'{content_type}'"}
    assert literal(response["ResponseTemplates"]["application/json"]) == body
    # Everything is binary here (*/*): without the conversion API Gateway answers 500.
    assert integration["ContentHandling"] == response["ContentHandling"] == "CONVERT_TO_TEXT"


def test_fixed_answers_are_given_to_the_clients_sigv4_signer(default: Assembly) -> None:
    """requests-auth-aws-sigv4 adds a form's Content-Type to a GET; a type without template would be 415."""
    integration = methods(default)["GET /version"]["Integration"]
    assert {"application/json", "application/x-www-form-urlencoded"} <= integration[
        "RequestTemplates"
    ].keys()


def test_the_version_is_the_pinned_clients() -> None:
    import mlflow

    assert mlflow.__version__ == server.MLFLOW_VERSION


def test_fixed_answers_hold_no_template_syntax() -> None:
    """They are rendered by API Gateway's Velocity engine: ``$`` and ``#`` would be read."""
    assert not set("$#") & set(json.dumps(SERVER_INFO) + server.MLFLOW_VERSION)


def test_the_gateways_own_answers_have_mlflows_shape(default: Assembly) -> None:
    found = {}
    for response in default.resources("Api", "AWS::ApiGateway::GatewayResponse").values():
        properties = response["Properties"]
        template = properties["ResponseTemplates"]["application/json"]
        body = json.loads(template.replace("$context.error.messageString", '"said"'))
        assert body.keys() == {"error_code", "message"}, properties["ResponseType"]
        assert body["message"]
        status = properties.get("StatusCode")
        found[properties["ResponseType"]] = (int(status) if status else None, body["error_code"])
    assert found.keys() == GATEWAY_ANSWERS.keys()
    assert {kind: found[kind] for kind in REQUIRED_ANSWERS} == REQUIRED_ANSWERS


def test_statuses_of_the_gateway_are_mlflows_for_the_code() -> None:
    """Where they differ the client would take a final answer for a passing one, or the reverse."""
    from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS

    differs = {
        kind: (answer.status, answer.error_code)
        for kind, answer in GATEWAY_ANSWERS.items()
        if answer.status not in (None, ERROR_CODE_TO_HTTP_STATUS.get(answer.error_code, answer.status))
    }
    assert differs == {
        "REQUEST_TOO_LARGE": (413, "BAD_REQUEST"),  # MLflow has no code for 413
        "INTEGRATION_TIMEOUT": (504, "TEMPORARILY_UNAVAILABLE"),  # nor for 504; both are repeated
    }


def test_bodies_of_any_media_type_pass_as_bytes(default: Assembly) -> None:
    assert default.only("Api", "AWS::ApiGateway::RestApi")["Properties"]["BinaryMediaTypes"] == ["*/*"]


def test_the_stage_throttles_logs_and_traces(default: Assembly) -> None:
    stage = default.only("Api", "AWS::ApiGateway::Stage")["Properties"]
    (settings,) = stage["MethodSettings"]
    assert settings == {
        "DataTraceEnabled": False,
        "HttpMethod": "*",
        "LoggingLevel": "ERROR",
        "MetricsEnabled": True,
        "ResourcePath": "/*",
        "ThrottlingBurstLimit": 2000,
        "ThrottlingRateLimit": 1000,
    }
    assert stage["TracingEnabled"] is True
    line = json.loads(stage["AccessLogSetting"]["Format"])
    assert line["caller"] == "$context.identity.userArn"
    assert "$context.requestId" in line.values()


def test_api_gateways_log_role_is_made_once_per_account(default: Assembly, everything: Assembly) -> None:
    account = default.only("Api", "AWS::ApiGateway::Account")
    assert account["DeletionPolicy"] == "Retain"
    assert not everything.resources("Api", "AWS::ApiGateway::Account")


def test_functions_run_on_arm_with_active_tracing_and_both_layers(default: Assembly) -> None:
    found = functions(default)
    assert found.keys() == {f"cairn-{name}" for name in (*REQUESTS, *BACKGROUND)}
    for name, function in found.items():
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["arm64"]
        assert function["Handler"] == "handler.handler"
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert len(function["Layers"]) == 2
        if name.removeprefix("cairn-") in REQUESTS:
            assert function["Timeout"] < 29, "API Gateway would give up first"


@pytest.mark.parametrize(
    ("name", "location"), [("default", "s3://name/artifacts/7"), ("everything", "mlflow-artifacts:/7")]
)
def test_functions_are_told_what_they_need(
    name: str, location: str, request: pytest.FixtureRequest
) -> None:
    for function in functions(request.getfixturevalue(name)).values():
        variables = function["Environment"]["Variables"]
        given = {key: value if isinstance(value, str) else "name" for key, value in variables.items()}
        assert CoreSettings.from_environment({**given, "AWS_REGION": "here"}).location_of("7") == location


def test_every_function_has_a_role_and_a_log_group_of_its_own(default: Assembly) -> None:
    found = functions(default).values()
    assert len({str(f["Role"]) for f in found}) == len(found)
    assert len({str(f["LoggingConfig"]) for f in found}) == len(found)


def test_every_log_ends(default: Assembly, everything: Assembly) -> None:
    for assembly, days, more in ((default, 30, 0), (everything, 7, 3)):
        groups = dict(assembly.all("AWS::Logs::LogGroup"))
        assert len(groups) == len(REQUESTS) + len(BACKGROUND) + 1 + more, "one more for the API's access"
        assert {g["Properties"]["RetentionInDays"] for g in groups.values()} == {days}


def test_only_this_api_and_rules_may_call_the_functions(default: Assembly) -> None:
    permissions = default.resources("Api", "AWS::Lambda::Permission").values()
    callers = sorted(
        (p["Properties"]["Principal"], json.dumps(p["Properties"]["SourceArn"])) for p in permissions
    )
    assert [principal for principal, _ in callers] == [
        "apigateway.amazonaws.com",
        "apigateway.amazonaws.com",
        *["events.amazonaws.com"] * 5,
    ]
    sources = ("RestApi", "RestApi", "RamCalled", "RamChanged", "Schedule", "Hourly", "Heard")
    assert all(source in arn for source, (_, arn) in zip(sources, callers, strict=True))


def test_the_default_experiment_is_made_at_deploy_when_the_role_may(default: Assembly) -> None:
    resource = default.only("Api", "Custom::CairnDefaultExperiment")
    depends = " ".join(resource["DependsOn"])
    assert "BootstrapRoleDefaultPolicy" in depends
    assert resource["Properties"]["ServiceTimeout"] == "120"


def test_the_tracking_uri_is_ready_to_paste(default: Assembly) -> None:
    separator, parts = default.templates["Api"]["Outputs"]["TrackingUri"]["Value"]["Fn::Join"]
    text = separator.join(part if isinstance(part, str) else "*" for part in parts)
    assert text == "https://*.execute-api.*.*/*", "no slash at the end"
    assert default.resources("Api", "AWS::ApiGateway::Stage").keys() == {parts[-1]["Ref"]}


def test_everything_is_tagged(everything: Assembly) -> None:
    for kind in (
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::Lambda::Function",
        "AWS::ApiGateway::Stage",
    ):
        for _, resource in everything.all(kind):
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            assert {"project": "cairn", "stage": "lab", "team": "ml"}.items() <= tags.items(), kind


def test_the_templates_name_no_account_and_no_region(default: Assembly) -> None:
    manifest = json.loads((default.folder / "manifest.json").read_text())
    environments = {a["environment"] for a in manifest["artifacts"].values() if "environment" in a}
    assert environments == {"aws://unknown-account/unknown-region"}
