"""A run configuration as the studio takes it, and what of it the studio will not honour."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Tuple, cast

from zaffre.core.runconfig_command import command_of
from zaffre.core.runconfig_sections import HistoryConfiguration, count
from zaffre.data.dataset_consumption_config import DatasetConsumptionConfig
from zaffre.data.output_dataset_config import OutputFileDatasetConfig
from zaffre.errors import UserErrorException
from zaffre.protocol import INPUT_WORD, OUTPUT_WORD, DistributionSpec, InputSpec, RunConfigBody

if TYPE_CHECKING:
    from zaffre.core.environment import Environment
    from zaffre.core.runconfig import RunConfiguration
    from zaffre.core.workspace import Workspace

_MPI = ("openmpi", "intelmpi", "mpi")
#: Which frameworks a communicator goes with.
_GOES_WITH = {
    "parameterserver": ("tensorflow", "tensorflowparameterserver", "python"),
    "gloo": ("pytorch", "python"),
    "nccl": ("pytorch", "python"),
    **dict.fromkeys(_MPI, ("python", "pythonmpi", "pythonintelmpi", "pytorch", "tensorflow")),
}
_FRAMEWORKS = ("python", "pytorch", "tensorflow", "tensorflowparameterserver", "pythonmpi", "pythonintelmpi")
#: Keys of files that say nothing as long as what they belong to is not used.
_QUIET = (
    "spark",
    "hdi",
    "amlcompute",
    "containerInstance",
    "exposedPorts",
    "kubernetescompute",
    "identity",
    "services",
    "paralleltask",
    "credentialPassthrough",
    "commandReturnCodeConfig",
    "cmk8sCompute",
    "itpCompute",
    "aisuperComputer",
    # Code of a run may always log to MLflow.
    "history.enableMLflowTracking",
)


def body(config: "RunConfiguration", workspace: "Workspace") -> RunConfigBody:
    """See RunConfiguration.as_body."""
    check(config)
    inputs, words = _inputs_and_words(config)
    nodes, distribution = distribution_of(config)
    environment, variables = _environment(config, workspace)
    command, places = command_of(config.command, lambda word: _word(word, inputs))
    found: Dict[str, Any] = {
        "script": config.script.replace("\\", "/") if config.script else None,
        "command": command,
        "arguments": words,
        "target": config.target if isinstance(config.target, str) else config.target.name,
        "environment": environment,
        "environment_variables": {**_named_inputs(config), **variables, **_data_variables(config), **places},
        "inputs": inputs,
        "max_duration_seconds": config.max_run_duration_seconds,
        "max_retries": int(config.max_retries),
        "secrets": [str(name) for name in config.secrets],
    }
    if nodes > 1:
        found["node_count"] = nodes
    if distribution is not None:
        found["distribution"] = distribution
    if config.max_user_retries:
        found["max_user_retries"] = count(config.max_user_retries, "max_user_retries", least=0)
    if config.history != HistoryConfiguration():
        found["history"] = {
            "output_collection": bool(config.history.output_collection),
            "directories_to_watch": [str(one) for one in config.history.directories_to_watch or ()],
        }
    if config.resources:
        found["resources"] = dict(config.resources)
    if config.priority is not None:
        found["priority"] = count(config.priority, "priority", least=-100)
    return cast(RunConfigBody, found)


def check(config: "RunConfiguration") -> None:
    """Raise UserErrorException for what can be seen to be wrong without asking anybody."""
    if bool(config.script) == bool(config.command):
        what = "both a script and a command" if config.script else "neither a script nor a command"
        raise UserErrorException(f"A run has either a script or a command; this one has {what}.")
    if config.script is not None and not isinstance(config.script, str):
        raise UserErrorException(f"A script is given by its path in the folder, not as {type(config.script).__name__}.")
    if config.command is not None and not isinstance(config.command, (str, list, tuple)):
        raise UserErrorException(f"A command is a text or a list of words, not {type(config.command).__name__}.")
    if not isinstance(config.arguments, (list, tuple)):
        raise UserErrorException(
            f"Arguments are a list of words, not {type(config.arguments).__name__}.",
            hint='Write ["--epochs", 3]; a text is split with shlex.split("--epochs 3").',
        )
    if config.command and config.arguments:
        raise UserErrorException("A command has its arguments among its own words, and takes no others.")


# --- words and data ------------------------------------------------------------------------------------------------


def _inputs_and_words(config: "RunConfiguration") -> Tuple[Dict[str, InputSpec], List[str]]:
    inputs = {str(name): _input(str(name), given) for name, given in config.inputs.items()}
    for name, given in config.data.items():
        inputs.setdefault(str(name), _input(str(name), given))
    return inputs, [_word(word, inputs) for word in config.arguments]


def _word(word: Any, inputs: Dict[str, InputSpec]) -> str:
    """A word; a dataset becomes an input, and the word becomes its path where the code runs."""
    if isinstance(word, DatasetConsumptionConfig):
        spec: InputSpec = {"dataset": word.reference, "mode": word.mode}
        if inputs.setdefault(word.name, spec) != spec:
            raise UserErrorException(
                f"Two datasets are given as the input {word.name!r}.", hint="Name each with as_named_input."
            )
        return f"{INPUT_WORD}{word.name}"
    if isinstance(word, OutputFileDatasetConfig):
        return f"{OUTPUT_WORD}{word.name}"
    if isinstance(word, (str, int, float)):
        return str(word)
    if isinstance(word, os.PathLike):
        return os.fspath(word)
    if hasattr(word, "__index__") or hasattr(word, "__float__"):  # a number of numpy
        return str(word)
    raise UserErrorException(
        f"The argument {word!r} is neither a text nor a number.",
        hint="Give a dataset as dataset.as_named_input(name).as_mount(), or in `inputs`.",
    )


def _input(name: str, given: Any) -> InputSpec:
    if isinstance(given, str):
        return {"dataset": given, "mode": "download"}
    if isinstance(given, dict):  # as a file has it
        return {"dataset": str(given.get("dataset") or ""), "mode": str(given.get("mode") or "download")}
    location = getattr(given, "data_location", None)
    if location is not None:
        reference = getattr(location.dataset, "dataset_id", None)
        mode = "mount" if str(given.mechanism or "").lower() == "mount" else "download"
    else:
        reference, mode = getattr(given, "reference", None), getattr(given, "mode", "download")
    if not isinstance(reference, str):
        raise UserErrorException(f"The input {name} is no dataset.", hint="Give a registered Dataset or its name.")
    return {"dataset": reference, "mode": mode}


def _named_inputs(config: "RunConfiguration") -> Dict[str, str]:
    """The path of each input under its name, as scripts of then read it from the environment.

    Names in capitals are left alone: one could be PATH.
    """
    given = [*config.arguments, *(config.command if isinstance(config.command, (list, tuple)) else ())]
    names = [one.name for one in (*given, *config.inputs.values()) if isinstance(one, DatasetConsumptionConfig)]
    return {name: f"{INPUT_WORD}{name}" for name in names if name.isidentifier() and not name.isupper()}


def _data_variables(config: "RunConfiguration") -> Dict[str, str]:
    return {
        given.environment_variable_name: f"{INPUT_WORD}{name}"
        for name, given in config.data.items()
        if getattr(given, "environment_variable_name", None)
    }


# --- environment -----------------------------------------------------------------------------------------------------


def _environment(config: "RunConfiguration", workspace: "Workspace") -> Tuple[str, Dict[str, str]]:
    """(name:version, variables)."""
    own = {str(key): str(value) for key, value in config.environment_variables.items()}
    environment = config.environment
    if isinstance(environment, str):
        return environment, own
    variables = {**{str(key): str(value) for key, value in environment.environment_variables.items()}, **own}
    made = environment if environment.version is not None else _registered(environment, workspace)
    return (f"{made.name}:{made.version}" if made else "system"), variables


def _registered(environment: "Environment", workspace: "Workspace") -> "Optional[Environment]":
    """Registered under its name, or under one made of its packages; None for one that asks for nothing."""
    from zaffre.core.runconfig import UNNAMED

    if environment.name != UNNAMED:
        return environment.register(workspace)
    spec: Any = environment.spec
    if spec.get("kind") == "system" or spec == {"kind": "pip", "requirements": []}:
        return None
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    return environment.clone(f"autosave-{digest[:12]}").register(workspace)


# --- many processes --------------------------------------------------------------------------------------------------


def distribution_of(config: "RunConfiguration") -> Tuple[int, Optional[DistributionSpec]]:
    """(nodes, how their processes belong together), None for a single process that nobody joins.

    Raises UserErrorException for a framework that does not run here, one that does not go with its communicator, and
    counts that do not divide.
    """
    nodes = count(config.node_count, "node_count")
    if config.distribution is not None:
        return nodes, _given(config.distribution)
    framework, communicator = str(config.framework or "Python").lower(), str(config.communicator or "None").lower()
    if framework not in _FRAMEWORKS:
        raise UserErrorException(f"The framework {config.framework!r} does not run here.", hint="Use 'Python'.")
    if framework not in _GOES_WITH.get(communicator, (framework,)) or communicator not in (*_GOES_WITH, "none"):
        raise UserErrorException(
            f"The communicator {config.communicator!r} does not go with the framework {config.framework!r}."
        )
    if communicator in _MPI or "mpi" in framework:
        nodes = max(nodes, config.mpi.node_count)
        return nodes, {"kind": "mpi", "processes_per_node": count(config.mpi.process_count_per_node, "processes")}
    if framework == "pytorch" or communicator in ("gloo", "nccl"):
        return _of_torch(config, nodes, communicator)
    workers, servers = config.tensorflow.worker_count, config.tensorflow.parameter_server_count
    if communicator == "parameterserver":
        wanted = count(workers, "worker_count") + count(servers, "parameter_server_count", least=0)
        return max(wanted, nodes), {
            "kind": "tensorflow",
            "processes_per_node": 1,
            "parameter_servers": int(servers),
        }
    return nodes, {"kind": "multiprocess", "processes_per_node": 1} if nodes > 1 else None


def _of_torch(config: "RunConfiguration", nodes: int, communicator: str) -> Tuple[int, Optional[DistributionSpec]]:
    nodes = max(nodes, config.pytorch.node_count)
    total = config.pytorch.process_count
    if total is None and nodes == 1 and communicator == "none":
        return 1, None  # one process of torch that is joined with none
    total = nodes if total is None else count(total, "process_count")
    if total % nodes:
        raise UserErrorException(
            f"{total} processes cannot be spread evenly over {nodes} nodes.",
            hint=f"Set process_count to a multiple of node_count, such as {nodes * max(1, round(total / nodes))}.",
        )
    backend = communicator if communicator in ("gloo", "nccl") else config.pytorch.communication_backend.lower()
    return nodes, {"kind": "pytorch", "processes_per_node": total // nodes, "backend": backend}


def _given(told: Dict[str, Any]) -> DistributionSpec:
    found = dict(told)
    found["processes_per_node"] = count(told.get("processes_per_node", 1), "processes_per_node")
    return cast(DistributionSpec, found)


# --- what is not honoured --------------------------------------------------------------------------------------------


def ignored(config: "RunConfiguration") -> List[str]:
    """See RunConfiguration.ignored."""
    told = [f"`{key}` of the run configuration is not known here and has no effect." for key in _unknown(config)]
    if config.data_references:
        told.append(f"{_names(config.data_references)}: there are no data references here; give datasets in `data`.")
    for name, given in config.data.items():
        if getattr(given, "path_on_compute", None):
            told.append(f"pathOnCompute of {name} has no effect: the studio chooses the folder.")
    if not config.history.snapshot_project:
        told.append("snapshotProject is off, but the code is always kept: without it the run could not start.")
    if not config.auto_prepare_environment:
        told.append("autoPrepareEnvironment is off, but a node that lacks the environment makes it.")
    if config.docker.use_docker and (config.docker.arguments or config.docker.shm_size):
        told.append("arguments and shm_size of the container have no effect: the node sets its limits.")
    if not isinstance(config.environment, str) and config.environment.docker.arguments:
        told.append("arguments of the environment's container have no effect: the node sets its limits.")
    if config.job_name:
        told.append("jobName has no effect; name the run with display_name.")
    return told


def _unknown(config: "RunConfiguration") -> List[str]:
    return [key for key, value in config.other.items() if value not in (None, {}, [], "") and key not in _QUIET]


def _names(found: Iterable[str]) -> str:
    return ", ".join(sorted(str(name) for name in found))
