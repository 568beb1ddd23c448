"""The exceptions under the names that scripts for the Azure ML SDK v1 catch."""

from __future__ import annotations

from zaffre.core.compute_target import ComputeTargetException
from zaffre.core.model import ModelNotFoundException, ModelPathNotFoundException
from zaffre.core.webservice import WebserviceException
from zaffre.errors import (
    ActivityFailedException,
    NotFound,
    Refused,
    SnapshotException,
    Unauthenticated,
    Unreachable,
    UserErrorException,
    ZaffreError,
)

# What scripts of then catch, as far as something of it is raised here.
AzureMLException = AzureMlException = ExperimentExecutionException = ZaffreError
ServiceException = Refused
AuthenticationException = Unauthenticated
ExperimentNotFoundException = ProjectSystemException = WorkspaceException = NotFound
RunConfigurationException = RunEnvironmentException = TrainingException = UserErrorException

__all__ = [
    "ActivityFailedException",
    "AuthenticationException",
    "AzureMLException",
    "AzureMlException",
    "ComputeTargetException",
    "ExperimentExecutionException",
    "ExperimentNotFoundException",
    "ModelNotFoundException",
    "ModelPathNotFoundException",
    "ProjectSystemException",
    "Refused",
    "RunConfigurationException",
    "RunEnvironmentException",
    "ServiceException",
    "SnapshotException",
    "TrainingException",
    "Unreachable",
    "UserErrorException",
    "WebserviceException",
    "WorkspaceException",
    "ZaffreError",
]
