"""The node's warm parents: an interpreter per recent environment that forks for each run."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Optional

from zaffre.agent import config, zygote
from zaffre.agent.groups import Groups, sweep

log = logging.getLogger("zaffre.agent")

_PACKAGE = Path(__file__).resolve().parent.parent
_MOST = 4
_IDLE_SECONDS, _IDLE_WHEN_FULL = 600.0, 5.0
#: Above this share of the machine's memory in use, parents that nobody waits for are let go.
_FULL = 0.9
_PASSED_ON = ("LD_LIBRARY_PATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass
class Parent:
    """One warm interpreter; it ends when its control socket is closed."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket
    used: float = field(default_factory=time.monotonic)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, folder: Path, cord: socket.socket) -> bool:
        """Have it fork a supervisor for the attempt in `folder`; False when it cannot."""
        self.used = time.monotonic()
        try:
            socket.send_fds(self.control, [os.fsencode(folder)], [cord.fileno()])
        except OSError:
            return False
        return True

    def end(self) -> None:
        self.control.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.2)
            return
        self.process.kill()
        self.process.wait()


class Parents:
    """Those of one life of the agent. Threads may share it."""

    def __init__(self, sdk: str, log_file: Path, groups: Optional[Groups] = None) -> None:
        self.sdk, self.log_file = sdk, log_file
        self._groups = groups
        self._parents: Dict[str, Parent] = {}
        self._lock = threading.Lock()
        self._closed = not hasattr(socket, "send_fds") or not sys.platform.startswith("linux")

    def find(self, python: str) -> Optional[Parent]:
        """The parent for runs of this interpreter, started if need be; None where there is none."""
        with self._lock:
            if self._closed:
                return None
            parent = self._parents.get(python)
            if parent is None or not parent.alive:
                try:
                    if parent is not None:
                        self._end(self._parents.pop(python))
                    parent = self._parents[python] = self._start(python)
                except OSError as error:
                    log.warning("no warm parent for %s: %s", python, error)
                    return None
                self._thin_out(python)
            return parent

    def drop(self, python: str) -> None:
        """One that failed; the next run gets another."""
        with self._lock:
            parent = self._parents.pop(python, None)
        if parent is not None:
            self._end(parent)

    def tend(self) -> None:
        """End those that were idle for long, and all that are idle when memory is short."""
        longest = _IDLE_WHEN_FULL if config.memory_share() > _FULL else _IDLE_SECONDS
        now = time.monotonic()
        with self._lock:
            idle = [name for name, one in self._parents.items() if now - one.used > longest or not one.alive]
            gone = [self._parents.pop(name) for name in idle]
        self._end(*gone)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            gone, self._parents = list(self._parents.values()), {}
        self._end(*gone)

    def _end(self, *gone: Parent) -> None:
        for parent in gone:
            parent.end()
        if any(parent.process.returncode for parent in gone):
            sweep(self._groups)  # one that was killed, maybe with its child, which then let go of nothing

    def _thin_out(self, kept: str) -> None:
        while len(self._parents) > _MOST:
            oldest = min((name for name in self._parents if name != kept), key=lambda name: self._parents[name].used)
            self._end(self._parents.pop(oldest))

    def _start(self, python: str) -> Parent:
        """An environment's interpreter is started as the one that it was made from.

        What packages execute when an interpreter starts is users' code, which waits for the run.
        """
        own = python == config.interpreter()
        binary = python if own else os.path.realpath(python)
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        env.update(PATH="/usr/local/bin:/usr/bin:/bin", LANG="C.UTF-8", PYTHONPATH=self.sdk, PYTHONUNBUFFERED="1")
        groups = self._groups.told() if self._groups is not None else None
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.set_inheritable(False)
        with there, self.log_file.open("ab") as said:
            process = subprocess.Popen(
                zygote.words(binary, there.fileno(), sdk=self.sdk, package=str(_PACKAGE), own=own, groups=groups),
                cwd="/",
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=[there.fileno()],
                start_new_session=True,
            )
        return Parent(process, here)
