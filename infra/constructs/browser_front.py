"""The browser's front, ``/ui``: MLflow's UI and the API that it calls, under one origin and one path.

Three ways lead on from it. Files come from a bucket of their own, which API Gateway reads by a role: they
are public software, the same for everybody. Sign-in, sign-out and the page itself are the doors' (a
function that reaches codes and sessions alone). All else, the API, asks the authorizer for a session at
each request.
"""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from cairn.artifacts.site import POLICY
from cairn.domain.pages import OWN_POLICY
from cairn.sharing.pages import bucket_host, headers, stock_policy
from infra import permissions
from infra.constructs.function import Function
from infra.constructs.upkeep import MakeFunction
from infra.nag import accept
from infra.resources import PROXY, Resource
from infra.site import OWN, STOCK, Site

PART = "ui"
OPEN = (
    f"GET/{PART}",
    f"GET/{PART}/index.html",
    f"GET/{PART}/static-files/*",
    f"GET/{PART}/sign-in",
    f"GET/{PART}/sign-in/*",
    f"GET/{PART}/cairn",
    f"GET/{PART}/cairn/*",
    f"POST/{PART}/session/*",
)
"""What anybody may ask for, as the API's resource policy names it."""

PUT_TIMEOUT_S = 120
_NOT_FOUND = '{"error_code": "ENDPOINT_NOT_FOUND", "message": "There is no such file."}'
_PASSED_ON = {name: name for name in ("Content-Type", "Content-Encoding", "Cache-Control", "ETag")} | {
    "Content-Security-Policy": f"x-amz-meta-{POLICY}"
}
"""Headers of an answer, by those of the object. A policy has quotes in it, which a fixed value may not."""


def browser_plan(planned: Resource) -> Resource:
    """The part of the API that pages call: without scripts' own paths, but for Cairn's, which the fallback
    takes (the authorizer refuses the others, ``sharing.browser``)."""
    kept = tuple(child for child in planned.children if child.part not in ("api", "health", "version"))
    return Resource(planned.part, {}, kept)


class SiteFiles(Construct):
    """The files in a bucket, in a folder named by their content, put there by a function at deploy.
    ``artifacts`` is the bucket to which presigned URLs lead."""

    def __init__(
        self, scope: Construct, construct_id: str, *, site: Site, artifacts: s3.IBucket, make: MakeFunction
    ) -> None:
        super().__init__(scope, construct_id)
        self.folder = site.content_hash[:16]
        self.bucket = s3.Bucket(
            self,
            "Files",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            encryption=s3.BucketEncryption.S3_MANAGED,
            removal_policy=RemovalPolicy.DESTROY,
        )
        accept(
            self.bucket,
            "AwsSolutions-S1",
            "It holds released software alone; the API's access log has every request for it.",
        )
        host = bucket_host(artifacts.bucket_name, Aws.REGION, Aws.URL_SUFFIX)
        asset = assets.Asset(self, "Archive", path=str(site.archive))
        self.publisher = make(
            self,
            "Publisher",
            "site",
            "Puts the UI's files into their bucket at deploy",
            [permissions.on_archive(asset.bucket, asset.s3_object_key), *permissions.on_site(self.bucket)],
            timeout_s=PUT_TIMEOUT_S,
        )
        accept(
            self.publisher.role,
            f"AwsSolutions-IAM5[Resource::<{Stack.of(self).get_logical_id(_child(self.bucket))}.Arn>/*]",
            "Files under the names that the wheel gives them, in a bucket that holds nothing else.",
        )
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::CairnUiFiles",
            service_token=self.publisher.resource.function_arn,
            properties={
                "Bucket": self.bucket.bucket_name,
                "From": asset.s3_bucket_name,
                "Archive": asset.s3_object_key,
                "Folder": self.folder,
                "Policies": {STOCK: stock_policy([host]), OWN: OWN_POLICY},
            },
            service_timeout=Duration.minutes(5),
        )
        self.resource.node.add_dependency(self.publisher)


