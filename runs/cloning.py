"""A run as a form to change and submit again, and the form as what is submitted. Nothing that was typed is lost.

Pure thinking, no database.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from runs import forms
from studio.kernel.errors import Invalid

#: Empty rows under the inputs, tags and variables of a form.
MORE = 2
#: Rows that are read.
MOST_ROWS = 1000
#: Tags that a client writes by itself: they say how the other run was begun.
_OF_CLIENTS = "mlflow."
CLONED_FROM = "cloned_from"

Pair = tuple[str, str]
_BEYOND = (
    *("user_retries", "cpus", "memory", "gpus", "priority", "nodes", "distribution", "backend", "processes"),
    *("servers", "secrets", "labels", "watched"),
)


@dataclass
class Form:
    """Every field as text, as it stands in the page."""

    experiment: str = ""
    name: str = ""
    description: str = ""
    kind: str = "script"
    script: str = ""
    arguments: str = ""
    target: str = ""
    environment: str = ""
    retries: str = "0"
    user_retries: str = "0"
    duration: str = ""
    cpus: str = ""
    memory: str = ""
    gpus: str = ""
    priority: str = "0"
    nodes: str = "1"
    distribution: str = ""
    backend: str = ""
    processes: str = "1"
    servers: str = ""
    #: One a line: names of secrets or VARIABLE=name, labels of a node, folders that are sent while they are written.
    secrets: str = ""
    labels: str = ""
    watched: str = "logs"
    collect: bool = True
    variables: list[Pair] = field(default_factory=list)
    inputs: list[tuple[str, str, str]] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)
    #: Of a form from nothing: "sent" with the id of a snapshot, or "run" with the id or name of the run that has it.
    code: str = "sent"
    snapshot: str = ""
    from_run: str = ""

    @property
    def variable_rows(self) -> list[Pair]:
        return [*self.variables, *[("", "")] * MORE]

    @property
    def input_rows(self) -> list[tuple[str, str, str]]:
        return [*self.inputs, *[("", "", "download")] * MORE]

    @property
    def tag_rows(self) -> list[Pair]:
        return [*self.tags, *[("", "")] * MORE]


def form_of(run: Mapping[str, Any]) -> Form:
    """The form of a run as doors show it: the versions that it had, not those that are newest now."""
    config = run["config"] or {}
    command = config.get("command") or []
    inputs = run["inputs"] or {}
    return Form(
        experiment=run["experiment"],
        kind="command" if command else "script",
        script=config.get("script") or "",
        arguments=shlex.join(str(word) for word in [*command, *(config.get("arguments") or [])]),
        target=run["target"] or config.get("target") or "",
        environment=run["environment"] or config.get("environment") or "",
        retries=str(config.get("max_retries") or 0),
        duration=str(config.get("max_duration_seconds") or ""),
        **_beyond(config),
        variables=sorted((config.get("environment_variables") or {}).items()),
        inputs=[
            (name, f"{one['dataset']}:{one['version']}", one.get("mode") or "download") for name, one in inputs.items()
        ],
        tags=[(key, value) for key, value in (run["tags"] or {}).items() if not key.startswith(_OF_CLIENTS)],
    )


def _beyond(config: Mapping[str, Any]) -> dict[str, Any]:
    """What most runs do not say: it must not be lost on the way into a new one."""
    resources, told, history = (config.get(name) or {} for name in ("resources", "distribution", "history"))
    return {
        "user_retries": str(config.get("max_user_retries") or 0),
        "cpus": f"{resources['cpus']:g}" if resources.get("cpus") else "",
        "memory": f"{resources['memory_gb']:g}" if resources.get("memory_gb") else "",
        "gpus": str(resources.get("gpus") or ""),
        "labels": "\n".join(f"{key}={value}" for key, value in (resources.get("labels") or {}).items()),
        "priority": str(config.get("priority") or 0),
        "nodes": str(config.get("node_count") or 1),
        "distribution": told.get("kind") or "",
        "backend": told.get("backend") or "",
        "processes": str(told.get("processes_per_node") or 1),
        "servers": str(told.get("parameter_servers") or ""),
        "secrets": "\n".join(config.get("secrets") or []),
        "watched": "\n".join(history.get("directories_to_watch", ["logs"])),
        "collect": history.get("output_collection", True),
    }


def typed(given: QueryDict) -> Form:
    """The form as somebody sent it, whatever is in it."""

    def one(name: str) -> str:
        return str(given.get(name, ""))

    def pairs(name: str) -> list[Pair]:
        keys, values = given.getlist(f"{name}_key")[:MOST_ROWS], given.getlist(f"{name}_value")
        both = zip(keys, [*values, *[""] * len(keys)], strict=False)
        return [(str(key), str(value)) for key, value in both if str(key).strip() or str(value).strip()]

    names, datasets, modes = (given.getlist(f"input_{part}")[:MOST_ROWS] for part in ("name", "dataset", "mode"))
    padded = zip(names, [*datasets, *[""] * len(names)], [*modes, *["download"] * len(names)], strict=False)
    return Form(
        experiment=one("experiment"),
        name=one("name"),
        description=one("description"),
        kind="command" if one("kind") == "command" else "script",
        script=one("script"),
        arguments=one("arguments"),
        target=one("target"),
        environment=one("environment"),
        retries=one("retries"),
        duration=one("duration"),
        collect=bool(one("collect")),
        **{name: one(name) for name in _BEYOND},
        variables=pairs("variable"),
        inputs=[(str(a), str(b), str(c)) for a, b, c in padded if str(a).strip() or str(b).strip()],
        tags=pairs("tag"),
        code="run" if one("code") == "run" else "sent",
        snapshot=one("snapshot"),
        from_run=one("from_run"),
    )


def submission(form: Form) -> dict[str, Any]:
    """What `submit_run` takes of the form. Raises Invalid that names the form's field."""
    experiment = _named("experiment", lambda: forms.clean_experiment_name(form.experiment.strip()))
    name = form.name.strip()
    if name:
        _named("name", lambda: forms.clean_run_name(name))
    words = _words(form.arguments)
    config: dict[str, Any] = {
        "target": form.target.strip(),
        "environment": form.environment.strip(),
        "environment_variables": _mapping(form.variables, "variables"),
        "inputs": {},
        "max_retries": _number(form.retries, "retries") or 0,
        "max_duration_seconds": _number(form.duration, "duration"),
        **_asked(form),
    }
    if form.kind == "command":
        if not words:
            raise Invalid(_("Say which command shall run."), field="arguments")
        config["command"] = ["bash", "-c", form.arguments.strip()] if _is_for_a_shell(form.arguments) else words
    else:
        if not form.script.strip():
            raise Invalid(_("Say which script shall run."), field="script")
        config |= {"script": form.script.strip(), "arguments": words}
    for name_, dataset, mode in form.inputs:
        key = name_.strip()
        if not key or not dataset.strip():
            raise Invalid(_("An input has a name and a dataset."), field="inputs")
        if key in config["inputs"]:
            raise Invalid(_("The input %(name)s appears twice.") % {"name": key[:60]}, field="inputs")
        config["inputs"][key] = {"dataset": dataset.strip(), "mode": mode}
    return {"experiment": experiment, "name": name, "config": config, "tags": _mapping(form.tags, "tags")}


