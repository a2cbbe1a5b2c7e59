"""A CloudFront distribution before the browser's front, for who wants one: files from near by, or a name of
one's own. It leads to ``/ui`` alone, holds nothing, and may be deleted at will.

Scripts keep the API's own URL: CloudFront cannot pass ``Host`` on to an API, so no signature holds through
it.
"""

from typing import TypedDict
from urllib.parse import urlsplit

from aws_cdk import Aws, CfnOutput, Duration, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from constructs import Construct

from infra.constructs.browser_front import PART
from infra.nag import accept
from infra.settings import Settings
from infra.stacks.api import ApiStack

NOT_HERE = """\
function handler() {
  return {
    statusCode: 404,
    statusDescription: 'Not Found',
    headers: {
      'content-type': { value: 'application/json' },
      'cache-control': { value: 'no-store' },
      'x-content-type-options': { value: 'nosniff' }
    },
    body: {
      encoding: 'text',
      data: '{"error_code": "ENDPOINT_NOT_FOUND", "message": "The UI alone is served here, at /ui."}'
    }
  };
}
"""
"""What is asked for elsewhere than below /ui reaches no origin."""

CACHED_FAULTS = (400, 403, 404, 405, 414, 500, 501, 502, 503, 504)
"""Answers that CloudFront keeps for 10 s, and gives to the next who asks, be the cache disabled
("Control how long CloudFront caches errors"). Here one caller's 404 is not another's."""


class _OwnName(TypedDict, total=False):
    """What a distribution with a name of the deployer's has."""

    domain_names: list[str]
    certificate: acm.ICertificate
    minimum_protocol_version: cloudfront.SecurityPolicyProtocol


class CdnStack(Stack):
    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, api: ApiStack) -> None:
        super().__init__(
            scope, construct_id, description="Cairn: a CloudFront distribution before the web UI"
        )
        host = f"{api.api.rest_api.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}"
        origin = origins.HttpOrigin(
            host,
            origin_path=f"/{settings.stage}",
            protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
            origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
        )
        calls = _behavior(origin, cloudfront.CachePolicy.CACHING_DISABLED)
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"cairn-{settings.stage}: MLflow's web UI",
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            default_behavior=self._nothing(origin),
            # The first pattern that fits is taken.
            additional_behaviors={
                # How long, each file's own Cache-Control says; of the others a second.
                f"/{PART}/static-files/*": _behavior(
                    origin,
                    cloudfront.CachePolicy.CACHING_OPTIMIZED,
                    cloudfront.AllowedMethods.ALLOW_GET_HEAD,
                ),
                f"/{PART}": calls,
                f"/{PART}/*": calls,
            },
            error_responses=[
                cloudfront.ErrorResponse(http_status=status, ttl=Duration.seconds(0))
                for status in CACHED_FAULTS
            ],
            **self._own_name(settings),
        )
        self._accept_findings(has_name=settings.cloudfront_certificate is not None)
        CfnOutput(
            self,
            "UiOrigin",
            value=f"https://{self.distribution.distribution_domain_name}",
            description="Deploy again with this as ui_origin, or let a name of your own lead there (CNAME)",
        )

    def _nothing(self, origin: cloudfront.IOrigin) -> cloudfront.BehaviorOptions:
        function = cloudfront.Function(
            self,
            "NotHere",
            code=cloudfront.FunctionCode.from_inline(NOT_HERE),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            comment="Answers 404",
        )
        return cloudfront.BehaviorOptions(
            origin=origin,
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            function_associations=[
                cloudfront.FunctionAssociation(
                    function=function, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST
                )
            ],
        )

    def _own_name(self, settings: Settings) -> _OwnName:
        """Without a certificate AWS's own is used, and with it whatever TLS AWS lets *.cloudfront.net speak
        (a minimum is not looked at: "ViewerCertificate", CloudFormation)."""
        if settings.cloudfront_certificate is None:
            return {}
        certificate = acm.Certificate.from_certificate_arn(
            self, "Certificate", settings.cloudfront_certificate
        )
        return {
            "domain_names": [str(urlsplit(settings.ui_origin or "").hostname)],
            "certificate": certificate,
            "minimum_protocol_version": cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        }

    def _accept_findings(self, *, has_name: bool) -> None:
        accept(
            self.distribution,
            "AwsSolutions-CFR1",
            "Who may sign in is decided by IAM and grants; the deployer knows from where.",
        )
        accept(
            self.distribution,
            "AwsSolutions-CFR2",
            "As of the API: no data is open to anonymous callers, and a web ACL costs $5 a month idle.",
        )
        accept(
            self.distribution,
            "AwsSolutions-CFR3",
            "The API's access log has every call; what the cache answers is released software.",
        )
        if not has_name:
            accept(
                self.distribution,
                "AwsSolutions-CFR4",
                "TLS of *.cloudfront.net is AWS's to choose; a certificate is the deployer's to bring.",
            )


def _behavior(
    origin: cloudfront.IOrigin,
    cache: cloudfront.ICachePolicy,
    methods: cloudfront.AllowedMethods | None = None,
) -> cloudfront.BehaviorOptions:
    """What the browser sent reaches the API as it is, but for ``Host``: cookies, ``Origin``, the query."""
    return cloudfront.BehaviorOptions(
        origin=origin,
        viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        allowed_methods=methods or cloudfront.AllowedMethods.ALLOW_ALL,
        cache_policy=cache,
        origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
    )
