"""A run as a form to change and submit again, and the form as what is submitted. Nothing that was typed is lost.

Pure thinking, no database.
"""

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
    duration: str = ""
    #: Names of secrets of the key vault, or VARIABLE=name, one on each line.
    secrets: str = ""
    variables: list[Pair] = field(default_factory=list)
    inputs: list[tuple[str, str, str]] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)

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
        secrets="\n".join(config.get("secrets") or []),
        variables=sorted((config.get("environment_variables") or {}).items()),
        inputs=[
            (name, f"{one['dataset']}:{one['version']}", one.get("mode") or "download") for name, one in inputs.items()
        ],
        tags=[(key, value) for key, value in (run["tags"] or {}).items() if not key.startswith(_OF_CLIENTS)],
    )


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
        secrets=one("secrets"),
        variables=pairs("variable"),
        inputs=[(str(a), str(b), str(c)) for a, b, c in padded if str(a).strip() or str(b).strip()],
        tags=pairs("tag"),
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
        "secrets": [line.strip() for line in form.secrets.splitlines() if line.strip()],
        "inputs": {},
        "max_retries": _number(form.retries, "retries") or 0,
        "max_duration_seconds": _number(form.duration, "duration"),
    }
    if form.kind == "command":
        if not words:
            raise Invalid(_("Say which command shall run."), field="arguments")
        config["command"] = words
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


#: {field of a refusal: field of the form}.
_FIELDS = {
    "config.script": "script",
    "config.arguments": "arguments",
    "config.command": "arguments",
    "config.target": "target",
    "config.environment": "environment",
    "config.environment_variables": "variables",
    "config.secrets": "secrets",
    "config.inputs": "inputs",
    "config.max_retries": "retries",
    "config.max_duration_seconds": "duration",
    "tag": "tags",
}


def field_of(error: Invalid) -> str:
    """Which field of the form a refusal is about; empty when it is about all of it."""
    told = str(error.details.get("field", ""))
    return _FIELDS.get(told, "inputs" if told.startswith("config.inputs") else told)


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
