"""What a run is told to do: checking a RunConfig, without asking anybody."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from runs.asking import clean_priority, clean_resources, require_known
from studio.kernel import paths
from studio.kernel.errors import Invalid
from workspace.forms import clean_name
from zaffre.protocol import (
    BACKENDS,
    DISTRIBUTIONS,
    ENV_SECRET_PREFIX,
    INPUT_WORD,
    DistributionSpec,
    HistorySpec,
    InputSpec,
    RunConfigBody,
)

MAX_WORDS = 1000
MAX_WORD = 32 * 1024
MAX_VARIABLES = 200
MAX_INPUTS = 200
MAX_SECRETS = 100
MAX_RETRIES = 20
MAX_DURATION = 30 * 24 * 3600
MAX_NODES, MAX_PROCESSES = 256, 256
MAX_WATCHED = 20
MODES = ("download", "mount")
DEFAULT_TARGET, DEFAULT_ENVIRONMENT = "local", "system"
_KNOWN = set(RunConfigBody.__annotations__)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}\Z")
_SECRET = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]{0,199}=)?[A-Za-z0-9][A-Za-z0-9_-]{0,126}\Z")
_INPUT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")


def parse_config(body: object) -> RunConfigBody:
    """Return the configuration with every field in its one spelling. Raises Invalid that names the field."""
    if not isinstance(body, Mapping):
        raise Invalid("The config is an object such as {script, arguments, target, environment}.", field="config")
    if unknown := sorted(str(key)[:40] for key in set(body) - _KNOWN):
        raise Invalid(f"The config has unknown field(s): {', '.join(unknown[:5])}.", field="config")
    script, command = body.get("script") or None, body.get("command") or None
    if bool(script) == bool(command):
        raise Invalid("A run has either a script or a command.", field="config.script")
    if script is not None:
        script = paths.clean(_text(script, "script").removeprefix("./"))
    checked = RunConfigBody(
        script=script,
        command=_words(command, "command") if command else None,
        arguments=_words(body.get("arguments") or [], "arguments"),
        target=clean_name(_text(body.get("target") or DEFAULT_TARGET, "target"), noun="a compute target"),
        environment=_text(body.get("environment") or DEFAULT_ENVIRONMENT, "environment"),
        environment_variables=_variables(body.get("environment_variables") or {}),
        inputs=_inputs(body.get("inputs") or {}),
        max_duration_seconds=_whole(body.get("max_duration_seconds"), "max_duration_seconds", most=MAX_DURATION),
        max_retries=_whole(body.get("max_retries"), "max_retries", most=MAX_RETRIES, least=0) or 0,
        secrets=_secrets(body.get("secrets") or [], body.get("environment_variables") or {}),
    )
    _add_what_is_said(checked, body)
    _require_inputs(checked)
    return checked


def _add_what_is_said(checked: RunConfigBody, body: Mapping[str, object]) -> None:
    """The fields that most runs do not have: they are there only when they say something."""
    if again := _whole(body.get("max_user_retries"), "max_user_retries", most=MAX_RETRIES, least=0):
        checked["max_user_retries"] = again
    nodes = _whole(body.get("node_count"), "node_count", most=MAX_NODES) or 1
    if nodes > 1:
        checked["node_count"] = nodes
    if body.get("distribution") or nodes > 1:
        checked["distribution"] = _distribution(body.get("distribution") or {"kind": "multiprocess"}, nodes)
    if body.get("history"):
        checked["history"] = _history(body["history"])
    if asked := clean_resources(body.get("resources") or {}):
        checked["resources"] = asked
    if priority := clean_priority(body.get("priority")):
        checked["priority"] = priority


def require_script(config: RunConfigBody, files: list[str]) -> None:
    """Raise Invalid `no_such_script`, naming the nearest file, unless the script is one of the snapshot's files."""
    script = config["script"]
    if script is None or script in files:
        return
    near = _nearest(script, files)
    raise Invalid(
        f"The script {script!r} is not among the {len(files)} files of the snapshot."
        + (f" Did you mean {near!r}?" if near else ""),
        code="no_such_script",
        hint="Give its path relative to the submitted folder, and see that no ignore file leaves it out.",
        field="config.script",
        nearest=near,
    )


def _nearest(script: str, files: list[str]) -> str | None:
    name = script.rpartition("/")[2]
    same_name = [path for path in files if path.rpartition("/")[2] == name]
    if same_name:
        return min(same_name, key=len)
    near = get_close_matches(script, files, n=1, cutoff=0.4)
    return near[0] if near else None


def _text(value: object, field: str) -> str:
    if not isinstance(value, str) or not value or len(value) > MAX_WORD or "\0" in value:
        raise Invalid(f"{field} is a text of 1 to {MAX_WORD} characters.", field=f"config.{field}")
    return value


def _words(value: object, field: str) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) > MAX_WORDS:
        raise Invalid(f"{field} is a list of at most {MAX_WORDS} words.", field=f"config.{field}")
    words = []
    for at, word in enumerate(value):
        if isinstance(word, bool) or not isinstance(word, (str, int, float)):
            raise Invalid(f"{field}[{at}] is neither a text nor a number.", field=f"config.{field}")
        text = str(word)
        if "\0" in text or len(text) > MAX_WORD:
            raise Invalid(
                f"{field}[{at}] holds a NUL or is longer than {MAX_WORD} characters.", field=f"config.{field}"
            )
        words.append(text)
    return words


