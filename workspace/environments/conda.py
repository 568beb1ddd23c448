"""Conda environments on nodes without conda: the same packages by their names on PyPI, and a word about the rest.

The policy and its table are in docs/decisions/environments.md. Pure thinking.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

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
#: A lower end that every node's Python is beyond, as the agent needs 3.9: no wish.
_EVERY_PYTHON = re.compile(r">=?[23](\.[0-8](\.\d+)?|\.9(\.0)?)?")


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
            raise ValueError(f"{line.strip()[:80]!r} is no conda package")
        name, wish = str(canonicalize_name(match[1])), match[2].strip()
        if name == "python":
            version = _PYTHON.search(wish)
            python = version[0] if version and not _EVERY_PYTHON.fullmatch(wish.replace(" ", "")) else ""
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


def _specifier(wish: str, line: str) -> str:
    """A conda version as pip writes it: `=1.2` means 1.2 and what begins so, `=1.2.3=build` exactly 1.2.3."""
    wish = wish.replace(" ", "")
    if not wish or wish == "*":
        return ""
    if "|" in wish:
        raise ValueError(f"{line.strip()[:80]!r} offers a choice of versions, which pip cannot be told")
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
            raise ValueError(f"{line.strip()[:80]!r} has a version that pip cannot be told")
    return ",".join(parts)


def warning(found: Translated, count: int) -> str:
    """One sentence or two for the runs that use it."""
    said = f"This conda environment is made with pip: {count} of its packages by their names on PyPI"
    renames = ", ".join(f"{old} as {new}" for old, new in sorted(found.renamed.items()))
    said += f" ({renames})." if renames else "."
    return f"{said} Left out: {', '.join(found.left_out)}." if found.left_out else said