def _asked(form: Form) -> dict[str, Any]:
    """The fields that are sent only when they say something."""
    resources: dict[str, Any] = {
        "cpus": _amount(form.cpus, "cpus"),
        "memory_gb": _amount(form.memory, "memory"),
        "gpus": _number(form.gpus, "gpus"),
        "labels": dict(_equation(line, "labels") for line in _lines(form.labels)),
    }
    found: dict[str, Any] = {
        "resources": {key: value for key, value in resources.items() if value},
        "priority": _signed(form.priority, "priority"),
        "max_user_retries": _number(form.user_retries, "user_retries"),
        "node_count": _number(form.nodes, "nodes"),
        "secrets": _lines(form.secrets),
    }
    if form.distribution or (_number(form.processes, "processes") or 1) > 1:
        told = {
            "kind": form.distribution or "multiprocess",
            "backend": form.backend if form.distribution == "pytorch" else None,
            "processes_per_node": _number(form.processes, "processes"),
            "parameter_servers": _number(form.servers, "servers") if form.distribution == "tensorflow" else None,
        }
        found["distribution"] = {key: value for key, value in told.items() if value}
    if not form.collect or _lines(form.watched) != ["logs"]:
        found["history"] = {"output_collection": form.collect, "directories_to_watch": _lines(form.watched)}
    return {key: value for key, value in found.items() if value}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _equation(line: str, name: str) -> Pair:
    key, mark, value = line.partition("=")
    if not mark or not key.strip():
        raise Invalid(_("%(line)s does not look like name=value.") % {"line": repr(line[:60])}, field=name)
    return key.strip(), value.strip()


