"""What to run: a folder, a script in it, where, and in which environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union, cast

from zaffre.core.runconfig import DockerConfiguration, RunConfiguration
from zaffre.errors import UserErrorException
from zaffre.protocol import INPUT_WORD

if TYPE_CHECKING:
    from zaffre.core.compute import ComputeTarget
    from zaffre.core.environment import Environment
    from zaffre.core.workspace import Workspace
    from zaffre.protocol import RunConfigBody


class ScriptRunConfig:
    """The configuration of one run. The folder is read when it is submitted, not before.

    `run_config` is the RunConfiguration behind it and may be changed; one that is given may serve several scripts.
    """

    def __init__(
        self,
        source_directory: Optional[str] = None,
        script: Optional[str] = None,
        arguments: Optional[Sequence[Any]] = None,
        run_config: Optional[RunConfiguration] = None,
        compute_target: Union[str, "ComputeTarget", None] = None,
        environment: Union[str, "Environment", None] = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: Optional[int] = None,
        command: Union[str, List[str], None] = None,
        docker_runtime_config: Optional[DockerConfiguration] = None,
        *,
        inputs: Optional[Mapping[str, Any]] = None,
        environment_variables: Optional[Mapping[str, str]] = None,
        resources: Optional[Mapping[str, Any]] = None,
        max_retries: Optional[int] = None,
        secrets: Optional[Sequence[str]] = None,
        max_user_retries: Optional[int] = None,
    ) -> None:
        """`inputs` gives datasets to the script: {name: dataset, or "name:version"}; see `Run.input_datasets`.
        `secrets` names those of the key vault that become variables of the script, as name or VARIABLE=name.

        `resume_from`, a dataset, becomes the input `resume_from`, and the words `--resume-from FOLDER` of the script.
        Without `max_run_duration_seconds` a run may take as long as it wants. Raises UserErrorException for both a
        script and a command, or neither, and for what is of a kind that cannot be meant.
        """
        if run_config is not None and not isinstance(run_config, RunConfiguration):
            raise UserErrorException(f"run_config is a RunConfiguration, not a {type(run_config).__name__}.")
        self.source_directory = str(source_directory or ".")
        self.run_config = made = run_config or RunConfiguration()
        self._shared = run_config is not None
        #: What was said beside a run configuration that may serve other scripts, too.
        self._own: Dict[str, Any] = {}
        self._say(script=script, command=command, arguments=None if arguments is None else _words(arguments))
        if bool(self.script) == bool(self.command):
            raise UserErrorException("A run has either a script or a command.")
        if compute_target is not None:
            made.target = compute_target
        if environment is not None:
            made.environment = environment
        if distributed_job_config is not None:
            made.distribute(distributed_job_config)
        if max_run_duration_seconds is not None:
            made.max_run_duration_seconds = max_run_duration_seconds
        if docker_runtime_config is not None:
            made.docker = docker_runtime_config
        if max_retries is not None:
            made.max_retries = max_retries
        made.secrets.extend(secrets or ())
        if max_user_retries is not None:
            made.max_user_retries = max_user_retries
        made.inputs.update(inputs or {})
        made.environment_variables.update(environment_variables or {})
        made.need(resources or {})
        self._resume_from = resume_from

    def _say(self, **told: Any) -> None:
        for name, value in told.items():
            if value is None:
                continue
            if self._shared:
                self._own[name] = value
            else:
                setattr(self.run_config, name, value)

    def _said(self, name: str) -> Any:
        # A script that was given here replaces the command of the run configuration, and the other way round.
        if name in self._own or (name != "arguments" and {"script", "command"} & set(self._own)):
            return self._own.get(name)
        return getattr(self.run_config, name)

    @property
    def script(self) -> Optional[str]:
        """The script's path in the folder."""
        return cast("Optional[str]", self._said("script"))

    @script.setter
    def script(self, path: str) -> None:
        self._say(script=path)

    @property
    def command(self) -> Union[str, List[str], None]:
        """Words that run instead of a script."""
        return cast("Union[str, List[str], None]", self._said("command"))

    @property
    def arguments(self) -> List[Any]:
        """The words of the script."""
        return cast("List[Any]", self._said("arguments"))

    @arguments.setter
    def arguments(self, words: Sequence[Any]) -> None:
        self._say(arguments=_words(words))

    def effective(self) -> RunConfiguration:
        """The run configuration with this script and its words; the one behind it stays as it is."""
        from copy import copy

        found = copy(self.run_config)
        found.script, found.command, found.arguments = self.script, self.command, self.arguments
        if self._resume_from is not None:
            found.inputs = {**found.inputs, "resume_from": self._resume_from}
            found.arguments = [*found.arguments, "--resume-from", f"{INPUT_WORD}resume_from"]
        return found

    def as_body(self, workspace: "Workspace") -> "RunConfigBody":
        """As the studio takes it. Raises UserErrorException as `RunConfiguration.as_body`."""
        return self.effective().as_body(workspace)


def _words(arguments: Sequence[Any]) -> List[Any]:
    if isinstance(arguments, (str, bytes)) or not isinstance(arguments, (list, tuple)):
        raise UserErrorException(
            f"arguments is a list of words, not {type(arguments).__name__}.",
            hint='Write ["--epochs", 3]; a text is split with shlex.split("--epochs 3").',
        )
    return list(arguments)
