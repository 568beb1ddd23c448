"""Nodes as processes of this host: each an agent with a folder of its own, which outlives whoever started it.

The folder of a node is its machine: `node.json` says whom it serves, `process` holds pid and start time of its agent,
written by the process itself before it becomes the agent, so that there is no moment in which it runs and nobody could
find it. A pid alone would name somebody else after a restart of the host; with the start time it is that or none.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import psutil

from workspace.compute.providers.interface import Machine, Order, ProviderError

log = logging.getLogger(__name__)

PROCESS, CONFIG, LOG = "process", "node.json", "node.log"
TAIL_BYTES = 8192
#: Over this a log is begun anew at the next start; one older part is kept.
LOG_BYTES = 4 * 1024 * 1024
#: What this process started itself; those of earlier ones have another parent.
_CHILDREN: list[subprocess.Popen[bytes]] = []


class Processes:
    """The nodes whose folders are in `home`. `hidden` is how the names of variables begin that no node may see."""

    name = "process"
    ends_with_us = True

    def __init__(self, home: Path, *, hidden: Collection[str] = ()) -> None:
        self.home = home
        self.hidden = tuple(hidden)

    def start(self, order: Order) -> dict[str, Any]:
        folder = self._folder(order.node)
        found = _found(folder)
        if found is not None:
            return found
        command = Path(sys.executable).parent / "zaffre"
        try:
            self._prepare(folder, order)
            with (folder / LOG).open("ab") as said:
                words = [str(command), "node", "start", "--config", str(folder / CONFIG)]
                child = subprocess.Popen(
                    words,
                    cwd=folder,
                    env={key: value for key, value in os.environ.items() if not key.startswith(self.hidden)},
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    # Not our child in the eyes of signals: it lives on when we are killed.
                    start_new_session=True,
                    preexec_fn=lambda: _sign(folder),
                )
            _CHILDREN.append(child)
        except (OSError, subprocess.SubprocessError) as error:
            raise ProviderError(f"The node could not be started on this host: {error}") from None
        return _found(folder) or {}

    def stop(self, node: str, *, kill: bool = False, forget: bool = False) -> None:
        folder = self._folder(node)
        found = _found(folder)
        if found is not None:
            with contextlib.suppress(ProcessLookupError):
                # The agent alone is asked: it ends its runs, each with its grace. A killed one takes its group along.
                os.killpg(found["pid"], signal.SIGKILL) if kill else os.kill(found["pid"], signal.SIGTERM)
        elif forget:
            shutil.rmtree(folder, ignore_errors=True)
        _reap()

    def list(self) -> dict[str, Machine]:
        _reap()
        found = {}
        for folder in sorted(self.home.glob("*")) if self.home.is_dir() else []:
            handle = _found(folder)
            found[folder.name] = Machine(folder.name, alive=handle is not None, handle=handle or {})
        return found

    def tail(self, node: str) -> str:
        try:
            with (self._folder(node) / LOG).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def _folder(self, node: str) -> Path:
        if not node.isalnum():
            raise ProviderError(f"{node[:40]!r} is no id of a node.")
        return self.home / node

    def _prepare(self, folder: Path, order: Order) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / PROCESS).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if (folder / LOG).stat().st_size > LOG_BYTES:
                (folder / LOG).replace(folder / f"{LOG}.1")
        told = order.config()
        if not (folder / "state" / "identity.json").exists():
            told["token"] = order.token()
        fresh = folder / f"{CONFIG}.new"
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump(told, out)
        fresh.replace(folder / CONFIG)


def _reap() -> None:
    """Take leave of children that ended, so that they are no corpses whose pids look alive."""
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


def _sign(folder: Path) -> None:
    """In the new process, before it is the agent: say who it is. Renamed, so that nobody reads half of it."""
    pid = os.getpid()
    fresh = folder / f"{PROCESS}.new"
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(handle, f"{pid} {started(pid)}".encode())
    os.close(handle)
    os.replace(fresh, folder / PROCESS)


def _found(folder: Path) -> dict[str, Any] | None:
    """{pid, started} of the node's living process, None when it has none."""
    try:
        words = (folder / PROCESS).read_text().split(" ", 1)
        pid, began = int(words[0]), words[1]
    except (OSError, ValueError, IndexError):
        return None
    return {"pid": pid, "started": began} if began and started(pid) == began else None


def started(pid: int) -> str:
    """When the process began, in words that only compare; empty when there is none, or only its corpse."""
    try:
        # After the name, which may hold anything: state is the first field, the start time the twentieth.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
    except (OSError, IndexError):
        pass
    with contextlib.suppress(psutil.Error):
        if sys.platform != "linux" and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return repr(psutil.Process(pid).create_time())
    return ""
