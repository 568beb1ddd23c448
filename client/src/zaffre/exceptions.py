"""The exceptions under the names that scripts for the Azure ML SDK v1 catch."""

from __future__ import annotations

from zaffre.core.compute_target import ComputeTargetException
from zaffre.core.model import ModelNotFoundException, ModelPathNotFoundException
from zaffre.core.webservice import WebserviceException
from zaffre.errors import (
    ActivityFailedException,
    Refused,
    SnapshotException,
    Unreachable,
    UserErrorException,
    ZaffreError,
)

__all__ = [
    "ActivityFailedException",
    "ComputeTargetException",
    "ModelNotFoundException",
    "ModelPathNotFoundException",
    "Refused",
    "SnapshotException",
    "Unreachable",
    "UserErrorException",
    "WebserviceException",
    "ZaffreError",
]
