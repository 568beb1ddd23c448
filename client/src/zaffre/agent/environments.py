"""Python environments of the node: built by uv once per resolved specification, then shared and read-only."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence

from zaffre.agent.config import interpreter
from zaffre.agent.disk import locked
from zaffre.agent.door import Stopped

#: Ours, and of no use to an installer.
_NOT_FOR_INSTALLERS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_SYSTEM_PYTHON", "UV_PYTHON")
_PYTHON_RE = re.compile(r"[0-9]+(\.[0-9]+){0,2}\Z")
_LOOK_SECONDS = 0.1


class EnvironmentFailed(Exception):
    """An environment could not be made. `output` is what the installer said."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


@dataclass(frozen=True)
class Environment:
    """A ready environment: its interpreter, the first folder for PATH, and whether it had to be built."""

    python: str
    bin: str
    built: bool
    note: str
    #: The exact versions in it, one a line; empty for the node's own Python.
    lock: str = ""


class Environments:
    """The environments below one cache folder. Threads and agents may share it."""

    def __init__(self, cache: Path, *, extras: Sequence[str] = ()) -> None:
        self.folder = cache / "environments"
        self.locks = cache / "locks"
        self.extras = tuple(extras)
        for place in (self.folder, self.locks):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)

    def provide(
        self, spec: Mapping[str, object], *, until: Callable[[], bool], say: Callable[[str], object]
    ) -> Environment:
        """The environment that `spec` asks for; builds it when this node has none like it.

        `say` gets what the installer says. Raises EnvironmentFailed, Stopped when `until()`.
        """
        kind = spec.get("kind", "system")
        if kind == "system":
            python = interpreter()
            return Environment(
                python, str(Path(python).parent), False, f"the node's Python {platform.python_version()}"
            )
        if kind != "pip":
            raise EnvironmentFailed(f"This node cannot make environments of the kind {kind!r}; update the node.")
        wish = str(spec.get("python") or "")
        if wish and not _PYTHON_RE.match(wish):
            raise EnvironmentFailed(f"{wish!r} is no Python version; write for example 3.11.")
        requirements = check_requirements(spec.get("requirements") or [])
        uv = find_uv()
        lock = self._resolve(uv, wish, requirements, until, say)
        return self._build(uv, wish, lock, until, say)

    def _resolve(
        self, uv: str, wish: str, requirements: List[str], until: Callable[[], bool], say: Callable[[str], object]
    ) -> str:
        """The exact versions for a list of requirements; asked from the index once and remembered."""
        wanted = "\n".join([*requirements, *self.extras]) + "\n"
        memo = self.locks / f"{_key('resolve', wish or interpreter(), platform.platform(), wanted)}.txt"
        with locked(memo.with_suffix(".lock")):
            if memo.exists():
                return memo.read_text(encoding="utf-8")
            argv = [uv, "pip", "compile", "--no-header", "--no-annotate", "--quiet", "--python", wish or interpreter()]
            output = _install([*argv, "-"], until=until, say=say, text=wanted)
            temporary = memo.with_suffix(".new")
            temporary.write_text(output, encoding="utf-8")
            temporary.replace(memo)
            return output

    def _build(
        self, uv: str, wish: str, lock: str, until: Callable[[], bool], say: Callable[[str], object]
    ) -> Environment:
        key = _key("build", wish or interpreter(), platform.platform(), lock)
        place = self.folder / key
        count = sum(1 for line in lock.splitlines() if line.strip())
        with locked(self.folder / f".{key}.lock"):
            if place.is_dir():
                python = str(place / "bin" / "python")
                return Environment(python, str(place / "bin"), False, "from the node's cache", lock)
            for stale in self.folder.glob(f".{key}-*"):  # of a build that was cut off: we hold the lock
                shutil.rmtree(str(stale), ignore_errors=True)
            building = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=str(self.folder)))
            try:
                say(f"Building an environment of {count} packages.\n")
                target = str(building / "env")
                _install(
                    [uv, "venv", "--quiet", "--relocatable", "--python", wish or interpreter(), target],
                    until=until,
                    say=say,
                )
                if count:
                    python = str(building / "env" / "bin" / "python")
                    _install(
                        [uv, "pip", "install", "--no-deps", "--compile-bytecode", "--python", python, "-r", "-"],
                        until=until,
                        say=say,
                        text=lock,
                    )
                _protect(building / "env")
                os.rename(target, str(place))
            finally:
                shutil.rmtree(str(building), ignore_errors=True)
        return Environment(str(place / "bin" / "python"), str(place / "bin"), True, f"built, {count} packages", lock)


def check_requirements(found: object) -> List[str]:
    """The requirement lines of a specification. Raises EnvironmentFailed for what is no plain requirement.

    Options of installers and paths of this machine are refused: they would read files of the node.
    """
    if not isinstance(found, (list, tuple)):
        raise EnvironmentFailed("The requirements of this environment are no list.")
    lines = []
    for line in found:
        text = str(line).strip()
        odd = text.startswith(("-", ".", "/", "~")) or "\n" in text or "\r" in text or "file:" in text.lower()
        if odd:
            raise EnvironmentFailed(
                f"{text[:80]!r} is no package requirement. Write a name with a version, like numpy==2.1.0."
            )
        if text and not text.startswith("#"):
            lines.append(text)
    return lines


def find_uv() -> str:
    """The path of uv: the one beside this interpreter, else on PATH. Raises EnvironmentFailed."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise EnvironmentFailed("This node has no uv, which builds environments. Install it: pip install uv")
    return found


def _install(
    argv: List[str], *, until: Callable[[], bool], say: Callable[[str], object], text: Optional[str] = None
) -> str:
    """Run an installer and return its standard output; its other output goes to `say`. It ends when `until()`."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        if text:
            given.write(text.encode())
            given.seek(0)
        child = subprocess.Popen(
            argv, stdin=given, stdout=output, stderr=errors, env=_installer_env(), cwd=tempfile.gettempdir()
        )
        try:
            while True:
                try:
                    child.wait(_LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if until():
                        raise Stopped("stopped while building the environment") from None
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        errors.seek(0)
        output.seek(0)
        said = errors.read().decode("utf-8", "replace")
        if said.strip():
            say(said if said.endswith("\n") else said + "\n")
        if child.returncode:
            raise EnvironmentFailed(_explain(said, child.returncode), said)
        return output.read().decode("utf-8", "replace")


def _explain(said: str, code: int) -> str:
    """One sentence out of an installer's last words, with the package and the reason."""
    lines = [re.sub(r"^[\s│├╰─▶×╭╮]+", "", line).strip() for line in said.splitlines()]
    words = " ".join(line for line in lines if line)
    words = re.sub(r"^error:\s*", "", words)
    if not words:
        words = f"the installer ended with code {code} and said nothing"
    return f"The environment could not be built: {words[:600]}"


def _installer_env() -> Dict[str, str]:
    """The node's own environment: installers need its certificates, proxies and package index."""
    env = {key: value for key, value in os.environ.items() if key not in _NOT_FOR_INSTALLERS}
    env.update({"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_NO_PROGRESS": "1"})
    return env


def _protect(folder: Path) -> None:
    """Take the right to write from every file: runs share them."""
    for parent, _, names in os.walk(str(folder)):
        for name in names:
            path = os.path.join(parent, name)
            facts = os.lstat(path)
            if stat.S_ISREG(facts.st_mode):
                os.chmod(path, stat.S_IMODE(facts.st_mode) & ~0o222)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
