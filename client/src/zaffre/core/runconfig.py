"""The run configuration behind a ScriptRunConfig."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.errors import UserErrorException
from zaffre.protocol import InputSpec, RunConfigBody

if TYPE_CHECKING:
    from zaffre.core.compute import ComputeTarget
    from zaffre.core.environment import Environment
    from zaffre.core.workspace import Workspace

__all__ = ["CondaDependencies", "RunConfiguration"]


class RunConfiguration:
    """Target, environment, words, variables and inputs of a run; every attribute may be set."""

    def __init__(self, script: Optional[str] = None, arguments: Optional[List[Any]] = None) -> None:
        self.script = script
        self.command: Union[str, List[str], None] = None
        self.arguments: List[Any] = list(arguments or [])
        self.target: "Union[str, ComputeTarget]" = "local"
        self.environment: "Union[str, Environment]" = "system"
        self.environment_variables: Dict[str, str] = {}
        self.inputs: Dict[str, Any] = {}
        #: Names of secrets, or VARIABLE=name: variables of the script, hidden in its log.
        self.secrets: List[str] = []
        self.max_run_duration_seconds: Optional[int] = None
        self.max_retries = 0

    def as_body(self, workspace: "Workspace") -> RunConfigBody:
        """As the studio takes it; an environment that is not registered yet is registered.

        Raises UserErrorException for arguments that a script cannot be given.
        """
        variables = dict(self.environment_variables)
        environment = self.environment
        if not isinstance(environment, str):
            variables = {**environment.environment_variables, **variables}
            if environment.version is None:
                environment = environment.register(workspace)
            environment = f"{environment.name}:{environment.version}"
        command = shlex.split(self.command) if isinstance(self.command, str) else self.command
        body: RunConfigBody = {
            "script": self.script.replace("\\", "/") if self.script else None,
            "command": [_word(word) for word in command] if command else None,
            "arguments": [_word(word) for word in self.arguments],
            "target": self.target if isinstance(self.target, str) else self.target.name,
            "environment": environment,
            "environment_variables": {str(key): str(value) for key, value in variables.items()},
            "inputs": {name: _input(name, given) for name, given in self.inputs.items()},
            "max_duration_seconds": self.max_run_duration_seconds,
            "max_retries": int(self.max_retries),
            "secrets": [str(name) for name in self.secrets],
        }
        return body


def _word(word: Any) -> str:
    if isinstance(word, (str, int, float)):
        return str(word)
    raise UserErrorException(
        f"The argument {word!r} is neither a text nor a number.",
        hint="Give datasets in `inputs`; the script finds them in Run.get_context().input_datasets.",
    )


def _input(name: str, given: Any) -> InputSpec:
    if isinstance(given, str):
        return {"dataset": given, "mode": "download"}
    reference, mode = getattr(given, "reference", None), getattr(given, "mode", "download")
    if not isinstance(reference, str):
        raise UserErrorException(f"The input {name} is no dataset.", hint="Give a registered Dataset or its name.")
    return {"dataset": reference, "mode": mode}
