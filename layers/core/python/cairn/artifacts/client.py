"""The S3 client that artifacts need: its signatures must hold in URLs that others use.

It is botocore's: boto3 gives the same one, and 60 modules that nothing here uses (17 ms of a cold start).
"""

from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.session import get_session

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def s3_client(region: str, endpoint: str | None = None) -> "S3Client":
    """A client whose presigned URLs name the bucket's own region and ask their user for no checksum.
    ``endpoint`` is an emulator's, where the bucket is part of the path."""
    client = get_session().create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint,
        config=Config(
            signature_version="s3v4",
            s3={
                "addressing_style": "path" if endpoint else "virtual",
                "us_east_1_regional_endpoint": "regional",
            },
            max_pool_connections=32,  # a local server has as many threads
            retries={"mode": "standard", "max_attempts": 5},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    return cast("S3Client", client)
