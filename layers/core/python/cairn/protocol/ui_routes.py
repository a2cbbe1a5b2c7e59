"""The part of the route table that MLflow's web UI alone calls."""

from cairn.protocol.messages import graphql
from cairn.protocol.routes import Route

UI_ROUTES = (Route("POST", "/graphql", graphql.GraphQL, "graphql.execute", "runs:read"),)
