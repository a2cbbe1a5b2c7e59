"""The answer that CloudFormation waits for after it has called a function for a custom resource."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.request import Request, urlopen

ANSWER_S = 10


def answer(
    event: Mapping[str, Any],
    physical_id: str,
    *,
    reason: str = "",
    failed: bool = False,
    data: Mapping[str, str] | None = None,
) -> None:
    """1 PUT to ``ResponseURL``: a presigned S3 URL, which takes no Content-Type (custom resource
    reference). ``data`` is what ``Fn::GetAtt`` gives."""
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body |= {
        "Status": "FAILED" if failed else "SUCCESS",
        "Reason": reason,
        "PhysicalResourceId": physical_id,
    }
    content = json.dumps({**body, "Data": dict(data)} if data else body).encode()
    request = Request(event["ResponseURL"], content, {"Content-Type": ""}, method="PUT")  # noqa: S310 -- CloudFormation's own URL
    with urlopen(request, timeout=ANSWER_S):  # noqa: S310 -- as above
        return
