"""What an environment may be made of: checking a specification, without asking anybody."""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from studio.kernel.errors import Invalid
from workspace.compute.placement import CONTAINERS
from workspace.environments import conda
from zaffre.protocol import EnvironmentSpec

SYSTEM, PIP, CONDA, INTERPRETER, DOCKER = "system", "pip", "conda", "interpreter", "docker"
KINDS = (SYSTEM, PIP, CONDA, INTERPRETER, DOCKER)
MAX_REQUIREMENTS = 500
MAX_LINE = 500
MAX_VARIABLES, MAX_VARIABLE = 100, 8000
MAX_WARNING = 300
MAX_PYTHON = 100
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
_SCHEMES = ("https://", "git+https://")
_KEYS = {
    SYSTEM: {"kind", "variables"},
    PIP: {"kind", "python", "requirements", "variables"},
    CONDA: {"kind", "python", "requirements", "channels", "dependencies", "variables"},
    INTERPRETER: {"kind", "interpreter", "variables"},
    #: What is to be installed in the image becomes a line of its Dockerfile.
    DOCKER: {
        *("kind", "image", "dockerfile", "interpreter", "variables"),
        *("python", "requirements", "channels", "dependencies"),
    },
}
MAX_DOCKERFILE = 50_000
#: registry/path:tag or @digest. Never the beginning of an option.
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}\Z")
#: Packages that scripts of then name for what is here without them; `zaffre-` is what is left of them where somebody
#: replaced the name in a whole file and not in its imports only.
_OURS = re.compile(
    r"(azureml|zaffre)-(core|defaults|sdk|dataprep.*|dataset-runtime|telemetry|pipeline.*|train.*|widgets|contrib-.*|interpret"
    r"|explain-model|model-management-sdk|inference-server-http|monitoring)\Z"
)


def parse_spec(spec: object) -> EnvironmentSpec:
    """Return the specification in its one canonical spelling: equal environments are equal values.

    Raises Invalid; for bad requirements `details.lines` names every refused line and its problem.
    """
    if not isinstance(spec, Mapping):
        raise Invalid(_('The spec is an object such as {"kind": "pip", "requirements": ["pandas"]}.'), field="spec")
    kind = spec.get("kind")
    if kind not in KINDS:
        raise Invalid(
            _("The kind of an environment is one of %(kinds)s.") % {"kinds": ", ".join(KINDS)}, field="spec.kind"
        )
    given = {key: value for key, value in spec.items() if value not in (None, [], {}, "")}
    if odd := sorted(str(key)[:40] for key in set(given) - _KEYS[kind] - {"warnings"}):
        why = _("The spec has field(s) that %(kind)s environments do not have: %(odd)s.")
        hint = _("Use the kind pip to name packages or a Python version.") if kind == SYSTEM else None
        raise Invalid(why % {"kind": kind, "odd": ", ".join(odd[:5])}, field="spec", hint=hint)
    made = EnvironmentSpec(kind=kind)
    if kind in (PIP, CONDA):
        made = _of_packages(kind, given)
    elif kind == INTERPRETER:
        made["interpreter"] = _interpreter(given.get("interpreter", "python"))
    elif kind == DOCKER:
        made |= _container(given)
    if variables := _variables(given.get("variables", {})):
        made["variables"] = variables
    return made


def is_built(spec: Mapping[str, Any]) -> bool:
    """Whether a node has something to make for it; else it is used as the node has it."""
    return spec["kind"] in (PIP, CONDA, DOCKER)


def is_resolved(spec: Mapping[str, Any]) -> bool:
    """Whether it has a lock; an image is what its engine gets under its name."""
    return spec["kind"] in (PIP, CONDA)


def labels(spec: Mapping[str, Any]) -> dict[str, str]:
    """What a node must say of itself to take it, as labels of placement (workspace/compute/placement.py)."""
    return dict(CONTAINERS) if spec["kind"] == DOCKER else {}


