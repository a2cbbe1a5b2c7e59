"""The two layers of every function: third-party wheels, which change seldom, and Cairn's own core."""

from aws_cdk import AssetHashType
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import packages

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64


class Layers(Construct):
    """``all`` in the order in which Lambda unpacks them."""

    def __init__(self, scope: Construct, construct_id: str, platform: packages.Platform) -> None:
        super().__init__(scope, construct_id)
        self.all = [
            self._layer("Dependencies", "Pinned third-party wheels", packages.dependencies(platform)),
            self._layer("Core", "The cairn package", packages.core(platform)),
        ]

    def _layer(self, construct_id: str, description: str, layer: packages.Layer) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            construct_id,
            description=description,
            # The hash is of what went into the build: installed files carry paths and times of the machine.
            code=lambda_.Code.from_asset(
                str(layer.path), asset_hash=layer.content_hash, asset_hash_type=AssetHashType.CUSTOM
            ),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
        )
