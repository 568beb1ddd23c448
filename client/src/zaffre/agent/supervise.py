"""`python -m zaffre.agent.supervise <folder>`: launcher, watchdog and reaper of one attempt.

It is a process of its own session, so that it outlives an agent that crashes. It alone decides when
users' code must end: when the lease was not renewed, when told to, or when the main process is over.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Optional

from zaffre.agent import processes, talk
from zaffre.agent.clock import now
from zaffre.agent.disk import try_lock
from zaffre.agent.pipes import Pipes
from zaffre.agent.rundir import RunDir
from zaffre.agent.spool import SpoolWriter

#: Parts of the lease after which users' code is asked to end, and then made to.
TERM_AT, KILL_AT = 0.65, 0.75
#: How long a daemon that holds the pipe may delay the end, in seconds.
DRAIN_SECONDS = 2.0
#: The boot clock counts suspend and `select` does not: look this often.
_LOOK_SECONDS = 1.0


class Supervisor:
    """One attempt from launch to its written result."""

    def __init__(self, place: RunDir) -> None:
        launch = place.launch
        if launch is None:
            raise SystemExit(f"{place.path} holds no launch.json.")
        self.place = place
        self.launch = launch
        self.renewed = float(launch["renewed"])
        self.valid_for = float(launch["valid_for"])
        self.reason: Optional[str] = None
        self.kill_at: Optional[float] = None
        self.signaled = False
        self.ended = False
        self.main: Optional[subprocess.Popen[bytes]] = None
        self.status: Optional[int] = None
        self.output = SpoolWriter(place.output(launch.get("log")))
        self.pipes = Pipes(self.output)
        self.selector = selectors.DefaultSelector()

    # --- the lease -------------------------------------------------------------------------
    def renew(self, sent: float, valid_for: float) -> None:
        if sent > self.renewed:
            self.renewed, self.valid_for = sent, valid_for

    def stop(self, reason: str, grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace`. Asked again, the earlier end counts and the first reason stays."""
        end = now() + grace
        first = self.kill_at is None
        self.reason = self.reason or reason
        self.kill_at = end if self.kill_at is None else min(self.kill_at, end)
        if first and grace > 0 and self.main is not None and self.status is None:
            processes.send(self.main.pid, signal.SIGTERM, group=True)

    def note_signal(self, *_: object) -> None:
        """A signal handler sets a flag, nothing more."""
        self.signaled = True

    def look(self) -> bool:
        """True when everything must end now. Fences when the lease has run down."""
        moment = now()
        if self.signaled and self.kill_at is None:
            self.stop("preempted", float(self.launch["grace"]))
        if moment >= self.renewed + KILL_AT * self.valid_for:
            self.stop("fenced", 0)
        elif moment >= self.renewed + TERM_AT * self.valid_for and self.kill_at is None:
            self.stop("fenced", self.renewed + KILL_AT * self.valid_for - moment)
        return self.kill_at is not None and moment >= self.kill_at

    def patience(self) -> float:
        ends = [self.renewed + TERM_AT * self.valid_for, self.renewed + KILL_AT * self.valid_for]
        ends += [end for end in (self.kill_at, self.pipes.due()) if end is not None]
        ahead = [end - now() for end in ends if end > now()]
        return max(0.01, min([_LOOK_SECONDS, *ahead]))

    # --- the process -----------------------------------------------------------------------
    def start(self) -> None:
        """Start users' code. Raises OSError when it cannot be started."""
        out, err = self.pipes.make()
        try:
            self.main = subprocess.Popen(
                self.launch["argv"],
                cwd=self.launch["cwd"],
                env=self.launch["env"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=processes.limits_of_a_run(die_with=os.getpid()),
            )
        except BaseException:
            self.pipes.close()
            raise
        finally:
            os.close(out)
            os.close(err)
        self.place.keep_pid("main", self.main.pid, processes.began(self.main.pid))

    def reap(self) -> None:
        """Collect ended children, the adopted ones too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.main is not None and pid == self.main.pid:
                self.status = status
                self.main.returncode = os.waitstatus_to_exitcode(status)

    def end_all(self) -> None:
        """SIGKILL to the whole tree until nothing of it is left."""
        main = self.main.pid if self.main is not None and self.status is None else None

        def find() -> "set[int]":
            found = processes.descendants(os.getpid())
            if not processes.LINUX and main is not None and self.status is None:
                found.add(main)
            return found

        # A pid that was collected may be somebody else's by now; only where there is no tree to walk, and
        # once, the group is worth the risk.
        if self.main is not None and (self.status is None or not (processes.LINUX or self.ended)):
            processes.send(self.main.pid, signal.SIGKILL, group=True)
        self.ended = True
        processes.end_all(find, reap=self.reap)
        self.reap()

    # --- the life --------------------------------------------------------------------------
    def serve(self, server: socket.socket) -> None:
        """Answer one caller of the control socket."""
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            talk.answer(connection, self.handle)

    def handle(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        operation = asked.get("op")
        if operation == "renew":
            self.renew(float(asked["sent"]), float(asked["valid_for"]))
        elif operation == "stop":
            self.stop(str(asked.get("reason", "canceled")), float(asked.get("grace", self.launch["grace"])))
        elif operation == "kill":
            self.stop(str(asked.get("reason", "dropped")), 0)
        elif operation != "status":
            return {"error": f"unknown op {operation!r}"}
        return {
            "run": self.launch["run"],
            "attempt": self.launch["attempt"],
            "ended": self.status is not None,
            "reason": self.reason,
            "fence_in": self.renewed + TERM_AT * self.valid_for - now(),
        }

    def run(self, server: socket.socket) -> Dict[str, Any]:
        """Start, watch and end; returns the result to write."""
        wake, waker = os.pipe()
        for end in (wake, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self.note_signal)
        started = time.time()
        if self.look():
            return self._result(started, message="The lease was over before the code could start.")
        try:
            self.start()
        except OSError as error:
            message = f"{self.launch['argv'][0]} cannot be started: {error.strerror or error}"
            self.output.write((message + "\n").encode())
            self.reason = self.reason or "launch_failed"
            return self._result(started, message=message)
        self.selector.register(server, selectors.EVENT_READ)
        self.selector.register(wake, selectors.EVENT_READ)
        self.pipes.register(self.selector)
        self._watch(server, wake)
        self.end_all()
        self.pipes.drain()
        with suppress(OSError):
            self.output.sync()
        return self._result(started)

    def _watch(self, server: socket.socket, wake: int) -> None:
        drain_until: Optional[float] = None
        while True:
            events = self.selector.select(self.patience() if drain_until is None else 0.05)
            # The lease comes before anything that is waiting: after a freeze nothing may run on.
            if self.look():
                return
            for key, _ in events:
                if key.fileobj is server:
                    self.serve(server)
                elif key.fd == wake:
                    os.read(wake, 512)
            for ended in self.pipes.take([key.fd for key, _ in events]):
                self.selector.unregister(ended)
            self.reap()
            if self.status is not None:
                drain_until = drain_until or time.monotonic() + DRAIN_SECONDS
                if not self.pipes.open or time.monotonic() >= drain_until:
                    return

    def _result(self, started: float, *, message: Optional[str] = None) -> Dict[str, Any]:
        code = os.waitstatus_to_exitcode(self.status) if self.status is not None else None
        return {
            "exit_code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "reason": self.reason,
            "message": message,
            "started": started,
            "ended": time.time(),
        }


def main(folder: str) -> int:
    """Supervise the attempt in `folder`; 0 when its result is written, 3 when somebody else has it."""
    place = RunDir(Path(folder))
    os.umask(0o077)
    lock = try_lock(place.lock)
    end = time.monotonic() + 2
    while lock is None and not place.begun and time.monotonic() < end:  # an agent that only looks holds it for a moment
        time.sleep(0.05)
        lock = try_lock(place.lock)
    if lock is None or not place.begin():
        return 3
    processes.become_subreaper()
    place.keep_pid("supervisor", os.getpid(), processes.began(os.getpid()))
    supervisor = Supervisor(place)
    address = Path(supervisor.launch["socket"])
    with talk.listen(address) as server:
        try:
            place.keep_result(supervisor.run(server))
        finally:
            supervisor.end_all()
            address.unlink(missing_ok=True)
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