class BrowserFront(Construct):
    """``guard`` lets in, below ``root``, the sessions that ``authorizer`` finds."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        rest_api: apigateway.RestApi,
        authorizer: lambda_.IFunction,
        doors: Function,
        files: SiteFiles,
    ) -> None:
        super().__init__(scope, construct_id)
        self._files = files
        self._reader = self._role(files.bucket)
        self.root = rest_api.root.add_resource(PART)
        self.guard: Mapping[str, Any] = {
            "authorization_type": apigateway.AuthorizationType.CUSTOM,
            "authorizer": apigateway.RequestAuthorizer(
                self,
                "Sessions",
                handler=authorizer,
                # Without the header API Gateway refuses by itself. It keeps no answer: what is revoked or
                # signed out is void at once.
                identity_sources=[apigateway.IdentitySource.header("Cookie")],
                results_cache_ttl=Duration.seconds(0),
            ),
        }
        self._add_doors(doors)
        self._add_files()

    def _add_doors(self, doors: Function) -> None:
        integration = apigateway.LambdaIntegration(
            doors.resource, proxy=True, allow_test_invoke=False, scope_permission_to_method=False
        )
        session = self.root.add_resource("session").add_resource("{action}")
        for resource, method in (
            (self.root, "GET"),
            (self.root.add_resource("index.html"), "GET"),
            (session, "POST"),
        ):
            self._open(resource, method, integration)

    def _add_files(self) -> None:
        static = self.root.add_resource("static-files").add_resource(PROXY)
        self._send(static, "static-files/{proxy}")
        for name in ("cairn", "sign-in"):
            page = self.root.add_resource(name)
            self._send(page, f"{name}/index.html")
            self._send(page.add_resource(PROXY), f"{name}/{{proxy}}")

    def _open(
        self, resource: apigateway.IResource, method: str, integration: apigateway.Integration
    ) -> None:
        made = resource.add_method(
            method, integration, authorization_type=apigateway.AuthorizationType.NONE
        )
        _accept_open(made)

    def _send(self, resource: apigateway.IResource, path: str) -> None:
        """An object of the bucket: some headers are as it was put there with, the rest are every page's."""
        of_all = {name: f"'{value}'" for name, value in headers("", "").items() if value}
        of_it = {name: f"integration.response.header.{value}" for name, value in _PASSED_ON.items()}
        sent = {f"method.response.header.{name}": value for name, value in (of_all | of_it).items()}
        is_below = "{proxy}" in path
        integration = apigateway.AwsIntegration(
            service="s3",
            integration_http_method="GET",
            path=f"{self._files.bucket.bucket_name}/{self._files.folder}/{path}",
            options=apigateway.IntegrationOptions(
                credentials_role=self._reader,
                passthrough_behavior=apigateway.PassthroughBehavior.WHEN_NO_MATCH,
                request_parameters=(
                    {"integration.request.path.proxy": "method.request.path.proxy"} if is_below else {}
                ),
                integration_responses=[
                    apigateway.IntegrationResponse(status_code="200", response_parameters=sent),
                    # S3 says 403 of what is not there to who may not list.
                    _failed("404", r"4\d{2}", _NOT_FOUND),
                    _failed("503", r"5\d{2}", '{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "S3"}'),
                ],
            ),
        )
        made = resource.add_method(
            "GET",
            integration,
            authorization_type=apigateway.AuthorizationType.NONE,
            request_parameters={"method.request.path.proxy": True} if is_below else {},
            method_responses=[
                apigateway.MethodResponse(status_code="200", response_parameters=dict.fromkeys(sent, True)),
                *(
                    apigateway.MethodResponse(
                        status_code=status,
                        response_parameters={"method.response.header.Content-Type": True},
                    )
                    for status in ("404", "503")
                ),
            ],
        )
        made.node.add_dependency(self._files.resource)
        _accept_open(made)

    def _role(self, bucket: s3.IBucket) -> iam.Role:
        role = iam.Role(
            self,
            "ReaderRole",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            description="Reads the UI's files for API Gateway",
        )
        role.add_to_policy(permissions.on_site_files(bucket, self._files.folder))
        accept(
            role,
            f"AwsSolutions-IAM5[Resource::<{Stack.of(self).get_logical_id(_child(bucket))}.Arn>/"
            f"{self._files.folder}/*]",
            "Files under the names that the wheel gives them, in a folder that holds nothing else.",
        )
        return role


def _failed(status: str, pattern: str, body: str) -> apigateway.IntegrationResponse:
    """S3 answers XML; a template is looked up by that type, or is the JSON one."""
    return apigateway.IntegrationResponse(
        status_code=status,
        selection_pattern=pattern,
        content_handling=apigateway.ContentHandling.CONVERT_TO_TEXT,
        response_parameters={"method.response.header.Content-Type": "'application/json'"},
        response_templates=dict.fromkeys(("application/json", "application/xml"), body),
    )


def _accept_open(method: apigateway.Method) -> None:
    for rule in ("AwsSolutions-APIG4", "AwsSolutions-COG4"):
        accept(
            method,
            rule,
            "A browser that is not signed in yet: released files, and the doors, which ask for a code or a "
            "session by themselves.",
        )


def _child(bucket: s3.IBucket) -> s3.CfnBucket:
    made = bucket.node.default_child
    assert isinstance(made, s3.CfnBucket)
    return made
