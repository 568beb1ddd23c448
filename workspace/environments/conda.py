"""Conda environments on nodes without conda: the same packages by their names on PyPI, and a word about the rest.

The policy and its table are in docs/decisions/environments.md. Pure thinking.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from django.utils.translation import gettext as _
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

#: Conda packages that have another name on PyPI.
OTHER_NAMES = {
    "dask-core": "dask",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ruamel-yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
}
#: What conda needs for its own packages and wheels bring along, and programs that are no Python package.
LEFT_OUT = {
    "blas",
    "ca-certificates",
    "conda",
    "cpuonly",
    "cuda",
    "cudatoolkit",
    "cudnn",
    "gcc",
    "git",
    "graphviz",
    "gxx",
    "intel-openmp",
    "libgcc",
    "libgcc-ng",
    "libgomp",
    "libstdcxx-ng",
    "make",
    "mkl",
    "mpich",
    "nccl",
    "nodejs",
    "nomkl",
    "openmpi",
    "openssl",
    "pytorch-cuda",
    "pytorch-mutex",
    "r-base",
}
#: Silently: the installer is uv.
_QUIETLY = {"pip", "python"}
_SPEC = re.compile(r"(?:[\w./-]+::)?([A-Za-z0-9_][A-Za-z0-9._-]*)\s*(.*)\Z")
_BRACKET = re.compile(r"\[version=['\"]?([^'\"\]]+)['\"]?\]")
_PYTHON = re.compile(r"3\.\d{1,2}")
#: What a wish for a Python is held against, and those of it that a node may have, as the agent needs 3.9.
_PYTHONS = [f"3.{minor}" for minor in range(31)]
_OF_NODES = set(_PYTHONS[9:])
_PATCHES = range(40)


class Translated(NamedTuple):
    """Requirements for pip, the wished Python ('' without a wish), {conda name: other name}, what was left out."""

    requirements: list[str]
    python: str
    renamed: dict[str, str]
    left_out: list[str]


def translate(dependencies: Iterable[str]) -> Translated:
    """The lines of `dependencies:` of a conda file, without its pip part. Raises ValueError naming a strange line."""
    found = Translated([], "", {}, [])
    python = ""
    for line in dependencies:
        match = _SPEC.match(_BRACKET.sub(r" \1", line.strip()))
        if match is None:
            raise ValueError(_("%(line)s is no conda package.") % {"line": repr(line.strip()[:80])})
        name, wish = str(canonicalize_name(match[1])), match[2].strip()
        if name == "python":
            python = _python(wish)
        if name in _QUIETLY:
            continue
        if name in LEFT_OUT or name.startswith(("r-", "lib")):
            found.left_out.append(name)
            continue
        known = OTHER_NAMES.get(name, name)
        if known != name:
            found.renamed[name] = known
        found.requirements.append(known + _specifier(wish, line))
    return found._replace(python=python)


def python_wish(wish: str) -> str:
    """The Python that is wished for: a minor version where no other fits (3.11), else a range (>=3.10), '' where each
    that a node may have does. Patch releases are the node's choice.

    Raises ValueError for what is no wish, and where no Python 3 fits.
    """
    written = wish.replace(" ", "")
    if written.lstrip("=") == "3.1*":  # for conda what begins so, which pip has no word for
        written = ">=3.10,<3.20"
    try:
        specifier = _specifier(written, wish)
        fitting = pythons_of(specifier)
    except InvalidSpecifier:
        raise ValueError(_("%(wish)s is no version of Python.") % {"wish": repr(wish[:40])}) from None
    if not fitting:
        raise ValueError(_("%(wish)s is no Python 3.") % {"wish": repr(wish[:40])})
    if set(fitting) >= _OF_NODES:
        return ""
    return fitting[0] if len(fitting) == 1 else str(SpecifierSet(specifier))


@lru_cache(maxsize=500)
def pythons_of(specifier: str) -> tuple[str, ...]:
    """The minor versions of which some release fits, the lowest first. Kept: every claim of a run with a range asks."""
    fitting = SpecifierSet(specifier)
    return tuple(minor for minor in _PYTHONS if any(fitting.contains(f"{minor}.{patch}") for patch in _PATCHES))


def _python(wish: str) -> str:
    try:
        return python_wish(wish)
    except ValueError:  # a choice, a build: the first version that is named
        version = _PYTHON.search(wish)
        return version[0] if version else ""


def _specifier(wish: str, line: str) -> str:
    """A conda version as pip writes it: `=1.2` means 1.2 and what begins so, `=1.2.3=build` exactly 1.2.3."""
    wish = wish.replace(" ", "")
    if not wish or wish == "*":
        return ""
    if "|" in wish:
        told = _("%(line)s offers a choice of versions, which pip cannot be told.")
        raise ValueError(told % {"line": repr(line.strip()[:80])})
    parts = []
    for part in wish.split(","):
        exact = re.fullmatch(r"=?=?([0-9][\w.!+]*)=\w+", part)
        begins = re.fullmatch(r"=?([0-9][\w.!+]*?)(\.?\*)?", part)
        if exact:
            parts.append(f"=={exact[1]}")
        elif begins:
            parts.append(f"=={begins[1]}.*")
        elif re.fullmatch(r"(==|>=|<=|>|<|!=|~=)[0-9][\w.!+*]*", part):
            parts.append(part)
        else:
            told = _("%(line)s has a version that pip cannot be told.")
            raise ValueError(told % {"line": repr(line.strip()[:80])})
    return ",".join(parts)


def warning(found: Translated, count: int) -> str:
    """One sentence or two for the runs that use it."""
    said = f"This conda environment is made with pip: {count} of its packages by their names on PyPI"
    renames = ", ".join(f"{old} as {new}" for old, new in sorted(found.renamed.items()))
    said += f" ({renames})." if renames else "."
    return f"{said} Left out: {', '.join(found.left_out)}." if found.left_out else said
