"""Registered models and their versions in MLflow's words."""

from collections.abc import Iterable
from typing import Any

from registry.models import Model, ModelVersion
from studio.mlflow.shapes import milliseconds, pairs


def model_out(model: Model, newest: Iterable[ModelVersion] = ()) -> dict[str, Any]:
    """`newest` are the newest versions of each stage. Its aliases are loaded."""
    created = milliseconds(model.created)
    return {
        "name": model.name,
        "creation_timestamp": created,
        "last_updated_timestamp": milliseconds(model.updated) or created,
        "user_id": model.created_by.username if model.created_by else "",
        "description": model.description,
        "latest_versions": [version_out(one) for one in newest],
        "tags": pairs(model.tags),
        "aliases": [{"alias": one.alias, "version": str(one.version.version)} for one in model.aliases.all()],
    }


def version_out(version: ModelVersion) -> dict[str, Any]:
    """Its model, run, maker and aliases are loaded."""
    created = milliseconds(version.created)
    return {
        "name": version.model.name,
        "version": str(version.version),
        "creation_timestamp": created,
        "last_updated_timestamp": milliseconds(version.updated) or created,
        "user_id": version.created_by.username if version.created_by else "",
        "current_stage": version.stage,
        "description": version.description,
        "source": version.source or own_place(version),
        "run_id": version.client_run or version.run_id or "",
        "status": "READY",
        "tags": pairs(version.tags),
        "run_link": version.run_link,
        "aliases": [one.alias for one in version.aliases.all()],
        **({"model_id": version.logged_model} if version.logged_model else {}),
    }


def own_place(version: ModelVersion) -> str:
    """Where the files of the version itself are read, whatever became of the run that made them."""
    return f"mlflow-artifacts:/registry/{version.model_id}/{version.version}"
