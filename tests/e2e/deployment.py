"""Deploys a synthesised cloud assembly as ``cdk bootstrap`` and ``cdk deploy`` do, by boto3 in a second.

Assets are zipped under the names that the assembly's manifests give and put into the bootstrap bucket, the
bootstrap version is the SSM parameter that every template asks for, and the stacks are created in the
order of the assembly. Nothing of the templates is changed, but that what the emulator does not know is left
out.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.emulator import Emulator

ACCOUNT = "000000000000"
UNKNOWN = {"AWS::Logs::QueryDefinition"}
"""Saved queries, to which nothing refers."""
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"


def deploy(emulator: Emulator, assembly: Path, region: str) -> dict[str, dict[str, str]]:
    """The outputs of each stack by its name. Raises RuntimeError with CloudFormation's own events."""
    ssm = emulator.client("ssm")
    ssm.put_parameter(Name=BOOTSTRAP_PARAMETER, Value="30", Type="String")
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{region}"
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=bucket)
    outputs = {}
    for name in stacks_in_order(assembly):
        _upload(s3, bucket, assembly, name)
        outputs[name] = _create(emulator, assembly, name, bucket)
    return outputs


def stacks_in_order(assembly: Path) -> list[str]:
    """The stacks, each behind those that it depends on."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    stacks = {name for name, a in artifacts.items() if a["type"] == "aws:cloudformation:stack"}
    ordered: list[str] = []

    def add(name: str) -> None:
        for dependency in artifacts[name].get("dependencies", ()):
            if dependency in stacks and dependency not in ordered:
                add(dependency)
        if name not in ordered:
            ordered.append(name)

    for name in sorted(stacks):
        add(name)
    return ordered


def _upload(s3: Any, bucket: str, assembly: Path, stack: str) -> None:
    manifest = json.loads((assembly / f"{stack}.assets.json").read_text())
    for asset in manifest["files"].values():
        source = assembly / asset["source"]["path"]
        body = zipped(source) if asset["source"]["packaging"] == "zip" else source.read_bytes()
        for destination in asset["destinations"].values():
            s3.put_object(Bucket=bucket, Key=destination["objectKey"], Body=body)


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def _create(emulator: Emulator, assembly: Path, name: str, bucket: str) -> dict[str, str]:
    cloudformation = emulator.client("cloudformation")
    s3 = emulator.client("s3")
    key = f"templates/{name}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=_known((assembly / f"{name}.template.json").read_bytes()))
    cloudformation.create_stack(
        StackName=name,
        # By URL, as the CDK does: a template in the request may have 51,200 bytes.
        TemplateURL=f"{emulator.url}/{bucket}/{key}",
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    try:
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    except Exception as error:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        raise RuntimeError(f"{name} was not created:\n{_failures(events)}") from error
    described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}


def _known(template: bytes) -> bytes:
    found = json.loads(template)
    resources = found["Resources"].items()
    found["Resources"] = {name: each for name, each in resources if each["Type"] not in UNKNOWN}
    return json.dumps(found).encode()


def _failures(events: list[Mapping[str, Any]]) -> str:
    return "\n".join(
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
        for event in events
        if "FAILED" in event["ResourceStatus"] or "ROLLBACK" in event["ResourceStatus"]
    )
