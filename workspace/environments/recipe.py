"""What an environment may be made of: checking a specification, without asking anybody."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from studio.kernel.errors import Invalid
from zaffre.protocol import EnvironmentSpec

SYSTEM = "system"
PIP = "pip"
KINDS = (SYSTEM, PIP)
MAX_REQUIREMENTS = 500
MAX_LINE = 500
#: Python versions that a node can be asked for; patch releases are the node's choice.
_PYTHON = re.compile(r"3\.(9|1[0-9])\Z")
_SCHEMES = ("https://", "git+https://")


def parse_spec(spec: object) -> EnvironmentSpec:
    """Return the specification in its one canonical spelling: equal environments are equal values.

    Raises Invalid; for bad requirements `details.lines` names every refused line and its problem.
    """
    if not isinstance(spec, Mapping):
        raise Invalid('The spec is an object such as {"kind": "pip", "requirements": ["pandas"]}.', field="spec")
    if unknown := sorted(str(key)[:40] for key in set(spec) - {"kind", "python", "requirements"}):
        raise Invalid(f"The spec has unknown field(s): {', '.join(unknown[:5])}.", field="spec")
    kind, python = spec.get("kind"), spec.get("python")
    if kind not in KINDS:
        raise Invalid(f"The kind of an environment is one of {', '.join(KINDS)}.", field="spec.kind")
    lines = spec.get("requirements") or []
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise Invalid("The requirements are a list of lines, one package each.", field="spec.requirements")
    if python is not None and not (isinstance(python, str) and _PYTHON.match(python)):
        raise Invalid(f"Python is given as 3.11 or the like, not {str(python)[:20]!r}.", field="spec.python")
    if kind == SYSTEM:
        if lines or python:
            raise Invalid(
                "A system environment is the node's own Python and takes no packages.",
                hint="Use the kind pip to name packages or a Python version.",
                field="spec",
            )
        return EnvironmentSpec(kind=SYSTEM)
    return EnvironmentSpec(kind=PIP, python=python, requirements=_requirements(lines))


def is_built(spec: Mapping[str, Any]) -> bool:
    """Whether a node has something to make for it; else it is used as the node has it."""
    return spec["kind"] != SYSTEM


def lines(spec: Mapping[str, Any]) -> list[str]:
    """What was asked for, one thing a line, for showing and comparing."""
    found = [f"python {spec['python']}"] if spec.get("python") else []
    return [*found, *spec.get("requirements", [])]


def digest(spec: EnvironmentSpec) -> str:
    """The SHA-256 that names this specification; `spec` as `parse_spec` returned it."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def _requirements(lines: list[str]) -> list[str]:
    if len(lines) > MAX_REQUIREMENTS:
        raise Invalid(f"{len(lines)} requirements, and at most {MAX_REQUIREMENTS} are allowed.")
    kept: set[str] = set()
    refused: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if not text:
            continue
        try:
            kept.add(_requirement(text))
        except ValueError as problem:
            refused.append({"line": number, "text": line.strip()[:80], "problem": str(problem)})
    if refused:
        first = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise Invalid(
            f"Line {first['line']} of the requirements, {first['text']!r}: {first['problem']}{more}.",
            code="bad_requirements",
            hint="Write one package a line, as in a requirements file: scikit-learn==1.9.1",
            field="spec.requirements",
            lines=refused,
        )
    return sorted(kept)


def _requirement(text: str) -> str:
    if len(text) > MAX_LINE or not text.isprintable():
        raise ValueError(f"a line has at most {MAX_LINE} visible characters")
    if text.startswith("-"):
        raise ValueError("options for the installer are not allowed, only packages")
    if text.startswith((".", "/", "~")):
        raise ValueError("a path on your machine means nothing on a node; give the package's name")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"not a requirement: {str(error).splitlines()[0]}") from None
    if requirement.url and not requirement.url.startswith(_SCHEMES):
        raise ValueError("an address has to begin with https:// or git+https://")
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)
