"""One replica: a scoring server as child process of the agent, prepared, started, watched, started again."""

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
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, Optional

from zaffre.agent import package, processes
from zaffre.agent.blobs import DamagedContent
from zaffre.agent.disk import UnsafePath, write_json
from zaffre.agent.door import DoorError, Stopped
from zaffre.agent.environments import EnvironmentFailed
from zaffre.agent.rundir import socket_path
from zaffre.agent.script import base_environment

if TYPE_CHECKING:
    from zaffre.agent.config import NodeConfig
    from zaffre.agent.job import Workshop

log = logging.getLogger("zaffre.agent")

STARTING, READY, FAILED, STOPPED = "starting", "ready", "failed", "stopped"
#: Exit codes of `zaffre.serve`: the script is not usable at all; its init() raised.
EXIT_BAD_SCRIPT, EXIT_INIT_FAILED = 65, 70
LOAD_SECONDS = 120.0
DRAIN_SECONDS = 5.0
_FAILURES, _WITHIN_SECONDS = 5, 300.0
_INIT_FAILURES = 2
_HEALTHY_SECONDS = 60.0
_LOOK_SECONDS = 0.25
_TAIL_BYTES = 4000


class Replica:
    """One copy of a deployment. `report()` is what the studio hears of it."""

    def __init__(
        self, config: NodeConfig, shop: Workshop, spec: Dict[str, Any], *, changed: Callable[[], object]
    ) -> None:
        self.config, self.shop, self.spec = config, shop, spec
        self.id = str(spec["id"])
        self.changed = changed
        self.folder = config.state / "replicas" / self.id
        self.socket = socket_path(config.state, "replica", self.id)
        self.state, self.reason = STARTING, ""
        self.ended = False
        self._stop = threading.Event()
        self._failures: Deque[float] = deque()
        self._init_failures = 0
        # The thread lives as long as the process: the kernel ends a child with the thread that made it.
        self._thread = threading.Thread(target=self._live, name=f"replica {self.id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to finish its requests and end. Returns at once."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def report(self) -> Dict[str, Any]:
        state = self.state
        return {
            "id": self.id,
            "state": state,
            "address": f"unix:{self.socket}" if state == READY else "",
            "reason": self.reason,
            "log_tail": self.tail(),
        }

    def tail(self) -> str:
        """The last lines of the replica's log."""
        try:
            with (self.folder / "log").open("rb") as said:
                said.seek(max(0, said.seek(0, 2) - _TAIL_BYTES))
                return said.read().decode("utf-8", "replace").replace("\0", "\ufffd")
        except OSError:
            return ""

    def _show(self, state: str, reason: str = "") -> None:
        if (self.state, self.reason) != (state, reason):
            self.state, self.reason = state, reason
            self.changed()

    def _live(self) -> None:
        try:
            (self.folder / "home").mkdir(mode=0o700, parents=True, exist_ok=True)
            launch = self._prepare()
            if launch is not None:
                self._keep_alive(launch)
            while not self._stop.is_set():  # failed: it stays so until the studio wants it no more
                self._stop.wait(1.0)
        except Exception as error:
            log.exception("replica %s", self.id)
            self._show(FAILED, f"The node could not go on: {error}")
            self._stop.wait()
        finally:
            self.socket.unlink(missing_ok=True)
            shutil.rmtree(str(self.folder), ignore_errors=True)
            self.ended = True
            self._show(STOPPED)

    def _prepare(self) -> Optional[Dict[str, Any]]:
        """Environment, model and code; returns how to start it, or None when it failed."""
        try:
            found = self.shop.environments.provide(
                (self.spec.get("environment") or {}).get("spec") or {}, until=self._stop.is_set, say=self._say
            )
            place = package.provide(
                self.config.cache, self.shop.blobs, self.spec, door=self.shop.door, until=self._stop.is_set
            )
        except Stopped:
            return None
        except EnvironmentFailed as error:
            self._show(FAILED, str(error))
            return None
        except (DoorError, UnsafePath, DamagedContent, OSError) as error:
            self._show(FAILED, f"The model or its code could not be fetched: {error}")
            return None
        code = place / package.CODE
        env = base_environment(
            home=str(self.folder / "home"), tmp=str(self.folder / "home"), path_first=found.bin, sdk=self.shop.sdk
        )
        env.update(
            {
                "AZUREML_MODEL_DIR": str(place.joinpath(*package.model_folder(self.spec).split("/"))),
                "AML_APP_ROOT": str(code),
                "AZUREML_ENTRY_SCRIPT": str(self.spec["entry_script"]),
                "SERVICE_NAME": str(self.spec.get("endpoint", "")),
                "WORKSPACE_NAME": str(self.spec.get("workspace", "")),
                "ZAFFRE_REPLICA_ID": self.id,
                "PYTHONDONTWRITEBYTECODE": "1",
            }
        )
        argv = [found.python, "-m", "zaffre.serve", "--socket", str(self.socket), "--parent", str(os.getpid())]
        return {"argv": [*argv, "--script", str(self.spec["entry_script"])], "env": env, "cwd": str(code)}

    def _say(self, text: str) -> None:
        with (self.folder / "log").open("ab") as said:
            said.write(text.encode("utf-8", "replace"))

    def _keep_alive(self, launch: Dict[str, Any]) -> None:
        """Start it, and again when it ends, with growing pauses; returns when stopped or given up."""
        pause = 1.0
        while not self._stop.is_set():
            self._show(STARTING, self.reason)
            code, healthy = self._once(launch)
            if self._stop.is_set():
                return
            if healthy >= _HEALTHY_SECONDS:
                pause, self._init_failures = 1.0, 0
                self._failures.clear()
            reason = _why(code, healthy)
            if self._hopeless(code):
                self._show(FAILED, reason)
                return
            self._show(STARTING, f"{reason} It is started again.")
            self._stop.wait(pause)
            pause = min(pause * 2, 60.0)

    def _hopeless(self, code: Optional[int]) -> bool:
        moment = time.monotonic()
        self._failures.append(moment)
        while self._failures and self._failures[0] < moment - _WITHIN_SECONDS:
            self._failures.popleft()
        self._init_failures += code == EXIT_INIT_FAILED
        return code == EXIT_BAD_SCRIPT or self._init_failures >= _INIT_FAILURES or len(self._failures) >= _FAILURES

    def _once(self, launch: Dict[str, Any]) -> "tuple[Optional[int], float]":
        """One life of the process: its exit code (None when it never got ready) and its seconds of health."""
        self.socket.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as said:
            child = subprocess.Popen(
                launch["argv"],
                cwd=launch["cwd"],
                env=launch["env"],
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
                        self._show(READY)
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
            log.info("replica %s did not finish its requests in time", self.id)

    def _end(self, child: "subprocess.Popen[bytes]") -> None:
        if child.poll() is None or not processes.LINUX:  # a pid that was collected may be somebody else's by now
            processes.send(child.pid, signal.SIGKILL, group=True)
        child.wait()
        if child.stdin is not None:
            child.stdin.close()
        processes.end_all(lambda: processes.marked({"ZAFFRE_REPLICA_ID": self.id}), seconds=5)
        (self.folder / "pid").unlink(missing_ok=True)


def healthy(path: Path) -> bool:
    """True when the scoring server at this socket answers. It binds the socket only after init() returned."""
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


def _why(code: Optional[int], seconds: float) -> str:
    if code is None:
        return f"It was not ready within {LOAD_SECONDS:g} s."
    if code == EXIT_BAD_SCRIPT:
        return "The scoring script cannot be used; its log says why."
    if code == EXIT_INIT_FAILED:
        return "init() of the scoring script raised an exception; the log shows it."
    what = f"signal {-code}" if code < 0 else f"exit code {code}"
    return (
        f"It ended with {what} after {seconds:.0f} s of service."
        if seconds
        else f"It ended with {what} while starting."
    )
