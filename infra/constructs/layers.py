"""The two layers of every function: third-party wheels, which change seldom, and Cairn's own core."""

from aws_cdk import AssetHashType, IgnoreMode
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import packages

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64


class Layers(Construct):
    def __init__(self, scope: Construct, construct_id: str, dependencies: packages.Layer) -> None:
        super().__init__(scope, construct_id)
        self.dependencies = lambda_.LayerVersion(
            self,
            "Dependencies",
            description="Pinned third-party wheels",
            # The hash is of the pinned requirements and the platform, not of installed files: those carry
            # paths and times of the machine that built them.
            code=lambda_.Code.from_asset(
                str(dependencies.path),
                asset_hash=dependencies.content_hash,
                asset_hash_type=AssetHashType.CUSTOM,
            ),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
        )
        self.core = lambda_.LayerVersion(
            self,
            "Core",
            description="The cairn package",
            code=lambda_.Code.from_asset(
                str(packages.CORE), exclude=list(packages.NOT_IN_LAMBDA), ignore_mode=IgnoreMode.GLOB
            ),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
        )

    @property
    def all(self) -> list[lambda_.LayerVersion]:
        return [self.dependencies, self.core]
