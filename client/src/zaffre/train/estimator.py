"""Estimator: a training script, its packages and its machines in one call."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from zaffre.core.conda_dependencies import CondaDependencies, name_of
from zaffre.core.environment import Environment, read_requirements
from zaffre.core.runconfig import (
    UNNAMED,
    MpiConfiguration,
    PyTorchConfiguration,
    RunConfiguration,
    TensorflowConfiguration,
)
from zaffre.core.runconfig_sections import count
from zaffre.core.script_run_config import ScriptRunConfig
from zaffre.errors import UserErrorException

if TYPE_CHECKING:
    from zaffre.core.compute import ComputeTarget

__all__ = ["Estimator"]

_BACKENDS = ("mpi", "ps", "gloo", "nccl")


class Estimator(ScriptRunConfig):
    """A ScriptRunConfig in the words of before it. Submit it as one; `run_config` may be changed until then."""

    #: Packages that come with it, unless the caller names them.
    brings: ClassVar[Tuple[str, ...]] = ()

    def __init__(
        self,
        source_directory: str = ".",
        *,
        compute_target: Union[str, "ComputeTarget", None] = None,
        entry_script: Optional[str] = None,
        script_params: Optional[Mapping[str, Any]] = None,
        node_count: Any = 1,
        process_count_per_node: Any = 1,
        distributed_backend: Optional[str] = None,
        distributed_training: Any = None,
        user_managed: bool = False,
        custom_docker_image: Optional[str] = None,
        custom_docker_base_image: Optional[str] = None,
        conda_packages: Optional[Sequence[str]] = None,
        pip_packages: Optional[Sequence[str]] = None,
        conda_dependencies_file: Optional[str] = None,
        conda_dependencies_file_path: Optional[str] = None,
        pip_requirements_file: Optional[str] = None,
        pip_requirements_file_path: Optional[str] = None,
        environment_variables: Optional[Mapping[str, str]] = None,
        environment_definition: Optional[Environment] = None,
        inputs: Optional[Sequence[Any]] = None,
        resume_from: Any = None,
        max_run_duration_seconds: Optional[int] = None,
        framework_version: Optional[str] = None,
        **others: Any,
    ) -> None:
        """`script_params` are words and their values ("" for a word alone); `inputs` are named datasets.

        `use_gpu`, `use_docker`, `shm_size` and the rest of a container mean nothing: its node makes the environment.
        Raises UserErrorException for what cannot be meant.
        """
        _refuse(others)
        if not entry_script:
            raise UserErrorException("An estimator has an entry_script: the script's path in its source_directory.")
        if framework_version:
            _warn_of_version(framework_version, self.brings)
        config = RunConfiguration(script=entry_script)
        config.node_count = nodes = count(node_count, "node_count")
        told = _distribution(distributed_backend, distributed_training, nodes, process_count_per_node)
        if told is not None:
            config.distribute(told, nodes)
        conda_file = conda_dependencies_file or conda_dependencies_file_path
        pip_file = pip_requirements_file or pip_requirements_file_path
        packages = _packages(conda_packages, pip_packages, conda_file, pip_file, self.brings)
        image = custom_docker_image or custom_docker_base_image
        made = environment_definition or _environment(packages, user_managed=user_managed, image=image)
        super().__init__(
            source_directory,
            script=entry_script,
            arguments=_words(script_params or {}),
            run_config=config,
            compute_target=compute_target,
            environment=made,
            resume_from=resume_from,
            max_run_duration_seconds=max_run_duration_seconds,
            inputs=_named(inputs or ()),
            environment_variables=environment_variables,
        )

    @property
    def conda_dependencies(self) -> CondaDependencies:
        """The packages of its environment. Raises UserErrorException when that is given by its name."""
        environment = self.run_config.environment
        if isinstance(environment, str):
            raise UserErrorException(f"The environment {environment} is given by its name: its packages do not change.")
        return environment.python.conda_dependencies


def _packages(
    conda: Optional[Sequence[str]],
    pip: Optional[Sequence[str]],
    conda_file: Optional[str],
    pip_file: Optional[str],
    brings: Sequence[str],
) -> CondaDependencies:
    found = CondaDependencies(conda_dependencies_file_path=conda_file)
    for one in conda or ():
        found.add_conda_package(one)
    for one in [*(read_requirements(Path(pip_file)) if pip_file else ()), *(pip or ())]:
        found.add_pip_package(one)
    named = {name_of(one) for one in (*found.pip_packages, *found.conda_packages)}
    for one in brings:
        if name_of(one) not in named:
            found.add_pip_package(one)
    return found


def _environment(packages: CondaDependencies, *, user_managed: bool, image: Optional[str]) -> Environment:
    made = Environment(UNNAMED)
    made.python.conda_dependencies = packages
    made.python.user_managed_dependencies = bool(user_managed)
    made.docker.base_image = image
    return made


def _warn_of_version(version: str, brings: Sequence[str]) -> None:
    warnings.warn(
        f"framework_version {version} is not honoured: its packages are for Pythons of then. "
        f"The newest of {', '.join(brings) or 'them'} is installed; pip_packages chooses another.",
        UserWarning,
        stacklevel=3,
    )


#: Of a cloud's machines and containers; they change nothing here.
_MEANINGLESS = (
    *("vm_priority", "use_gpu", "use_docker", "image_registry_details", "source_directory_data_store", "shm_size"),
    *("docker_arguments", "job_name", "_disable_validation", "_show_lint_warnings", "_show_package_warnings"),
    *("_enable_optimized_mode", "_pip_requirements_dict"),
)


def _refuse(others: Dict[str, Any]) -> None:
    if others.pop("vm_size", None):
        raise UserErrorException(
            "There is no cluster that is made for one run.",
            hint="Make one with ComputeTarget.create and AmlCompute.provisioning_configuration, and give it as "
            "compute_target: it takes nodes when runs wait and gives them back.",
        )
    unknown = sorted(set(others) - set(_MEANINGLESS))
    if unknown:
        raise UserErrorException(f"An estimator has no {unknown[0]!r}.")


def _words(params: Mapping[str, Any]) -> List[Any]:
    return [word for name, value in params.items() for word in ((name,) if value in ("", None) else (name, value))]


def _named(inputs: Sequence[Any]) -> Dict[str, Any]:
    for one in inputs:
        if not hasattr(one, "reference") or not hasattr(one, "mode"):
            raise UserErrorException(
                f"The input {one!r:.60} is no named dataset.", hint="Give dataset.as_named_input(name)."
            )
    return {one.name: one for one in inputs}


def _distribution(backend: Optional[str], told: Any, nodes: int, per_node: Any) -> Any:
    """How its processes find each other, None for a single one."""
    if isinstance(told, (MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration)):
        return told
    if told is not None and not isinstance(told, str):
        raise UserErrorException(f"distributed_training is an MpiConfiguration or the like, not {told!r:.60}.")
    word = str(told or backend or "").lower()
    processes = count(per_node, "process_count_per_node")
    if not word:
        return MpiConfiguration(processes, nodes) if processes > 1 else None
    if word not in _BACKENDS:
        raise UserErrorException(f"distributed_backend is one of {', '.join(_BACKENDS)}, not {word!r}.")
    if word == "mpi":
        return MpiConfiguration(processes, nodes)
    if word == "ps":
        return TensorflowConfiguration(worker_count=max(1, nodes - 1), parameter_server_count=1 if nodes > 1 else 0)
    return PyTorchConfiguration(word.capitalize(), nodes * processes, nodes)
