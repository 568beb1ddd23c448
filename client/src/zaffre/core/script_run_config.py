"""What to run: a folder, a script in it, where, and in which environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Sequence, Union

from zaffre.core.runconfig import RunConfiguration
from zaffre.errors import UserErrorException

if TYPE_CHECKING:
    from zaffre.core.compute import ComputeTarget
    from zaffre.core.environment import Environment


class ScriptRunConfig:
    """The configuration of one run. The folder is read when it is submitted, not before."""

    def __init__(
        self,
        source_directory: Optional[str] = None,
        script: Optional[str] = None,
        arguments: Optional[Sequence[Any]] = None,
        run_config: Optional[RunConfiguration] = None,
        compute_target: Union[str, "ComputeTarget", None] = None,
        environment: Union[str, "Environment", None] = None,
        command: Union[str, List[str], None] = None,
        max_run_duration_seconds: Optional[int] = None,
        *,
        inputs: Optional[Mapping[str, Any]] = None,
        environment_variables: Optional[Mapping[str, str]] = None,
        max_retries: Optional[int] = None,
        secrets: Optional[Sequence[str]] = None,
    ) -> None:
        """`inputs` gives datasets to the script: {name: dataset, or "name:version"}; see `Run.input_datasets`.
        `secrets` names those of the key vault that become variables of the script, as name or VARIABLE=name.

        Raises UserErrorException for both a script and a command, or neither.
        """
        self.source_directory = str(source_directory or ".")
        self.run_config = run_config or RunConfiguration()
        made = self.run_config
        made.script = script if script is not None else made.script
        made.command = command if command is not None else made.command
        if bool(made.script) == bool(made.command):
            raise UserErrorException("A run has either a script or a command.")
        if arguments is not None:
            made.arguments = list(arguments)
        if compute_target is not None:
            made.target = compute_target
        if environment is not None:
            made.environment = environment
        if max_run_duration_seconds is not None:
            made.max_run_duration_seconds = max_run_duration_seconds
        if max_retries is not None:
            made.max_retries = max_retries
        made.secrets.extend(secrets or ())
        made.inputs.update(inputs or {})
        made.environment_variables.update(environment_variables or {})

    @property
    def script(self) -> Optional[str]:
        return self.run_config.script

    @property
    def arguments(self) -> List[Any]:
        return self.run_config.arguments
