"""The user's scoring script: loaded once, judged before anything is served, called for every request."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional

from zaffre.serve.raw import AMLRequest, wants_raw

_ENTRY = "zaffre_entry_script"


class BadScript(Exception):
    """The script cannot be served. The message says what is wrong and what to write instead."""


class BadInput(Exception):
    """A request that the script's declared input does not fit."""


class Script:
    """init() and run() of a script that was found good."""

    def __init__(self, module: ModuleType, path: Path) -> None:
        self.path = path
        self.init: Callable[[], Any] = module.init
        self.run: Callable[..., Any] = module.run
        self.raw = wants_raw(self.run)
        self.schema = _schema_tools(self.run)
        self._parameters = _declared(self.run) if self.schema else []

    def call(self, request: AMLRequest, text: str) -> Any:
        """The answer of run(). Raises BadInput, or whatever run() raises."""
        if self.raw:
            return self.run(request)
        if not self.schema:
            return self.run(text)
        values = json.loads(text)
        if not isinstance(values, dict):
            raise BadInput(f"The body must be a JSON object with {', '.join(self._parameters)}.")
        self._judge(values)
        try:
            return self.run(**values)
        except Exception as error:
            # Raised while converting, before any line of the script ran: the caller's input is at fault.
            if self._reached_script(error):
                raise
            raise BadInput(f"The input does not fit what the script declares: {error}") from error

    def _judge(self, values: Dict[str, Any]) -> None:
        unknown = sorted(set(values) - set(self._parameters))
        if unknown:
            raise BadInput(f"Unknown input {', '.join(unknown)}; the script takes {', '.join(self._parameters)}.")
        signature = inspect.signature(self.run)
        needed = [
            name
            for name, found in signature.parameters.items()
            if found.default is inspect.Parameter.empty
            and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)
        ]
        missing = sorted(set(needed) - set(values))
        if missing:
            raise BadInput(f"The input lacks {', '.join(missing)}.")

    def _reached_script(self, error: BaseException) -> bool:
        where = str(self.path)
        return any(frame.filename == where for frame in traceback.extract_tb(error.__traceback__))

    def swagger(self, version: str) -> Optional[Dict[str, Any]]:
        """Input and output schema for a Swagger version; None when the script declares none for it."""
        if not self.schema:
            return None
        supported = [str(found) for found in self.schema.get_supported_versions(self.run)]
        full = {"2": "2.0", "3": "3.0"}.get(version, version)
        if full not in supported:
            return None
        try:
            return {
                "input": self.schema.get_input_schema(self.run, full),
                "output": self.schema.get_output_schema(self.run, full),
            }
        except TypeError:  # packages before versions took one argument
            return {"input": self.schema.get_input_schema(self.run), "output": self.schema.get_output_schema(self.run)}


def load(path: Path) -> Script:
    """Import the script and judge it. Raises BadScript; what the script itself raised is its cause."""
    if not path.is_file():
        raise BadScript(f"The entry script {path.name!r} is not in the deployment's code.")
    spec = importlib.util.spec_from_file_location(_ENTRY, str(path))
    if spec is None or spec.loader is None:
        raise BadScript(f"The entry script {path.name!r} is no Python file; its name must end with .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_ENTRY] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise BadScript(f"The entry script {path.name!r} cannot be imported: {error!r}") from error
    judge(module, path.name)
    return Script(module, path)


def judge(module: ModuleType, name: str) -> None:
    """Raise BadScript unless init() and run() are what a scoring server can call."""
    init, run = getattr(module, "init", None), getattr(module, "run", None)
    if not callable(init):
        raise BadScript(f"{name} has no function init(); write one that loads the model.")
    if not callable(run):
        raise BadScript(f"{name} has no function run(data); write one that returns the answer.")
    if any(found.default is inspect.Parameter.empty and found.kind not in _VARIADIC for found in _parameters(init)):
        raise BadScript(f"init() of {name} takes no arguments, because nothing is there to give to it.")
    found = _parameters(run)
    if not found:
        raise BadScript(f"run() of {name} takes no argument; it must take the request, as in run(data).")
    if any(one.kind in _VARIADIC for one in found):
        raise BadScript(f"run() of {name} uses *args or **kwargs; name its arguments.")
    schema = _schema_tools(run)
    if wants_raw(run) and schema:
        raise BadScript(f"run() of {name} has both rawhttp and an input schema; choose one.")
    if not schema and len([one for one in found if one.default is inspect.Parameter.empty]) != 1:
        raise BadScript(f"run() of {name} must take exactly one argument unless an input schema declares more.")


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _parameters(function: Callable[..., Any]) -> List[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _declared(function: Callable[..., Any]) -> List[str]:
    return [found.name for found in _parameters(function) if found.kind not in _VARIADIC]


def _schema_tools(function: Callable[..., Any]) -> Any:
    """The module that knows the schema of a decorated run(), if its package is in this environment; else None."""
    if "inference_schema" not in sys.modules:  # then the script did not import it either
        return None
    tools = importlib.import_module("inference_schema.schema_util")
    return tools if tools.is_schema_decorated(function) else None
