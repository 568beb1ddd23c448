"""A server that the studio wants alive on this node, as child process of the agent: prepared, started, watched,
started again. A replica scores with a model, a board shows event files."""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Deque, Dict, Optional, Tuple

from zaffre.agent import processes
from zaffre.agent.disk import write_json
from zaffre.agent.rundir import socket_path

if TYPE_CHECKING:
    from zaffre.agent.config import NodeConfig
    from zaffre.agent.job import Workshop

log = logging.getLogger("zaffre.agent")

STARTING, READY, FAILED, STOPPED = "starting", "ready", "failed", "stopped"
LOAD_SECONDS = 120.0
DRAIN_SECONDS = 5.0
_FAILURES, _WITHIN_SECONDS = 5, 300.0
_HEALTHY_SECONDS = 60.0
_LOOK_SECONDS = 0.25
_TAIL_BYTES = 4000


class Service(ABC):
    """One server. `report()` is what the studio hears of it."""

    #: What it is called, in words and in the name of its socket; where its folders lie, and the studio's address of
    #: them; the variable that marks all its processes.
    noun: ClassVar[str] = "service"
    plural: ClassVar[str] = "services"
    mark: ClassVar[str] = "ZAFFRE_SERVICE_ID"

    def __init__(
        self, config: NodeConfig, shop: Workshop, spec: Dict[str, Any], *, changed: Callable[[], object]
    ) -> None:
        self.config, self.shop, self.spec = config, shop, spec
        self.id = str(spec["id"])
        self.changed = changed
        self.folder = config.state / self.plural / self.id
        self.socket = socket_path(config.state, self.noun, self.id)
        self.state, self.reason = STARTING, ""
        self.ended = False
        self._stop = threading.Event()
        self._failures: Deque[float] = deque()
        # The thread lives as long as the process: the kernel ends a child with the thread that made it.
        self._thread = threading.Thread(target=self._live, name=f"{self.noun} {self.id}", daemon=True)

    # --- what each kind of service says for itself --------------------------------------------------
    @abstractmethod
    def prepare(self) -> Optional[Dict[str, Any]]:
        """Have ready what it needs; returns how to start it (argv, env, cwd), or None when it failed or stopped."""

    def hopeless(self, code: Optional[int]) -> bool:
        """Whether this exit code says that starting it again is of no use."""
        return False

    def why(self, code: Optional[int], seconds: float) -> str:
        """One sentence about an end: its exit code (None: not ready in time) after so many seconds of service."""
        if code is None:
            return f"It was not ready within {LOAD_SECONDS:g} s."
        what = f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"It ended with {what} after {seconds:.0f} s of service."
            if seconds
            else (f"It ended with {what} while starting.")
        )

    def recovered(self) -> None:
        """It served for a good while: earlier failures do not count any more."""
        self._failures.clear()

    def settle(self) -> None:
        """It is over: end what else writes to its folder, which goes now."""
        self._stop.set()

    # --- its life -------------------------------------------------------------------------------------
    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to finish its requests and end. Returns at once."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def report(self) -> Dict[str, Any]:
        # What is about to end takes nothing new, such as after a lease that ran out.
        state = STARTING if self.state == READY and self._stop.is_set() else self.state
        return {
            "id": self.id,
            "state": state,
            "address": f"unix:{self.socket}" if state == READY else "",
            "reason": self.reason,
            "log_tail": self.tail(),
        }

    def tail(self) -> str:
        """The last lines of its log."""
        try:
            with (self.folder / "log").open("rb") as said:
                said.seek(max(0, said.seek(0, 2) - _TAIL_BYTES))
                return said.read().decode("utf-8", "replace").replace("\0", "\ufffd")
        except OSError:
            return ""

    def show(self, state: str, reason: str = "") -> None:
        if (self.state, self.reason) != (state, reason):
            self.state, self.reason = state, reason
            self.changed()

    def say(self, text: str) -> None:
        with (self.folder / "log").open("ab") as said:
            said.write(text.encode("utf-8", "replace"))

    def _live(self) -> None:
        try:
            (self.folder / "home").mkdir(mode=0o700, parents=True, exist_ok=True)
            launch = self.prepare()
            if launch is not None:
                self._keep_alive(launch)
            while not self._stop.is_set():  # failed: it stays so until the studio wants it no more
                self._stop.wait(1.0)
        except Exception as error:
            log.exception("%s %s", self.noun, self.id)
            self.show(FAILED, f"The node could not go on: {error}")
            self._stop.wait()
        finally:
            self.settle()
            self.socket.unlink(missing_ok=True)
            shutil.rmtree(str(self.folder), ignore_errors=True)
            self.ended = True
            self.show(STOPPED)

    def _keep_alive(self, launch: Dict[str, Any]) -> None:
        """Start it, and again when it ends, with growing pauses; returns when stopped or given up."""
        pause = 1.0
        while not self._stop.is_set():
            self.show(STARTING, self.reason)
            code, healthy = self._once(launch)
            if self._stop.is_set():
                return
            if healthy >= _HEALTHY_SECONDS:
                pause = 1.0
                self.recovered()
            reason = self.why(code, healthy)
            if self._too_often() or self.hopeless(code):
                self.show(FAILED, reason)
                return
            self.show(STARTING, f"{reason} It is started again.")
            self._stop.wait(pause)
            pause = min(pause * 2, 60.0)

    def _too_often(self) -> bool:
        moment = time.monotonic()
        self._failures.append(moment)
        while self._failures and self._failures[0] < moment - _WITHIN_SECONDS:
            self._failures.popleft()
        return len(self._failures) >= _FAILURES

    def _once(self, launch: Dict[str, Any]) -> Tuple[Optional[int], float]:
        """One life of the process: its exit code (None when it never got ready) and its seconds of health."""
        self.socket.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as said:
            child = subprocess.Popen(
                launch["argv"],
                cwd=launch["cwd"],
                env={**launch["env"], self.mark: self.id},
                stdin=subprocess.PIPE,  # its end tells the child that the agent is gone
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        write_json(self.folder / "pid", {"pid": child.pid, "began": processes.began(child.pid)})
        since: Optional[float] = None
        try:
            begun = time.monotonic()
            while child.poll() is None:
                if self._stop.wait(_LOOK_SECONDS):
                    self._drain(child)
                    break
                if since is None:
                    if healthy(self.socket):
                        since = time.monotonic()
                        self.show(READY)
                    elif time.monotonic() - begun > LOAD_SECONDS:
                        return None, 0.0
            return child.returncode, (time.monotonic() - since if since is not None else 0.0)
        finally:
            self._end(child)

    def _drain(self, child: "subprocess.Popen[bytes]") -> None:
        processes.send(child.pid, signal.SIGTERM)
        try:
            child.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            log.info("%s %s did not finish its requests in time", self.noun, self.id)

    def _end(self, child: "subprocess.Popen[bytes]") -> None:
        if child.poll() is None or not processes.LINUX:  # a pid that was collected may be somebody else's by now
            processes.send(child.pid, signal.SIGKILL, group=True)
        child.wait()
        if child.stdin is not None:
            child.stdin.close()
        processes.end_all(lambda: processes.marked({self.mark: self.id}), seconds=5)
        (self.folder / "pid").unlink(missing_ok=True)


def healthy(path: Path) -> bool:
    """True when the server at this socket answers. It listens only when it is ready to."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(5)
        self.sock.connect(self._path)


def parent_pid() -> str:
    """For the words of a server that ends with the agent (zaffre.serve.parent)."""
    return str(os.getpid())
