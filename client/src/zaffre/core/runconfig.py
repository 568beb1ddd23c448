"""The run configuration behind a ScriptRunConfig, and what is said of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Union

from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.core.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, Environment
from zaffre.core.runconfig_sections import (
    Data,
    DataLocation,
    DataPath,
    DataReferenceConfiguration,
    Dataset,
    DockerConfiguration,
    HistoryConfiguration,
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
)
from zaffre.errors import UserErrorException
from zaffre.protocol import RunConfigBody

if TYPE_CHECKING:
    from zaffre.core.compute import ComputeTarget
    from zaffre.core.workspace import Workspace

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "CondaDependencies",
    "Data",
    "DataLocation",
    "DataPath",
    "DataReferenceConfiguration",
    "Dataset",
    "DockerConfiguration",
    "HistoryConfiguration",
    "MpiConfiguration",
    "PyTorchConfiguration",
    "RunConfiguration",
    "TensorflowConfiguration",
]


class RunConfiguration:
    """What runs where, with what: every attribute may be set. `load` and `save` keep it in a file.

    What the studio cannot honour stays in the file and is told when it is submitted (`ignored`).
    """

    def __init__(
        self,
        script: Optional[str] = None,
        arguments: Optional[List[Any]] = None,
        framework: Optional[str] = None,
        communicator: Optional[str] = None,
        conda_dependencies: Optional[CondaDependencies] = None,
        *,
        command: Union[str, List[str], None] = None,
    ) -> None:
        self.script = script
        self.command = command
        self.arguments: List[Any] = list(arguments or [])
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self.node_count = 1
        self.max_run_duration_seconds: Optional[int] = None
        self.priority: Optional[int] = None
        self.job_name: Optional[str] = None
        self.auto_prepare_environment = True
        self.environment_variables: Dict[str, str] = {}
        self.history = HistoryConfiguration()
        self.mpi = MpiConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.tensorflow = TensorflowConfiguration()
        self.docker = DockerConfiguration(use_docker=False)
        self.data: Dict[str, Any] = {}
        self.data_references: Dict[str, Any] = {}
        #: Datasets by the name under which the script finds them.
        self.inputs: Dict[str, Any] = {}
        #: Names of secrets, or VARIABLE=name: variables of the script, hidden in its log.
        self.secrets: List[str] = []
        #: {cpus, memory_gb, gpus, labels} that one node must have room for.
        self.resources: Dict[str, Any] = {}
        self._distribution: Optional[Dict[str, Any]] = None
        #: New attempts after a lost node, and after a script that failed.
        self.max_retries = 0
        self.max_user_retries = 0
        self.tags: Dict[str, str] = {}
        #: Keys of a file that mean nothing here; they are written again by `save`.
        self.other: Dict[str, Any] = {}
        self._target: "Union[str, ComputeTarget]" = "local"
        self._environment: "Union[str, Environment, None]" = None
        if conda_dependencies is not None:
            environment = Environment(UNNAMED)
            environment.python.conda_dependencies = conda_dependencies
            self._environment = environment

    # --- what may be given in more than one form ---------------------------------------------------------------
    @property
    def distribution(self) -> Optional[Dict[str, Any]]:
        """{kind: pytorch, mpi, tensorflow or multiprocess, processes_per_node, backend}; None: as framework and
        communicator say. It may be given as what `distribute` takes, too.
        """
        return self._distribution

    @distribution.setter
    def distribution(self, given: Any) -> None:
        if isinstance(given, (MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration)):
            self.distribute(given)
        elif given is None or isinstance(given, Mapping):
            self._distribution = None if given is None else dict(given)
        else:
            raise UserErrorException(
                f"distribution is no {type(given).__name__}, such as {given!r:.60}.",
                hint="Write {kind: pytorch, processes_per_node: 2}, or give an MpiConfiguration or the like.",
            )

    @property
    def target(self) -> "Union[str, ComputeTarget]":
        """The name of a compute target, or the target."""
        return self._target

    @target.setter
    def target(self, given: Any) -> None:
        name = given if isinstance(given, str) else getattr(given, "name", None)
        if not isinstance(name, str) or not name:
            raise UserErrorException(f"A compute target is given by its name or as a ComputeTarget, not {given!r:.60}.")
        self._target = given

    @property
    def environment(self) -> "Union[str, Environment]":
        """Name, name:version, or an Environment; one whose parts may be set when none was given."""
        if self._environment is None:
            self._environment = Environment(UNNAMED)
        return self._environment

    @environment.setter
    def environment(self, given: Any) -> None:
        if not isinstance(given, (str, Environment)) or given == "":
            raise UserErrorException(f"An environment is given by its name or as an Environment, not {given!r:.60}.")
        self._environment = given

    # --- its file ----------------------------------------------------------------------------------------------
    @staticmethod
    def load(path: str, name: Optional[str] = None) -> "RunConfiguration":
        """Read `name`.runconfig of the folder `path`, from its `.zaffre` or `.azureml`, or beside the code; without a
        name, `path` is the file. Raises UserErrorException when it is not there or cannot be read."""
        from zaffre.core.runconfig_file import load

        return load(path, name)

    def save(self, path: Optional[str] = None, name: Optional[str] = None) -> str:
        """Write `.azureml/<name>.runconfig` below the folder `path` (`.zaffre/` if the folder has that and no
        `.azureml`), or the file `path` if it ends so; returns its path. Raises UserErrorException."""
        from zaffre.core.runconfig_file import save

        return save(self, path, name)

    @staticmethod
    def delete(path: str, name: str) -> None:
        """Remove the file that `load` would read. Raises UserErrorException when there is none."""
        from zaffre.core.runconfig_file import find

        find(path, name).unlink()

    # --- submitting --------------------------------------------------------------------------------------------
    def as_body(self, workspace: "Workspace") -> RunConfigBody:
        """As the studio takes it; an environment that is not registered yet is registered.

        Raises UserErrorException for what cannot be meant.
        """
        from zaffre.core.runconfig_body import body

        return body(self, workspace)

    def ignored(self) -> List[str]:
        """A sentence for each part of the configuration that will not be honoured."""
        from zaffre.core.runconfig_body import ignored

        return ignored(self)

    def distribute(self, config: Any, nodes: int = 1) -> None:
        """Take over an MpiConfiguration, PyTorchConfiguration or TensorflowConfiguration, on `nodes` or more.

        Raises UserErrorException for anything else.
        """
        if isinstance(config, MpiConfiguration):
            self.mpi, self.communicator, self.node_count = config, "OpenMpi", config.node_count
        elif isinstance(config, PyTorchConfiguration):
            self.pytorch, self.framework, self.node_count = config, "PyTorch", config.node_count
            self.communicator = config.communication_backend
        elif isinstance(config, TensorflowConfiguration):
            self.tensorflow, self.framework, self.communicator = config, "TensorFlow", "ParameterServer"
            self.node_count = config.worker_count + config.parameter_server_count
        else:
            raise UserErrorException(
                f"distributed_job_config is no {type(config).__name__}.",
                hint="Give an MpiConfiguration, a PyTorchConfiguration or a TensorflowConfiguration.",
            )
        self.node_count = max(self.node_count, nodes)
        self.distribution = None

    def need(self, resources: Mapping[str, Any]) -> None:
        """Ask for a part of a node: {cpus, memory_gb, gpus, labels}."""
        self.resources.update(resources)

    def __repr__(self) -> str:
        what = self.script or self.command
        return f"RunConfiguration({what!r}, target={getattr(self.target, 'name', self.target)!r})"


#: What an environment is called that was never named.
UNNAMED = "unnamed"