_OPERATORS = "&|;<>"
#: {field of a refusal: field of the form}.
_FIELDS = {
    "config.script": "script",
    "config.arguments": "arguments",
    "config.command": "arguments",
    "config.target": "target",
    "config.environment": "environment",
    "config.environment_variables": "variables",
    "config.inputs": "inputs",
    "config.max_retries": "retries",
    "config.max_duration_seconds": "duration",
    "config.max_user_retries": "user_retries",
    "config.resources": "resources",
    "config.priority": "priority",
    "config.node_count": "nodes",
    "config.distribution": "distribution",
    "config.history": "watched",
    "config.secrets": "secrets",
    "tag": "tags",
    "snapshot": "code",
}


def field_of(error: Invalid) -> str:
    """Which field of the form a refusal is about; empty when it is about all of it."""
    told = str(error.details.get("field", ""))
    for part in ("inputs", "resources", "history"):
        if told.startswith(f"config.{part}"):
            return _FIELDS[f"config.{part}"]
    return _FIELDS.get(told, told)


def _named(name: str, work: Any) -> Any:
    try:
        return work()
    except Invalid as error:
        raise Invalid(error.message, code=error.code, hint=error.hint, field=name) from None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        told = _("A quotation mark or a backslash has nothing after it.")
        raise Invalid(told, hint=_("Write it twice quoted, or close it."), field="arguments") from None


def _is_for_a_shell(text: str) -> bool:
    """Whether an operator of a shell stands outside of quotes, such as &&: no program takes that for a word."""
    found = shlex.shlex(text, posix=False, punctuation_chars=_OPERATORS)
    found.whitespace_split, found.commenters = True, ""
    try:
        return any(set(word) <= set(_OPERATORS) for word in found)
    except ValueError:  # a quotation mark behind a backslash: words as they are
        return False


def _mapping(rows: Sequence[Pair], name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in rows:
        if not key.strip():
            raise Invalid(_("The value %(value)s has no name.") % {"value": repr(value[:40])}, field=name)
        if key.strip() in found:
            raise Invalid(_("The name %(name)s appears twice.") % {"name": key.strip()[:60]}, field=name)
        found[key.strip()] = value
    return found


def _number(text: str, name: str) -> int | None:
    word = text.strip()
    if not word:
        return None
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise Invalid(_("This is a whole number, not %(text)s.") % {"text": repr(word[:20])}, field=name)
    return int(word)


def _signed(text: str, name: str) -> int:
    word = text.strip()
    number = _number(word.removeprefix("-"), name) or 0
    return -number if word.startswith("-") else number


def _amount(text: str, name: str) -> float | None:
    """A number that may have a fraction; None for an empty field."""
    word = text.strip()
    if not word:
        return None
    try:
        found = float(word)
    except ValueError:
        found = math.nan
    if not 0 <= found < 1e9:
        raise Invalid(_("This is a number, not %(text)s.") % {"text": repr(word[:20])}, field=name)
    return int(found) if found.is_integer() else found