def for_node(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification as nodes take it: of a range of Pythons the lowest, and all that fit."""
    wish = spec.get("python") or ""
    if not wish or wish[0].isdigit():
        return dict(spec)
    fitting = conda.pythons_of(wish)
    return {**spec, "python": fitting[0], "pythons": list(fitting)}


def lines(spec: Mapping[str, Any]) -> list[str]:
    """What was asked for, one thing a line, for showing and comparing."""
    found = [f"python {spec['python']}"] if spec.get("python") else []
    found += [f"interpreter {spec['interpreter']}"] if spec.get("interpreter") else []
    found += [f"image {spec['image']}"] if spec.get("image") else []
    found += spec.get("dockerfile", "").splitlines()
    found += [f"channel {one}" for one in spec.get("channels", [])]
    found += [f"conda {one}" for one in spec.get("dependencies", [])]
    found += spec.get("requirements", [])
    return [*found, *(f"variable {name}={value}" for name, value in spec.get("variables", {}).items())]


def digest(spec: EnvironmentSpec) -> str:
    """The SHA-256 that names this specification; `spec` as `parse_spec` returned it. What is said of it is no part."""
    kept = {key: value for key, value in spec.items() if key != "warnings"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _of_packages(kind: str, given: Mapping[str, Any]) -> EnvironmentSpec:
    wished = _wished(given)
    made = EnvironmentSpec(kind=kind, python=wished.python, requirements=wished.requirements)
    if kind == CONDA:
        made["channels"] = [line[:200] for line in _lines_of(given, "channels")]
        made["dependencies"] = [line.strip()[:MAX_LINE] for line in _lines_of(given, "dependencies")]
    if wished.warnings:
        made["warnings"] = wished.warnings
    return made


class _Wished(NamedTuple):
    """What is to be installed, by names for pip."""

    python: str | None
    requirements: list[str]
    warnings: list[str]


def _wished(given: Mapping[str, Any]) -> _Wished:
    warnings: list[str] = []
    python, found = _python(given.get("python")), _lines_of(given, "requirements")
    try:
        taken = conda.translate(line.strip()[:MAX_LINE] for line in _lines_of(given, "dependencies"))
    except ValueError as problem:
        raise Invalid(str(problem), code="bad_requirements", field="spec.dependencies") from None
    if taken.requirements or taken.left_out:
        warnings.append(conda.warning(taken, len(taken.requirements))[:MAX_WARNING])
    kept = _requirements([*taken.requirements, *found])
    ours = [line for line in kept if _OURS.match(Requirement(line).name)]
    if ours:
        names = ", ".join(Requirement(line).name for line in ours)
        warnings.append(f"Left out, for Zaffre's own SDK is in every environment: {names}."[:MAX_WARNING])
    requirements = sorted(_mlflow(line) for line in kept if line not in ours)
    return _Wished(python or taken.python or None, requirements, warnings)


def _mlflow(line: str) -> str:
    """azureml-mlflow was a bridge around MLflow's client, which speaks with this studio as it is."""
    return "mlflow-skinny" if Requirement(line).name in {"azureml-mlflow", "zaffre-mlflow"} else line


def _python(python: object) -> str | None:
    if python is None:
        return None
    try:
        if not isinstance(python, str) or len(python) > MAX_PYTHON or not python.strip(" =*"):
            raise ValueError
        return conda.python_wish(python) or None
    except ValueError:
        why = _("Python is given as 3.11 or >=3.10, not %(python)s.") % {"python": repr(str(python)[:20])}
        raise Invalid(why, field="spec.python") from None


def _container(given: Mapping[str, Any]) -> EnvironmentSpec:
    image, dockerfile = given.get("image"), given.get("dockerfile")
    if (image is None) == (dockerfile is None):
        raise Invalid(_("A container comes of either an image or a Dockerfile."), field="spec.image")
    made = EnvironmentSpec(interpreter=_interpreter(given.get("interpreter", "python")))
    if image is not None:
        if not isinstance(image, str) or not _IMAGE.match(image):
            raise Invalid(
                _("%(image)s is no name of an image such as python:3.12-slim.") % {"image": repr(str(image)[:80])},
                field="spec.image",
            )
        made["image"] = image
    else:
        if not isinstance(dockerfile, str) or not 0 < len(dockerfile) <= MAX_DOCKERFILE or "\0" in dockerfile:
            raise Invalid(
                _("A Dockerfile is a text of at most %(most)s characters.") % {"most": MAX_DOCKERFILE},
                field="spec.dockerfile",
            )
        made["dockerfile"] = dockerfile.replace("\r\n", "\n")
    wished = _wished(given)
    if wished.requirements:
        words = shlex.join(wished.requirements)
        floor = made.pop("dockerfile", "") or f"FROM {made.pop('image', '')}"
        made["dockerfile"] = f"{floor}\nRUN python -m pip install --no-cache-dir {words}\n"
    if wished.python:
        wished.warnings.append(f"The Python is that of the image: {wished.python} was asked for beside it.")
    if wished.warnings:
        made["warnings"] = wished.warnings
    return made


def _interpreter(path: object) -> str:
    if not isinstance(path, str) or not path.isprintable() or not 0 < len(path) <= MAX_LINE:
        why = _("The interpreter is the path of a Python on the node, or a command there.")
        raise Invalid(why, field="spec.interpreter")
    return path.strip()


def _variables(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping) or len(given) > MAX_VARIABLES:
        raise Invalid(
            _("The variables are at most %(most)s names with their texts.") % {"most": MAX_VARIABLES},
            field="spec.variables",
        )
    for name, value in given.items():
        if not isinstance(name, str) or not _VARIABLE.match(name):
            raise Invalid(
                _("%(name)s is no name of a variable.") % {"name": repr(str(name)[:40])}, field="spec.variables"
            )
        if not isinstance(value, str) or len(value) > MAX_VARIABLE or "\0" in value:
            why = _("The variable %(name)s is no text of at most %(most)s characters.")
            raise Invalid(why % {"name": name, "most": MAX_VARIABLE}, field="spec.variables")
    return dict(sorted(given.items()))


def _lines_of(given: Mapping[str, Any], key: str) -> list[str]:
    found = given.get(key, [])
    if not isinstance(found, list) or not all(isinstance(line, str) for line in found):
        raise Invalid(_("The %(key)s are a list of lines, one each.") % {"key": key}, field=f"spec.{key}")
    if len(found) > MAX_REQUIREMENTS:
        raise Invalid(
            _("%(found)s %(key)s, and at most %(most)s are allowed.")
            % {"found": len(found), "key": key, "most": MAX_REQUIREMENTS},
            field=f"spec.{key}",
        )
    return found


def _requirements(lines: list[str]) -> list[str]:
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
            _("Line %(line)s of the requirements, %(text)s: %(problem)s%(more)s.")
            % {"line": first["line"], "text": repr(first["text"]), "problem": first["problem"], "more": more},
            code="bad_requirements",
            hint=_("Write one package a line, as in a requirements file: scikit-learn==1.9.1"),
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
    for one in requirement.specifier:
        # It compares texts, so that anything may follow it; an installer takes versions only.
        if one.operator == "===" and not _is_version(one.version):
            raise ValueError("no version follows ===")
    if requirement.url and not requirement.url.startswith(_SCHEMES):
        raise ValueError("an address has to begin with https:// or git+https://")
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def _is_version(text: str) -> bool:
    try:
        return bool(Version(text))
    except InvalidVersion:
        return False
