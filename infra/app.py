"""The CDK app: ``python -m infra.app``. Reads the deployer's settings, wires the stacks.

The stacks name no account and no region: the same templates go anywhere.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from aws_cdk import App, Stack, Tags
from aws_cdk import aws_iam as iam

from cairn.protocol.route_table import ROUTES
from cairn.protocol.routes import Route
from infra import packages
from infra.settings import Settings, SettingsError
from infra.stacks.api import ApiStack
from infra.stacks.cdn import CdnStack
from infra.stacks.data import DataStack


def build(
    settings: Settings | None = None,
    *,
    routes: Iterable[Route] = ROUTES,
    platform: packages.Platform = packages.LAMBDA,
    quiet_ms: int | None = None,
    outdir: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> App:
    """The app with its stacks, not yet synthesised; ``settings`` None reads context and environment.

    ``quiet_ms`` is for tests: how long runs are quiet before they are indexed, where not as in production.

    Raises SettingsError.
    """
    app = App(outdir=str(outdir) if outdir else None, analytics_reporting=False, context=_context())
    if settings is None:
        context = {name: app.node.try_get_context(name) for name in Settings.model_fields}
        settings = Settings.load(context, environment)
    name = f"Cairn-{settings.stage}"
    data = DataStack(app, f"{name}-Data", settings)
    api = ApiStack(
        app,
        f"{name}-Api",
        settings=settings,
        data=data,
        routes=routes,
        platform=platform,
        quiet_ms=quiet_ms,
    )
    stacks: list[Stack] = [data, api]
    if settings.cloudfront:
        stacks.append(CdnStack(app, f"{name}-Cdn", settings=settings, api=api))
    Tags.of(app).add("project", "cairn")
    Tags.of(app).add("stage", settings.stage)
    for key, value in settings.tags.items():
        Tags.of(app).add(key, value)
    if settings.permissions_boundary:
        for stack in stacks:
            _bound(stack, settings.permissions_boundary)
    return app


def _context() -> dict[str, object]:
    """cdk.json's context, which the CLI would pass: the templates are the same with and without it."""
    context: dict[str, object] = json.loads((packages.ROOT / "cdk.json").read_text())["context"]
    return context


def _bound(stack: Stack, policy: str) -> None:
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "PermissionsBoundary", policy)
    iam.PermissionsBoundary.of(stack).apply(boundary)


def main() -> int:
    outdir = None if "CDK_OUTDIR" in os.environ else packages.ROOT / "cdk.out"
    try:
        build(outdir=outdir).synth()
    except SettingsError as error:
        sys.stderr.write(f"These settings cannot be deployed:\n{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
