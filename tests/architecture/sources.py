"""The project's own files, as text and as syntax trees."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("studio", "workspace", "runs", "registry", "client/src/zaffre")
ROOMS = ("workspace", "runs", "registry")
DOORS = ("views", "api", "hot", "agent_api", "consumers", "tasks", "admin")


@cache
def tracked() -> tuple[str, ...]:
    """Every file that belongs to the project, also those that are new and not ignored."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(name for name in found if (ROOT / name).is_file())


def python(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """(path, tree) of the modules of these packages, without migrations."""
    for name in tracked():
        inside = name.startswith(tuple(f"{one}/" for one in packages)) and "/migrations/" not in name
        if inside and name.endswith(".py"):
            yield name, tree(name)


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(), filename=name)


def layer(name: str) -> str:
    """Which file of a room's shape a module is: runs/services/claims.py belongs to `services`."""
    parts = Path(name).with_suffix("").parts
    known = {"services", "queries", *DOORS}
    return next((part for part in parts if part in known), parts[-1])


def calls(module: ast.AST, *names: str) -> Iterator[ast.Call]:
    """The calls of functions or methods of these names."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in names:
                yield node


def functions(module: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
