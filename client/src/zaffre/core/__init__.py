"""The nouns of the SDK. Each is imported when it is first used, so that `import zaffre.core` costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

from zaffre._version import VERSION

if TYPE_CHECKING:
    from zaffre.core.compute import ComputeTarget
    from zaffre.core.container_registry import ContainerRegistry
    from zaffre.core.dataset import Dataset
    from zaffre.core.datastore import Datastore
    from zaffre.core.environment import Environment
    from zaffre.core.experiment import Experiment
    from zaffre.core.keyvault import Keyvault
    from zaffre.core.model import Model
    from zaffre.core.run import Run
    from zaffre.core.runconfig import RunConfiguration
    from zaffre.core.script_run_config import ScriptRunConfig
    from zaffre.core.webservice import Webservice
    from zaffre.core.workspace import Workspace

_PLACES = {
    "ComputeTarget": "compute",
    "ContainerRegistry": "container_registry",
    "Dataset": "dataset",
    "Datastore": "datastore",
    "Environment": "environment",
    "Experiment": "experiment",
    "Keyvault": "keyvault",
    "Model": "model",
    "Run": "run",
    "RunConfiguration": "runconfig",
    "ScriptRunConfig": "script_run_config",
    "Webservice": "webservice",
    "Workspace": "workspace",
}

__all__ = [
    "VERSION",
    "ComputeTarget",
    "ContainerRegistry",
    "Dataset",
    "Datastore",
    "Environment",
    "Experiment",
    "Keyvault",
    "Model",
    "Run",
    "RunConfiguration",
    "ScriptRunConfig",
    "Webservice",
    "Workspace",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'zaffre.core' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"zaffre.core.{_PLACES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> List[str]:
    return sorted([*globals(), *_PLACES])
