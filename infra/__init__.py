"""The CDK app: what Cairn is in an AWS account. ``python -m infra.app`` synthesises it without one.

Importing the package chooses the Node that jsii runs on, which has to happen before ``aws_cdk`` is
imported.
"""

from infra.node import choose_node

choose_node()
