"""The parts of a run configuration: each a few attributes, each with its key in the file."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Mapping, Optional, Tuple, Type, TypeVar

from zaffre.errors import UserErrorException

S = TypeVar("S", bound="Section")


class Section:
    """A part of a run configuration. `KEYS` are (attribute, key in the file) in the order of the file."""

    KEYS: ClassVar[Tuple[Tuple[str, str], ...]] = ()

    def as_tree(self) -> Dict[str, Any]:
        """As it stands in the file."""
        return {key: _plain(getattr(self, name)) for name, key in self.KEYS}

    @classmethod
    def from_tree(cls: Type[S], found: Any, unknown: List[str], where: str) -> S:
        """Read it; keys that nobody knows are added to `unknown`. Raises UserErrorException for what is no mapping."""
        made = cls()
        for name, value in cls.read(found, unknown, where).items():
            setattr(made, name, value)
        return made

    @classmethod
    def read(cls, found: Any, unknown: List[str], where: str) -> Dict[str, Any]:
        """{attribute: value} of what the file says; what it leaves empty keeps its default."""
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            raise UserErrorException(f"`{where}` of a run configuration has keys with values, not {found!r:.60}.")
        names = {key: name for name, key in cls.KEYS}
        unknown += [f"{where}.{key}" for key in found if key not in names]
        return {names[key]: value for key, value in found.items() if key in names and value is not None}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    __hash__ = None  # type: ignore[assignment]  # attributes may be set

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name, _ in self.KEYS)
        return f"{type(self).__name__}({told})"


def _plain(value: Any) -> Any:
    return value.as_tree() if isinstance(value, Section) else value


def count(value: Any, name: str, *, least: int = 1) -> int:
    """A whole number; texts such as "2", as variables of the environment give them, are taken. Raises
    UserErrorException."""
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = least - 1
    if found < least or isinstance(value, bool) or (isinstance(value, float) and value != found):
        raise UserErrorException(f"{name} is a whole number from {least} on, not {value!r}.")
    return found


# --- how the processes of a run belong together --------------------------------------------------------------------


class MpiConfiguration(Section):
    """Processes that an MPI launcher starts on every node."""

    KEYS = (("process_count_per_node", "processCountPerNode"), ("node_count", "nodeCount"))

    def __init__(self, process_count_per_node: Any = 1, node_count: Any = 1) -> None:
        """Raises UserErrorException for what is no whole number from 1 on."""
        self.process_count_per_node = count(process_count_per_node, "process_count_per_node")
        self.node_count = count(node_count, "node_count")


class PyTorchConfiguration(Section):
    """Processes of `torch.distributed`; `process_count` counts those of all nodes, None is one for each node."""

    KEYS = (
        ("communication_backend", "communicationBackend"),
        ("process_count", "processCount"),
        ("node_count", "nodeCount"),
    )

    def __init__(
        self, communication_backend: str = "Nccl", process_count: Optional[Any] = None, node_count: Any = 1
    ) -> None:
        """Raises UserErrorException for another backend than Nccl or Gloo, and for counts that cannot be meant."""
        if str(communication_backend).lower() not in ("nccl", "gloo"):
            raise UserErrorException(f"communication_backend is 'Nccl' or 'Gloo', not {communication_backend!r}.")
        self.communication_backend = communication_backend
        self.process_count = None if process_count is None else count(process_count, "process_count")
        self.node_count = count(node_count, "node_count")


class TensorflowConfiguration(Section):
    """Workers and parameter servers of TensorFlow, each on a node of its own."""

    KEYS = (("worker_count", "workerCount"), ("parameter_server_count", "parameterServerCount"))

    def __init__(self, worker_count: Any = 1, parameter_server_count: Any = 0) -> None:
        """Raises UserErrorException for what is no whole number."""
        self.worker_count = count(worker_count, "worker_count")
        self.parameter_server_count = count(parameter_server_count, "parameter_server_count", least=0)


# --- what is kept of a run -----------------------------------------------------------------------------------------


class HistoryConfiguration(Section):
    """`outputs/` is kept unless `output_collection` is off; `directories_to_watch` are sent while they are written."""

    KEYS = (
        ("output_collection", "outputCollection"),
        ("snapshot_project", "snapshotProject"),
        ("directories_to_watch", "directoriesToWatch"),
    )

    def __init__(self) -> None:
        self.output_collection = True
        self.snapshot_project = True
        self.directories_to_watch: List[str] = ["logs"]


# --- data ----------------------------------------------------------------------------------------------------------


class Dataset(Section):
    """Which dataset: its name, or name:version."""

    KEYS = (("dataset_id", "id"),)

    def __init__(self, dataset_id: Optional[str] = None) -> None:
        self.dataset_id = dataset_id


class DataPath(Section):
    """A place in a datastore."""

    KEYS = (("datastore_name", "datastoreName"), ("relative_path", "relativePath"))

    def __init__(self, datastore_name: Optional[str] = None, relative_path: Optional[str] = None) -> None:
        self.datastore_name, self.relative_path = datastore_name, relative_path


class DataLocation(Section):
    """Where data comes from."""

    KEYS = (("dataset", "dataset"), ("data_path", "dataPath"))

    def __init__(self, dataset: Optional[Dataset] = None, data_path: Optional[DataPath] = None) -> None:
        self.dataset, self.data_path = dataset, data_path

    @classmethod
    def from_tree(cls, found: Any, unknown: List[str], where: str) -> "DataLocation":
        told = cls.read(found, unknown, where)
        dataset, path = told.get("dataset"), told.get("data_path")
        return cls(
            None if dataset is None else Dataset.from_tree(dataset, unknown, f"{where}.dataset"),
            None if path is None else DataPath.from_tree(path, unknown, f"{where}.dataPath"),
        )


class Data(Section):
    """One input of a run in the words of a run configuration."""

    KEYS = (
        ("data_location", "dataLocation"),
        ("create_output_directories", "createOutputDirectories"),
        ("mechanism", "mechanism"),
        ("environment_variable_name", "environmentVariableName"),
        ("path_on_compute", "pathOnCompute"),
        ("overwrite", "overwrite"),
    )

    def __init__(
        self,
        data_location: Optional[DataLocation] = None,
        create_output_directories: bool = False,
        mechanism: Optional[str] = None,
        environment_variable_name: Optional[str] = None,
        path_on_compute: Optional[str] = None,
        overwrite: bool = False,
    ) -> None:
        self.data_location = data_location
        self.create_output_directories = create_output_directories
        self.mechanism = mechanism
        self.environment_variable_name = environment_variable_name
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    @classmethod
    def from_tree(cls, found: Any, unknown: List[str], where: str) -> "Data":
        made = cls()
        for name, value in cls.read(found, unknown, where).items():
            setattr(made, name, value)
        if made.data_location is not None:
            made.data_location = DataLocation.from_tree(made.data_location, unknown, f"{where}.dataLocation")
        return made


class DataReferenceConfiguration(Section):
    """A folder of a datastore."""

    KEYS = (
        ("datastore_name", "dataStoreName"),
        ("mode", "mode"),
        ("path_on_datastore", "pathOnDataStore"),
        ("path_on_compute", "pathOnCompute"),
        ("overwrite", "overwrite"),
    )

    def __init__(
        self,
        datastore_name: Optional[str] = None,
        mode: str = "mount",
        path_on_datastore: Optional[str] = None,
        path_on_compute: Optional[str] = None,
        overwrite: bool = False,
    ) -> None:
        self.datastore_name = datastore_name
        self.mode = mode
        self.path_on_datastore = path_on_datastore
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite


# --- containers ----------------------------------------------------------------------------------------------------


class DockerConfiguration(Section):
    """How a container is made around the run."""

    KEYS = (
        ("use_docker", "useDocker"),
        ("shared_volumes", "sharedVolumes"),
        ("arguments", "arguments"),
        ("shm_size", "shmSize"),
    )

    def __init__(
        self,
        use_docker: bool = True,
        shared_volumes: bool = True,
        arguments: Optional[List[str]] = None,
        shm_size: Optional[str] = None,
    ) -> None:
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments: List[str] = list(arguments or [])
        self.shm_size = shm_size
