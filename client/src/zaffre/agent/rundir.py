"""The folder of one attempt: every name in it is written here once.

What is in the folder decides what a restarted agent does, so each file is made whole before the deed
that it stands for: `spec.json` before preparing, `launch.json` before a supervisor is started,
`started` before users' code, `result.json` after its end, `outcome.json` before the studio is told.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Optional

from zaffre.agent.disk import create_once, is_locked, read_json, write_json
from zaffre.agent.spool import HEAD_BYTES, TAIL_BYTES, Spool

log = logging.getLogger("zaffre.agent")

#: Room on the disk that is kept for the records of the end, and is given away for them.
_ROOM, _ROOM_BYTES = "room", 64 * 1024
#: sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero.
_LONGEST_SOCKET = 100


class RunDir:
    """Paths and records of one attempt."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / "work"
        self.home = path / "home"
        self.inputs = path / "inputs"
        self.tmp = path / "tmp"
        self.spool = path / "spool"
        self.log = path / "log"
        self.lock = path / "supervisor.lock"
        self._outcome: Optional[Dict[str, Any]] = None

    @property
    def spec(self) -> Optional[Dict[str, Any]]:
        """What the claim said."""
        return read_json(self.path / "spec.json")

    def keep_spec(self, spec: Dict[str, Any]) -> None:
        write_json(self.path / "spec.json", spec, sync=False)

    @property
    def launch(self) -> Optional[Dict[str, Any]]:
        """What a supervisor shall start: argv, env, cwd, socket, grace, renewed, valid_for."""
        return read_json(self.path / "launch.json")

    def keep_launch(self, launch: Dict[str, Any]) -> None:
        _reserve(self.path / _ROOM)
        write_json(self.path / "launch.json", launch, sync=False)

    def begin(self) -> bool:
        """Take the one right to execute this attempt; False when it was taken before."""
        return create_once(self.path / "started")

    @property
    def begun(self) -> bool:
        return (self.path / "started").exists()

    def give_back(self) -> None:
        """Undo `keep_launch` and `begin` of an attempt of which nothing was executed: it may be prepared anew.

        Only for who holds the lock. The launch goes first: without it nobody executes the attempt.
        """
        for name in ("launch.json", "started"):
            (self.path / name).unlink(missing_ok=True)

    @property
    def supervised(self) -> bool:
        """A living supervisor holds this attempt, seen by its lock and not by a pid that may be another's."""
        return is_locked(self.lock)

    def output(self, limits: Optional[Dict[str, Any]]) -> Spool:
        """What the code prints. `limits` as the claim has them: head and tail, in bytes."""
        told = limits or {}
        return Spool(self.log, head=int(told.get("head", HEAD_BYTES)), tail=int(told.get("tail", TAIL_BYTES)))

    def keep_pid(self, name: str, pid: int, began: Optional[str]) -> None:
        """`supervisor.pid` and `main.pid`, for people and tests that clean up."""
        write_json(self.path / f"{name}.pid", {"pid": pid, "began": began}, sync=False)

    def pid(self, name: str) -> Optional[Dict[str, Any]]:
        return read_json(self.path / f"{name}.pid")

    def keep(self, name: str, value: Any) -> None:
        """A note of the supervisor for whoever comes after it."""
        write_json(self.path / f"{name}.json", value, sync=False)

    def kept(self, name: str) -> Optional[Any]:
        return read_json(self.path / f"{name}.json")

    @property
    def result(self) -> Optional[Dict[str, Any]]:
        """How users' code ended, as its supervisor saw it."""
        return read_json(self.path / "result.json")

    def keep_result(self, result: Dict[str, Any]) -> None:
        self._keep_at_last("result", result)

    @property
    def outcome(self) -> Optional[Dict[str, Any]]:
        """What the studio is to be told about the end."""
        return self._outcome or read_json(self.path / "outcome.json")

    def keep_outcome(self, outcome: Dict[str, Any]) -> None:
        """Also where the disk takes nothing any more: then it is known as long as this agent lives."""
        self._outcome = outcome
        try:
            self._keep_at_last("outcome", outcome)
        except OSError as error:
            log.warning("%s: its end is not written down: %s", self.path.name, error)

    def _keep_at_last(self, name: str, value: Dict[str, Any]) -> None:
        """Write what must not get lost: code that filled the disk left no room for how it ended."""
        path = self.path / f"{name}.json"
        try:
            write_json(path, value)
        except OSError:
            (self.path / _ROOM).unlink(missing_ok=True)
            write_json(path, value)

    def make(self) -> None:
        """Make the private folders of a new attempt."""
        for folder in (self.path, self.home, self.inputs, self.tmp, self.spool):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.touch(mode=0o600)

    def remove(self) -> None:
        """Forget the attempt. The record goes first: half a removal must not look like a run."""
        (self.path / "spec.json").unlink(missing_ok=True)
        shutil.rmtree(str(self.path), ignore_errors=True)


def _reserve(path: Path) -> None:
    with suppress(OSError):  # a disk that is full already: the attempt says so soon enough
        handle = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, _ROOM_BYTES)
            else:
                os.write(handle, b"\0" * _ROOM_BYTES)
        finally:
            os.close(handle)


def socket_folder(state: Path) -> Path:
    """A private folder whose path is short enough for unix sockets, the same for every start of this node."""
    folder = state / "s"
    if len(os.fsencode(str(folder))) > _LONGEST_SOCKET - 20:
        name = hashlib.sha256(os.fsencode(str(state))).hexdigest()[:10]
        folder = Path(tempfile.gettempdir(), f"zaffre-{os.getuid()}-{name}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or facts.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else; remove it, or choose another --dir.")
    folder.chmod(0o700)
    return folder


def socket_path(state: Path, *words: object) -> Path:
    """The address of a supervisor or replica named by `words`."""
    name = hashlib.sha256(":".join(map(str, words)).encode()).hexdigest()[:12]
    return socket_folder(state) / f"{name}.sock"
