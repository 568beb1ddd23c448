"""What a run is told to do: checking a RunConfig, without asking anybody."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext as _

from runs.asking import clean_priority, clean_resources, require_known
from studio.kernel import paths
from studio.kernel.errors import Invalid
from workspace.forms import clean_name
from workspace.references import did_you_mean
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
        raise Invalid(_("The config is an object such as {script, arguments, target, environment}."), field="config")
    if unknown := sorted(str(key)[:40] for key in set(body) - _KNOWN):
        raise Invalid(
            _("The config has unknown field(s): %(unknown)s.") % {"unknown": ", ".join(unknown[:5])}, field="config"
        )
    script, command = body.get("script") or None, body.get("command") or None
    if bool(script) == bool(command):
        raise Invalid(_("A run has either a script or a command."), field="config.script")
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
        _("The script %(script)s is not among the files of the snapshot (%(count)s).")
        % {"script": repr(script), "count": len(files)}
        + did_you_mean(near),
        code="no_such_script",
        hint=_("Give its path relative to the submitted folder, and see that no ignore file leaves it out."),
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
        raise Invalid(
            _("%(field)s is a text of 1 to %(most)s characters.") % {"field": field, "most": MAX_WORD},
            field=f"config.{field}",
        )
    return value


def _words(value: object, field: str) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) > MAX_WORDS:
        raise Invalid(
            _("%(field)s is a list of at most %(most)s words.") % {"field": field, "most": MAX_WORDS},
            field=f"config.{field}",
        )
    words = []
    for at, word in enumerate(value):
        if isinstance(word, bool) or not isinstance(word, (str, int, float)):
            raise Invalid(
                _("%(field)s[%(at)s] is neither a text nor a number.") % {"field": field, "at": at},
                field=f"config.{field}",
            )
        text = str(word)
        if "\0" in text or len(text) > MAX_WORD:
            raise Invalid(
                _("%(field)s[%(at)s] holds a NUL or is longer than %(most)s characters.")
                % {"field": field, "at": at, "most": MAX_WORD},
                field=f"config.{field}",
            )
        words.append(text)
    return words


def _variables(value: object) -> dict[str, str]:
    field = "environment_variables"
    if not isinstance(value, Mapping) or len(value) > MAX_VARIABLES:
        raise Invalid(
            _("%(field)s is an object of at most %(most)s names with values.")
            % {"field": field, "most": MAX_VARIABLES},
            field=f"config.{field}",
        )
    for name, text in value.items():
        if not isinstance(name, str) or not _VARIABLE.match(name):
            raise Invalid(
                _("%(name)s cannot be the name of a variable.") % {"name": repr(str(name)[:60])},
                field=f"config.{field}",
            )
        if not isinstance(text, str) or "\0" in text or len(text) > MAX_WORD:
            raise Invalid(
                _("The variable %(name)s is a text of at most %(most)s characters.") % {"name": name, "most": MAX_WORD},
                field=f"config.{field}",
            )
    return dict(value)


def _inputs(value: object) -> dict[str, InputSpec]:
    if not isinstance(value, Mapping) or len(value) > MAX_INPUTS:
        raise Invalid(
            _("inputs is an object of at most %(most)s named datasets.") % {"most": MAX_INPUTS},
            field="config.inputs",
        )
    found: dict[str, InputSpec] = {}
    for name, spec in value.items():
        if not isinstance(name, str) or not _INPUT.match(name):
            raise Invalid(
                _("%(name)s cannot be the name of an input: use letters, digits and . _ -")
                % {"name": repr(str(name)[:60])},
                field="config.inputs",
            )
        given = {"dataset": spec} if isinstance(spec, str) else spec
        if not isinstance(given, Mapping):
            raise Invalid(
                _("The input %(name)s names a dataset, such as digits or digits:2.") % {"name": name},
                field="config.inputs",
            )
        require_known(given, InputSpec.__annotations__, f"inputs.{name}")
        mode = given.get("mode") or "download"
        if mode not in MODES:
            raise Invalid(
                _("The input %(name)s is given as %(modes)s.") % {"name": name, "modes": " or ".join(MODES)},
                field="config.inputs",
            )
        found[name] = InputSpec(dataset=_text(given.get("dataset"), f"inputs.{name}"), mode=mode)
    return found


def _secrets(value: object, variables: object) -> list[str]:
    """VARIABLE=name of each, also where a name was given alone. Whether they are there is asked at the submit."""
    if not isinstance(value, (list, tuple)) or len(value) > MAX_SECRETS:
        raise Invalid(
            _("secrets is a list of at most %(most)s names of secrets.") % {"most": MAX_SECRETS},
            field="config.secrets",
        )
    taken = set(variables) if isinstance(variables, Mapping) else set()
    found = []
    for entry in value:
        # What does not look like a name may be a value that somebody put in its place: it is not repeated.
        if not isinstance(entry, str) or not _SECRET.match(entry):
            raise Invalid(
                _("secrets holds names of secrets, or VARIABLE=name; one entry is neither."),
                hint=_(
                    "The value of a secret is kept in the workspace's key vault, never in the configuration of a run."
                ),
                field="config.secrets",
            )
        variable, mark, name = entry.rpartition("=")
        if not mark:
            variable = ENV_SECRET_PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())
        if variable in taken:
            raise Invalid(_("The variable %(variable)s is set twice.") % {"variable": variable}, field="config.secrets")
        taken.add(variable)
        found.append(f"{variable}={name}")
    return found


def secret_names(config: Mapping[str, Any]) -> list[str]:
    """The secrets that a checked configuration names."""
    return [entry.rpartition("=")[2] for entry in config.get("secrets") or []]


def _distribution(value: object, nodes: int) -> DistributionSpec:
    field = "config.distribution"
    if not isinstance(value, Mapping):
        raise Invalid(_("distribution is an object such as {kind, processes_per_node}."), field=field)
    require_known(value, DistributionSpec.__annotations__, "distribution")
    kind = value.get("kind") or "multiprocess"
    if kind not in DISTRIBUTIONS:
        raise Invalid(
            _("The kind of a distribution is one of %(distributions)s.") % {"distributions": ", ".join(DISTRIBUTIONS)},
            field=field,
        )
    processes = _whole(value.get("processes_per_node"), "distribution", most=MAX_PROCESSES) or 1
    found = DistributionSpec(kind=kind, processes_per_node=processes)
    if kind == "pytorch":
        backend = str(value.get("backend") or "nccl").lower()
        if backend not in BACKENDS:
            raise Invalid(
                _("The backend of a distribution is one of %(backends)s.") % {"backends": ", ".join(BACKENDS)},
                field=field,
            )
        found["backend"] = backend
    if servers := _whole(value.get("parameter_servers"), "distribution", most=MAX_NODES, least=0):
        if kind != "tensorflow" or servers >= nodes:
            raise Invalid(_("Parameter servers are of TensorFlow, and fewer than its nodes."), field=field)
        found["parameter_servers"] = servers
    return found


def _history(value: object) -> HistorySpec:
    field = "config.history"
    if not isinstance(value, Mapping):
        raise Invalid(_("history is an object such as {output_collection, directories_to_watch}."), field=field)
    require_known(value, HistorySpec.__annotations__, "history")
    folders = value.get("directories_to_watch")
    folders = ["logs"] if folders is None else folders
    if not isinstance(folders, (list, tuple)) or len(folders) > MAX_WATCHED:
        raise Invalid(
            _("directories_to_watch is a list of at most %(most)s folders.") % {"most": MAX_WATCHED},
            field=field,
        )
    try:
        watched = [paths.clean(_text(one, "history").removeprefix("./").rstrip("/")) for one in folders]
    except Invalid as error:
        raise Invalid(
            _("A folder to watch is one of the run's own. %(message)s") % {"message": error.message}, field=field
        ) from None
    return HistorySpec(
        output_collection=value.get("output_collection") is not False, directories_to_watch=list(dict.fromkeys(watched))
    )


def _require_inputs(checked: RunConfigBody) -> None:
    """Raise Invalid for a word that stands for an input which the run does not have."""
    words = [*checked["arguments"], *(checked["command"] or ()), *checked["environment_variables"].values()]
    for word in words:
        name = word.removeprefix(INPUT_WORD)
        if name != word and name not in checked["inputs"]:
            raise Invalid(
                _("%(word)s stands for an input that the run does not have.") % {"word": word}, field="config.inputs"
            )


def _whole(value: object, field: str, *, most: int, least: int = 1) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Invalid(
            _("%(field)s is a whole number from %(least)s to %(most)s.")
            % {"field": field, "least": least, "most": most},
            field=f"config.{field}",
        )
    return value
