"""The REST API: the planned resources, the outer gate, MLflow's error shape, access logs, throttling."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cairn.sharing.authorizer import HEADER
from cairn.sharing.caller import TOKEN
from cairn.sharing.fronts import FRONTS
from infra.constructs.logs import BoundedLogs
from infra.fixed_answers import fixed_answers
from infra.gate import Gate
from infra.gateway_responses import GATEWAY_ANSWERS
from infra.nag import accept
from infra.resources import Resource

ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "caller": "$context.identity.userArn",
    "account": "$context.identity.accountId",
    "token_of": "$context.authorizer.principalId",
    "source_ip": "$context.identity.sourceIp",
    "user_agent": "$context.identity.userAgent",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "function_ms": "$context.integration.latency",
    "trace": "$context.xrayTraceId",
}
"""One JSON line a request. The signature and the body are not among it."""

(BELOW,) = (front.root[1:] for front in FRONTS if front.name == TOKEN)
"""What the token front's paths begin with."""

_GET_TYPES = ("application/json", "application/x-www-form-urlencoded")
"""The media types of a GET without a body: none, which counts as JSON, and the one that the client's SigV4
signer adds (requests-auth-aws-sigv4). A template is needed for each: a body that is passed through has no
status code."""


class TrackingApi(Construct):
    """``functions`` answer the resources of ``plan`` by name; ``gateway`` is API Gateway itself.
    ``artifact_root`` is the ``s3://`` URI that clients are told. With an ``authorizer`` all of the plan is
    there once more below ``/t``, for its tokens. ``open_paths`` are what anybody may ask for."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: str,
        plan: Resource,
        functions: Mapping[str, lambda_.IFunction],
        artifact_root: str,
        gate: Gate,
        rate_limit: int,
        burst_limit: int,
        log_days: int,
        log_role: bool,
        authorizer: lambda_.IFunction | None = None,
        open_paths: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        logs = BoundedLogs(self, "AccessLogs", log_days).group
        policy = iam.PolicyDocument.from_json(
            {"Version": "2012-10-17", "Statement": gate.statements(Aws.ACCOUNT_ID, open_paths)}
        )
        self.rest_api = apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name=f"cairn-{stage}",
            description="MLflow's REST API, answered by Cairn",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # Every body is bytes: artifacts have any media type, and clients that ask for */* get bytes
            # back only where */* is binary. JSON arrives base64-encoded, too; http decodes it.
            binary_media_types=["*/*"],
            policy=policy,
            cloud_watch_role=False,
            default_method_options=apigateway.MethodOptions(
                authorization_type=apigateway.AuthorizationType.IAM
            ),
            deploy_options=apigateway.StageOptions(
                stage_name=stage,
                throttling_rate_limit=rate_limit,
                throttling_burst_limit=burst_limit,
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                # Bodies hold parameters, tags and artifacts of other people: never in a log.
                data_trace_enabled=False,
                metrics_enabled=True,
                tracing_enabled=True,
                access_log_destination=apigateway.LogGroupLogDestination(logs),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
            ),
        )
        if log_role:
            self._allow_logging()
        self._integrations = {
            name: apigateway.LambdaIntegration(
                function, proxy=True, allow_test_invoke=False, scope_permission_to_method=False
            )
            for name, function in functions.items()
        }
        self._fixed = fixed_answers(artifact_root)
        self.add(self.rest_api.root, plan, "", {})
        if authorizer is not None:
            self._add_token_front(authorizer, plan)
        for kind, answer in GATEWAY_ANSWERS.items():
            self.rest_api.add_gateway_response(
                kind,
                type=apigateway.ResponseType.of(kind),
                status_code=str(answer.status) if answer.status else None,
                templates={"application/json": answer.template()},
            )
        self._redeploy_with(policy)
        self._accept_findings()

    @property
    def tracking_uri(self) -> str:
        """Ready to paste into MLFLOW_TRACKING_URI: without the slash that ends API Gateway's own URL."""
        stage = self.rest_api.deployment_stage.stage_name
        return f"https://{self.rest_api.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}/{stage}"

    def _add_token_front(self, function: lambda_.IFunction, plan: Resource) -> None:
        """Asked anew for each request, so that what is revoked is void at once. API Gateway lets through
        to it what has a token's shape, and refuses the rest by itself."""
        authorizer = apigateway.TokenAuthorizer(
            self,
            "Tokens",
            handler=function,
            validation_regex=HEADER,
            results_cache_ttl=Duration.seconds(0),
        )
        guarded = {"authorization_type": apigateway.AuthorizationType.CUSTOM, "authorizer": authorizer}
        self.add(self.rest_api.root.add_resource(BELOW), plan, "", guarded)

    def add(
        self, resource: apigateway.IResource, planned: Resource, path: str, guard: Mapping[str, Any]
    ) -> None:
        """A part of the plan at a resource. ``guard``: who is let in, where that is not whoever signs."""
        for method, function in planned.methods.items():
            if function == "gateway":
                self._answer_by_itself(resource, method, path, guard)
            else:
                resource.add_method(method, self._integrations[function], **guard)
        for child in planned.children:
            self.add(resource.add_resource(child.part), child, f"{path}/{child.part}", guard)

    def _answer_by_itself(
        self, resource: apigateway.IResource, method: str, path: str, guard: Mapping[str, Any]
    ) -> None:
        """A MOCK integration. CONVERT_TO_TEXT because every media type is binary here, and a mapping
        template cannot be applied to bytes (500 otherwise)."""
        answer = self._fixed[path]
        content_type = "method.response.header.Content-Type"
        resource.add_method(
            method,
            apigateway.MockIntegration(
                content_handling=apigateway.ContentHandling.CONVERT_TO_TEXT,
                passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
                request_templates=dict.fromkeys(_GET_TYPES, '{"statusCode": 200}'),
                integration_responses=[
                    apigateway.IntegrationResponse(
                        status_code="200",
                        content_handling=apigateway.ContentHandling.CONVERT_TO_TEXT,
                        response_parameters={content_type: f"'{answer.content_type}'"},
                        response_templates={"application/json": answer.body},
                    )
                ],
            ),
            method_responses=[
                apigateway.MethodResponse(status_code="200", response_parameters={content_type: True})
            ],
            **guard,
        )

    def _redeploy_with(self, policy: iam.PolicyDocument) -> None:
        """A changed resource policy takes effect only with a new deployment: its logical id must change."""
        deployment = self.rest_api.latest_deployment
        assert deployment is not None
        deployment.add_to_logical_id({"policy": policy.to_json()})

    def _allow_logging(self) -> None:
        """The role by which API Gateway writes logs: one setting of the account and region, so it outlives
        this stack (another API may have come to count on it)."""
        role = iam.Role(
            self,
            "LogRole",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name(
                    "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
                )
            ],
        )
        role.apply_removal_policy(RemovalPolicy.RETAIN)
        account = apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        account.apply_removal_policy(RemovalPolicy.RETAIN)
        self.rest_api.deployment_stage.node.add_dependency(account)
        accept(
            role,
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AmazonAPIGatewayPushToCloudWatchLogs]",
            "API Gateway's account setting asks for the rights of this policy, for the whole account.",
        )

    def _accept_findings(self) -> None:
        accept(
            self.rest_api,
            "AwsSolutions-APIG2",
            "The functions validate each message, with MLflow's error shape, which a model cannot give.",
        )
        accept(
            self.rest_api.deployment_stage,
            "AwsSolutions-APIG3",
            "No data is open to anonymous callers: its methods ask for a signature, a token or a session. "
            "A web ACL costs $5 a month idle; docs/deploy.md says how to attach one.",
        )
        accept(
            self.rest_api,
            "AwsSolutions-COG4",
            "Callers are AWS principals that sign with SigV4 (AWS_IAM); there are no Cognito users.",
        )
