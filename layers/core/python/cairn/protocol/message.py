"""What all request messages share: MLflow's proto-JSON, read leniently where MLflow is lenient."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A request. Unknown fields are ignored, null counts as unset (proto3 JSON, as MLflow parses it)."""

    model_config = ConfigDict(extra="ignore", frozen=True)
