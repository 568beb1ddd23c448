"""What people and nodes say of environments, made safe to keep: known words, bounded."""

import math
from collections.abc import Mapping
from typing import Any

import yaml
from django.utils.translation import gettext

from studio.kernel.errors import Invalid
from workspace.environments import states

#: Characters of a build's log. Its beginning says what is built, its end why it failed: the middle goes.
MOST_LOG = 200_000
MAX_REASON, MAX_PACKAGE, MAX_LINE = 1000, 120, 500
_MOST = 2**53


def clean_report(told: object) -> dict[str, Any]:
    """The columns of a build that a node reports: status, and where they are said seconds, size and the like.

    Raises Invalid for what is no object; a strange value in it is left out.
    """
    if not isinstance(told, Mapping):
        raise Invalid(gettext("A report of a build is an object."))
    kept: dict[str, Any] = {"status": line(told.get("status"), 10)}
    if kept["status"] not in states.REPORTED:
        kept["status"] = ""
    if (seconds := _number(told.get("seconds"))) is not None:
        kept["seconds"] = round(float(seconds), 3)
    for key in ("size", "packages"):
        if (number := _number(told.get(key))) is not None:
            kept[key] = int(min(number, 2**31 - 1 if key == "packages" else _MOST))
    for key, most in (
        ("python", 20),
        ("digest", 64),
        ("reason", MAX_REASON),
        ("package", MAX_PACKAGE),
        ("line", MAX_LINE),
    ):
        kept[key] = line(told.get(key), most)
    return kept


def line(value: object, most: int) -> str:
    """Plain text on one line."""
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in value[: most * 2]).strip()[:most]


def log(value: object) -> str:
    """What an installer said, as it may be stored and shown."""
    if not isinstance(value, str):
        return ""
    text = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if len(text) <= MOST_LOG:
        return text
    half = MOST_LOG // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"


def posted_spec(given: Mapping[str, str]) -> dict[str, Any]:
    """The specification that a form spells, for the recipe to check. Raises Invalid for a conda file that is none."""
    kind = given.get("kind", "pip")
    spec: dict[str, Any] = {"kind": kind}
    if kind == "pip":
        lines = [one.strip() for one in given.get("requirements", "").splitlines()]
        spec |= {
            "requirements": [one for one in lines if one and not one.startswith("#")],
            "python": given.get("python", ""),
        }
    elif kind == "conda":
        spec |= conda_spec(given.get("conda", ""))
    for key in ("interpreter", "image", "dockerfile"):
        if kind in ("interpreter", "docker") and given.get(key, "").strip():
            spec[key] = given[key].strip() if key != "dockerfile" else given[key]
    variables = [one.partition("=") for one in given.get("variables", "").splitlines() if one.strip()]
    if wrong := next((name for name, equals, _ in variables if not equals), None):
        raise Invalid(
            gettext("%(wrong)s is no variable: write NAME=value.") % {"wrong": repr(wrong[:40])}, field="spec.variables"
        )
    return spec | {"variables": {name.strip(): value for name, _, value in variables}}


def posted_field(given: Mapping[str, str], field: str) -> str:
    """The field of the form in which that of a specification was typed."""
    name = field.rpartition(".")[2]
    return "conda" if given.get("kind") == "conda" and name not in given else name


def conda_spec(text: str) -> dict[str, Any]:
    """Channels, dependencies and requirements of a conda file. Raises Invalid."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise Invalid(gettext("The conda file is no YAML%(line)s.") % {"line": line}, field="conda") from None
    listed = found.get("dependencies") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise Invalid(gettext("A conda file has a list of dependencies."), field="conda")
    packages = [one for one in listed if not isinstance(one, dict)]
    below = [line for one in listed if isinstance(one, dict) for line in one.get("pip") or []]
    channels = found.get("channels") or []
    return {
        "channels": [str(one) for one in channels] if isinstance(channels, list) else [],
        "dependencies": [str(one) for one in packages],
        "requirements": [str(one) for one in below],
    }


def shown_spec(spec: Mapping[str, Any]) -> dict[str, str]:
    """A specification as the form has it."""
    shown = {key: str(spec.get(key) or "") for key in ("python", "interpreter", "image", "dockerfile")}
    shown["requirements"] = "\n".join(spec.get("requirements", []))
    shown["variables"] = "\n".join(f"{name}={value}" for name, value in spec.get("variables", {}).items())
    if spec.get("kind") == "conda":
        wish = str(spec.get("python") or "")
        python = [f"python={wish}" if wish[0].isdigit() else f"python{wish}"] if wish else []
        listed: list[Any] = [*python, *spec.get("dependencies", []), {"pip": spec.get("requirements", [])}]
        tree = {"channels": spec.get("channels", []), "dependencies": listed}
        shown["conda"] = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    return shown


def _number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        return None
    return value if math.isfinite(value) else None
