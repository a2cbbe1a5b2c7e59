"""The part of the route table that tells of decisions: Cairn's own, for who manages the deployment."""

from cairn.protocol.messages.access import ExplainAccess
from cairn.protocol.routes import OWN, Route

ACCESS = (
    Route("GET", f"{OWN}/access/explain", ExplainAccess, "access.explain_access", "deployment:manage"),
)
