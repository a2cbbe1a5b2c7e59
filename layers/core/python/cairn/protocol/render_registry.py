"""Registered models and model versions as MLflow's response messages (see ``render``)."""

from typing import Any

from cairn.domain.registry import ModelVersion, RegisteredModel
from cairn.protocol.render import pairs

Json = dict[str, Any]


def registered_model(entity: RegisteredModel) -> Json:
    message: Json = {
        "name": entity.name,
        "creation_timestamp": entity.creation_timestamp,
    }
    if entity.last_updated_timestamp:
        message["last_updated_timestamp"] = entity.last_updated_timestamp
    if entity.description:
        message["description"] = entity.description
    if entity.latest_versions:
        message["latest_versions"] = [model_version(version) for version in entity.latest_versions]
    if entity.tags:
        message["tags"] = pairs(entity.tags)
    if entity.aliases:
        message["aliases"] = [
            {"alias": alias, "version": str(version)} for alias, version in sorted(entity.aliases.items())
        ]
    return message


def model_version(entity: ModelVersion) -> Json:
    """The version is a string; a status other than READY does not occur."""
    message: Json = {
        "name": entity.name,
        "version": str(entity.version),
        "creation_timestamp": entity.creation_timestamp,
        "last_updated_timestamp": entity.last_updated_timestamp,
    }
    if entity.description is not None:
        message["description"] = entity.description
    message["current_stage"] = entity.current_stage
    message["source"] = entity.source
    if entity.run_id is not None:
        message["run_id"] = entity.run_id
    message["status"] = "READY"
    if entity.tags:
        message["tags"] = pairs(entity.tags)
    if entity.run_link is not None:
        message["run_link"] = entity.run_link
    if entity.aliases:
        message["aliases"] = sorted(entity.aliases)
    return message
