"""The project's own files, as text and as syntax trees."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import import_module
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


def words_given(module: ast.Module, call: ast.Call) -> list[str] | None:
    """What the first argument of a call can be: a text, a constant of the module or of another one that it imports,
    or the texts that a loop goes through. None when it cannot be told."""
    given = call.args[0] if call.args else None
    if isinstance(given, ast.Constant):
        return [str(given.value)]
    if not isinstance(given, ast.Name):
        return None
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == given.id for one in node.targets
        ):
            return [str(node.value.value)] if isinstance(node.value, ast.Constant) else None
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and node.target.id == given.id:
            texts = node.iter.elts if isinstance(node.iter, ast.Tuple | ast.List) else []
            found = [one.value for one in texts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            return found if found and len(found) == len(texts) else None
        if isinstance(node, ast.ImportFrom) and node.module and any(one.name == given.id for one in node.names):
            return [str(getattr(import_module(node.module), given.id))]
    return None