def _variables(value: object) -> dict[str, str]:
    field = "environment_variables"
    if not isinstance(value, Mapping) or len(value) > MAX_VARIABLES:
        raise Invalid(f"{field} is an object of at most {MAX_VARIABLES} names with values.", field=f"config.{field}")
    for name, text in value.items():
        if not isinstance(name, str) or not _VARIABLE.match(name):
            raise Invalid(f"{str(name)[:60]!r} cannot be the name of a variable.", field=f"config.{field}")
        if not isinstance(text, str) or "\0" in text or len(text) > MAX_WORD:
            raise Invalid(f"The variable {name} is a text of at most {MAX_WORD} characters.", field=f"config.{field}")
    return dict(value)


def _inputs(value: object) -> dict[str, InputSpec]:
    if not isinstance(value, Mapping) or len(value) > MAX_INPUTS:
        raise Invalid(f"inputs is an object of at most {MAX_INPUTS} named datasets.", field="config.inputs")
    found: dict[str, InputSpec] = {}
    for name, spec in value.items():
        if not isinstance(name, str) or not _INPUT.match(name):
            raise Invalid(
                f"{str(name)[:60]!r} cannot be the name of an input: use letters, digits and . _ -",
                field="config.inputs",
            )
        given = {"dataset": spec} if isinstance(spec, str) else spec
        if not isinstance(given, Mapping):
            raise Invalid(f"The input {name} names a dataset, such as digits or digits:2.", field="config.inputs")
        require_known(given, InputSpec.__annotations__, f"inputs.{name}")
        mode = given.get("mode") or "download"
        if mode not in MODES:
            raise Invalid(f"The input {name} is given as {' or '.join(MODES)}.", field="config.inputs")
        found[name] = InputSpec(dataset=_text(given.get("dataset"), f"inputs.{name}"), mode=mode)
    return found


def _secrets(value: object, variables: object) -> list[str]:
    """VARIABLE=name of each, also where a name was given alone. Whether they are there is asked at the submit."""
    if not isinstance(value, (list, tuple)) or len(value) > MAX_SECRETS:
        raise Invalid(f"secrets is a list of at most {MAX_SECRETS} names of secrets.", field="config.secrets")
    taken = set(variables) if isinstance(variables, Mapping) else set()
    found = []
    for entry in value:
        # What does not look like a name may be a value that somebody put in its place: it is not repeated.
        if not isinstance(entry, str) or not _SECRET.match(entry):
            raise Invalid(
                "secrets holds names of secrets, or VARIABLE=name; one entry is neither.",
                hint="The value of a secret is kept in the workspace's key vault, never in the configuration of a run.",
                field="config.secrets",
            )
        variable, mark, name = entry.rpartition("=")
        if not mark:
            variable = ENV_SECRET_PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())
        if variable in taken:
            raise Invalid(f"The variable {variable} is set twice.", field="config.secrets")
        taken.add(variable)
        found.append(f"{variable}={name}")
    return found


def secret_names(config: Mapping[str, Any]) -> list[str]:
    """The secrets that a checked configuration names."""
    return [entry.rpartition("=")[2] for entry in config.get("secrets") or []]


def _distribution(value: object, nodes: int) -> DistributionSpec:
    field = "config.distribution"
    if not isinstance(value, Mapping):
        raise Invalid("distribution is an object such as {kind, processes_per_node}.", field=field)
    require_known(value, DistributionSpec.__annotations__, "distribution")
    kind = value.get("kind") or "multiprocess"
    if kind not in DISTRIBUTIONS:
        raise Invalid(f"The kind of a distribution is one of {', '.join(DISTRIBUTIONS)}.", field=field)
    processes = _whole(value.get("processes_per_node"), "distribution", most=MAX_PROCESSES) or 1
    found = DistributionSpec(kind=kind, processes_per_node=processes)
    if kind == "pytorch":
        backend = str(value.get("backend") or "nccl").lower()
        if backend not in BACKENDS:
            raise Invalid(f"The backend of a distribution is one of {', '.join(BACKENDS)}.", field=field)
        found["backend"] = backend
    if servers := _whole(value.get("parameter_servers"), "distribution", most=MAX_NODES, least=0):
        if kind != "tensorflow" or servers >= nodes:
            raise Invalid("Parameter servers are of TensorFlow, and fewer than its nodes.", field=field)
        found["parameter_servers"] = servers
    return found


def _history(value: object) -> HistorySpec:
    field = "config.history"
    if not isinstance(value, Mapping):
        raise Invalid("history is an object such as {output_collection, directories_to_watch}.", field=field)
    require_known(value, HistorySpec.__annotations__, "history")
    folders = value.get("directories_to_watch")
    folders = ["logs"] if folders is None else folders
    if not isinstance(folders, (list, tuple)) or len(folders) > MAX_WATCHED:
        raise Invalid(f"directories_to_watch is a list of at most {MAX_WATCHED} folders.", field=field)
    try:
        watched = [paths.clean(_text(one, "history").removeprefix("./").rstrip("/")) for one in folders]
    except Invalid as error:
        raise Invalid(f"A folder to watch is one of the run's own. {error.message}", field=field) from None
    return HistorySpec(
        output_collection=value.get("output_collection") is not False, directories_to_watch=list(dict.fromkeys(watched))
    )


def _require_inputs(checked: RunConfigBody) -> None:
    """Raise Invalid for a word that stands for an input which the run does not have."""
    words = [*checked["arguments"], *(checked["command"] or ()), *checked["environment_variables"].values()]
    for word in words:
        name = word.removeprefix(INPUT_WORD)
        if name != word and name not in checked["inputs"]:
            raise Invalid(f"{word} stands for an input that the run does not have.", field="config.inputs")


def _whole(value: object, field: str, *, most: int, least: int = 1) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Invalid(f"{field} is a whole number from {least} to {most}.", field=f"config.{field}")
    return value
