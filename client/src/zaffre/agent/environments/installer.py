"""Starting an installer: its words, its surroundings, its end, and what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

from zaffre.agent.door import Stopped
from zaffre.agent.environments.reasons import Reason, explain

#: Ours, and of no use to an installer.
_NOT_FOR_INSTALLERS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_SYSTEM_PYTHON", "UV_PYTHON")
_LOOK_SECONDS = 0.1
_MOST_SAID = 2_000_000

Until = Callable[[], bool]
Say = Callable[[str], object]


class EnvironmentFailed(Exception):
    """An environment could not be made. `output` is what the installer said, `package` whose fault it is."""

    def __init__(self, message: str, output: str = "", *, package: str = "", line: str = "") -> None:
        super().__init__(message)
        self.output, self.package, self.line = output, package, line


def find_uv() -> str:
    """The path of uv: the one beside this interpreter, else on PATH. Raises EnvironmentFailed."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise EnvironmentFailed("This node has no uv, which builds environments. Install it: pip install uv")
    return found


def install(
    argv: List[str],
    *,
    until: Until,
    say: Say,
    text: Optional[str] = None,
    asked: Sequence[str] = (),
    own: Sequence[str] = (),
) -> str:
    """Run an installer and return its standard output. What else it says goes to `say` while it says it.

    It ends when `until()`, which raises Stopped. Raises EnvironmentFailed with one sentence; `asked` are the lines
    of the requirements, of which the sentence names the one at fault, `own` what goes in beside them.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        if text:
            given.write(text.encode())
            given.seek(0)
        child = subprocess.Popen(
            argv, stdin=given, stdout=output, stderr=errors, env=surroundings(), cwd=tempfile.gettempdir()
        )
        told = 0
        try:
            while True:
                try:
                    child.wait(_LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    told += _pass_on(errors.fileno(), told, say, whole_lines=True)
                    if until():
                        raise Stopped("stopped while building the environment") from None
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        _pass_on(errors.fileno(), told, say, whole_lines=False)
        errors.seek(0)
        said = errors.read(_MOST_SAID).decode("utf-8", "replace")
        if child.returncode:
            found: Reason = explain(said, child.returncode, asked, own)
            raise EnvironmentFailed(found.sentence, said, package=found.package, line=found.line)
        output.seek(0)
        return output.read().decode("utf-8", "replace")


def _pass_on(file: int, start: int, say: Say, *, whole_lines: bool) -> int:
    """Hand over what was said since `start`; returns how many bytes that was."""
    data = os.pread(file, _MOST_SAID, start)
    if whole_lines:
        data = data[: data.rfind(b"\n") + 1]
    if data.strip():
        text = data.decode("utf-8", "replace")
        say(text if text.endswith("\n") else text + "\n")
    return len(data)


def surroundings() -> Dict[str, str]:
    """The node's own environment: installers need its certificates, proxies and package index."""
    env = {key: value for key, value in os.environ.items() if key not in _NOT_FOR_INSTALLERS}
    env.update({"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_NO_PROGRESS": "1"})
    # Files are shared with uv's own cache where both lie on one disk; elsewhere uv copies by itself.
    env.setdefault("UV_LINK_MODE", "hardlink")
    return env
