"""Templates of the app as plain dictionaries, and how to look into them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from infra.app import build
from infra.settings import Settings

EVERYTHING = Settings(
    stage="lab",
    access="organisation:o-a1b2c3d4e5",
    tokens=True,
    ui=True,
    cloudfront=True,
    ui_origin="https://mlflow.example.org",
    cloudfront_certificate="arn:aws:acm:us-east-1:123456789012:certificate/0a1b-2c3d",
    encryption="customer",
    artifacts="proxied",
    versioning=False,
    tiering_days=0,
    alarm_email="ops@example.org",
    gateway_log_role=False,
    permissions_boundary="developer-boundary",
    keep_data=False,
    organizations_role="arn:aws:iam::999999999999:role/CairnReadsOrganization",
    log_days=7,
    tags={"team": "ml"},
)
"""Every choice away from its default."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """What one synthesis wrote: templates by the last word of the stack's name, cdk-nag's findings."""

    folder: Path
    templates: Mapping[str, Any]
    findings: tuple[str, ...]

    def resources(self, stack: str, kind: str) -> dict[str, Any]:
        """The resources of a type, by logical id."""
        found = self.templates[stack]["Resources"]
        return {name: resource for name, resource in found.items() if resource["Type"] == kind}

    def only(self, stack: str, kind: str) -> dict[str, Any]:
        """The one resource of a type: its whole definition."""
        (resource,) = self.resources(stack, kind).values()
        return dict(resource)

    def all(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for stack in self.templates:
            yield from self.resources(stack, kind).items()


def synthesise(settings: Settings, folder: Path) -> Assembly:
    """Synthesise with cdk-nag's AWS Solutions pack watching."""
    app = build(settings, outdir=folder, environment={})
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    report = folder / "validation-report.json"
    try:
        app.synth()
    except RuntimeError:
        # The CDK raises when a pack reports something; what it is stands in the report, for the test.
        if not report.exists():
            raise
    templates = {
        path.name.removesuffix(".template.json").rpartition("-")[2]: json.loads(path.read_text())
        for path in sorted(folder.glob("*.template.json"))
    }
    return Assembly(folder, templates, tuple(_findings(report)))


def _findings(report: Path) -> Iterator[str]:
    plugins = json.loads(report.read_text())["pluginReports"] if report.exists() else []
    for plugin in plugins:
        for violation in plugin["violations"]:
            for place in violation["violatingConstructs"]:
                yield f"{violation['ruleName']} at {place['constructPath']}"
