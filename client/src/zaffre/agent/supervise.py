"""`python -m zaffre.agent.supervise <folder>`: launcher, watchdog and reaper of one attempt.

It is a process of its own session, so that it outlives an agent that crashes. It alone decides when
users' code must end: when the lease was not renewed, when told to, or when the main process is over.
"""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from zaffre.agent import processes, spawn, talk
from zaffre.agent.clock import now
from zaffre.agent.cord import DONE, OUTPUT, READY, Cord
from zaffre.agent.disk import try_lock
from zaffre.agent.pipes import Pipes
from zaffre.agent.quarters import Quarters
from zaffre.agent.rundir import RunDir
from zaffre.agent.spool import SpoolWriter

#: Parts of the lease after which users' code is asked to end, and then made to.
TERM_AT, KILL_AT = 0.65, 0.75
#: How long a daemon that holds the pipe may delay the end, in seconds.
DRAIN_SECONDS = 2.0
#: The boot clock counts suspend and `select` does not: look this often.
_LOOK_SECONDS = 1.0
_TELL_SECONDS = 0.1


class Unbegun(Exception):
    """The code must not start. `message` for the result, None when there shall be none."""

    def __init__(self, message: Optional[str]) -> None:
        super().__init__(message)
        self.message = message


class Supervisor:
    """One attempt from launch to its written result."""

    def __init__(self, place: RunDir, server: socket.socket, cord: Optional[Cord], *, warm: bool) -> None:
        launch = place.launch
        if launch is None:
            raise SystemExit(f"{place.path} holds no launch.json.")
        self.place, self.launch = place, launch
        self.server, self.cord = server, cord
        self.in_place = warm and bool(launch.get("in_place"))
        self.quarters: Optional[Quarters] = None
        self.coming: Optional[spawn.Coming] = None
        self.gate: Optional[spawn.Gate] = None
        self.renewed = float(launch["renewed"])
        self.valid_for = float(launch["valid_for"])
        self.longest = float(launch.get("max_seconds") or 0)
        self.reason: Optional[str] = None
        self.kill_at: Optional[float] = None
        self.signaled = self.ended = False
        self.message: Optional[str] = None
        self.main: Optional[int] = None
        self._told_at = 0.0
        self._launched: Optional[float] = None
        self.status: Optional[int] = None
        self.output = SpoolWriter(place.output(launch.get("log")))
        self.pipes = Pipes(self.output, launch.get("secrets") or ())
        self.selector = selectors.DefaultSelector()
        #: Whether orphans of the tree become children of ours.
        self.adopts = processes.become_subreaper()
        #: Signals write to it, so that whoever waits for something else hears of them.
        self.wake, waker = os.pipe()
        for end in (self.wake, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker)

    # --- the lease -------------------------------------------------------------------------
    def renew(self, sent: float, valid_for: float) -> None:
        if sent > self.renewed:
            self.renewed, self.valid_for = sent, valid_for

    def stop(self, reason: str, grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace`. Asked again, the earlier end counts and the first reason stays."""
        end = now() + grace
        first = self.kill_at is None
        if self.status is None:  # a main process that has ended by itself was ended by nobody
            self.reason = self.reason or reason
        self.kill_at = end if self.kill_at is None else min(self.kill_at, end)
        if first and grace > 0 and self.main is not None and self.status is None:
            processes.send(self.main, signal.SIGTERM, group=True)

    def note_signal(self, *_: object) -> None:
        """A signal handler sets a flag, nothing more."""
        self.signaled = True

    def look(self) -> bool:
        """True when everything must end now. Fences when the lease has run down."""
        moment = now()
        if self.signaled and self.kill_at is None:
            self.stop("preempted", float(self.launch["grace"]))
        if self._launched is not None and self.longest and moment >= self._launched + self.longest:
            if self.reason is None and self.status is None:
                self.message = f"It ran longer than its max_duration_seconds of {self.longest:g} s."
            self.stop("timeout", float(self.launch["grace"]))
        if moment >= self.renewed + KILL_AT * self.valid_for:
            self.stop("fenced", 0)
        elif moment >= self.renewed + TERM_AT * self.valid_for and self.kill_at is None:
            self.stop("fenced", self.renewed + KILL_AT * self.valid_for - moment)
        return self.kill_at is not None and moment >= self.kill_at

    def patience(self) -> float:
        ends = [self.renewed + TERM_AT * self.valid_for, self.renewed + KILL_AT * self.valid_for]
        longest = self._launched + self.longest if self._launched is not None and self.longest else None
        ends += [end for end in (self.kill_at, longest, self.pipes.due()) if end is not None]
        ahead = [end - now() for end in ends if end > now()]
        return max(0.01, min([_LOOK_SECONDS, *ahead]))

    # --- the process -----------------------------------------------------------------------
    def begin(self) -> bool:
        """Prepare, wait until the agent lets the code begin, and let it. False in the child that goes on as the code.

        Raises OSError when it cannot be started, Unbegun when it must not.
        """
        self.quarters = Quarters(self.place, self.launch)
        if not self._fork(self.quarters):
            return False
        assert self.coming is not None
        self.quarters.ready()
        self.coming.move_in()
        self.place.keep_pid("main", self.coming.pid, processes.began(self.coming.pid))
        if self.cord is not None:
            self.cord.say(READY)
            self._await_go(self.cord)
        if self.look() or self.reason is not None:
            raise Unbegun(message="Stopped before its code was started.")
        self._launched = now()
        self.coming.go(executes=not self.in_place)
        self.main = self.coming.pid
        return True

    def _await_go(self, cord: Cord) -> None:
        while not self.look() and self.reason is None:
            readable, _, _ = select.select([cord.fileno(), self.server.fileno()], [], [], self.patience())
            # The cord first: whoever asks after its end must not hear that the attempt is alive.
            if cord.fileno() in readable:
                if cord.hear(0):
                    return
                # The agent has died before the code began: it is given to whoever comes next.
                raise Unbegun(message=None)
            if self.server.fileno() in readable:
                self.serve(self.server)

    def _fork(self, quarters: Quarters) -> bool:
        """The process that will be users' code, moving into the quarters. False in itself, if it goes on in place."""
        out, err = self.pipes.make()
        quarters.born()
        group = quarters.group
        program = spawn.Program(
            argv=self.launch["argv"],
            env=self.launch["env"],
            cwd=self.launch["cwd"],
            stdout=out,
            stderr=err,
            entries=group.open_entries() if group is not None else (),
            box=quarters.box,
            in_place=self.in_place,
        )
        forked = spawn.fork(program)
        if isinstance(forked, spawn.Gate):
            self.gate = forked
            return False
        self.coming = forked
        os.close(out)
        os.close(err)
        if group is not None:
            group.close_entries()
        return True

    def reap(self) -> bool:
        """Collect ended children, the adopted ones too. True when nothing of the tree can be left."""
        try:
            for pid, status in processes.collect():
                if pid == self.main:
                    self.status = status
                elif self.quarters is not None:
                    self.quarters.reaped(pid)
        except ChildProcessError:
            return self.adopts
        return False

    def end_all(self) -> None:
        """SIGKILL to the tree until nothing of it is left."""
        main = self.main if self.status is None else None

        def find() -> "set[int]":
            found = processes.below(os.getpid())
            if self.quarters is not None:
                found |= self.quarters.pids()
            if not processes.LINUX and main is not None and self.status is None:
                found.add(main)
            return found

        # A pid that was collected may be somebody else's by now; only where there is no tree to walk, and
        # once, the group is worth the risk.
        if self.main is not None and (self.status is None or not (processes.LINUX or self.ended)):
            processes.send(self.main, signal.SIGKILL, group=True)
        if self.coming is not None:
            self.coming.close()
        if self.quarters is not None:
            self.quarters.end()
        self.ended = True
        processes.end_all(find, reap=self.reap, rest=self._rest)
        self.reap()

    def _rest(self, seconds: float) -> None:
        """Until a child has ended, or so long."""
        if select.select([self.wake], [], [], seconds)[0]:
            os.read(self.wake, 512)

    def _tell_output(self) -> None:
        """Whoever sends the log need not look for it; a few times a second are enough."""
        moment = time.monotonic()
        if self.cord is not None and moment - self._told_at > _TELL_SECONDS:
            self._told_at = moment
            self.cord.say(OUTPUT)

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

    def run(self) -> Optional[Dict[str, Any]]:
        """Start, watch and end; returns the result to write. None in the child that goes on as the code."""
        self.started = time.time()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self.note_signal)
        if self.look():
            return self._result(message="The lease was over before the code could start.")
        try:
            if not self.begin():
                return None
        except OSError as error:
            message = f"{self.launch['argv'][0]} cannot be started: {error.strerror or error}"
            self.output.write((message + "\n").encode())
            self.reason = self.reason or "launch_failed"
            self.pipes.drain()
            return self._result(message=message)
        self.selector.register(self.server, selectors.EVENT_READ)
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.pipes.register(self.selector)
        self._watch()
        self._note_trouble()
        self.end_all()
        self.pipes.drain()
        with suppress(OSError):
            self.output.sync()
        return self._result()

    def unbegun(self, message: Optional[str]) -> Optional[Dict[str, Any]]:
        """The result of code that was not started; None when nobody is to be told."""
        return self._result(message=message) if message else None

    def leave(self, address: Path) -> None:
        """Whatever happened: nothing of the run lives on."""
        self.end_all()
        if self.quarters is not None:
            self.quarters.remove()
        self.server.close()
        address.unlink(missing_ok=True)

    def _note_trouble(self) -> None:
        """A limit that was met ends the code, or is why it has ended."""
        if self.reason is not None or self.quarters is None:
            return
        trouble = self.quarters.trouble(last=self.status is not None)
        if trouble is not None and (self.status is None or self.status != 0):
            self.reason, self.message = trouble
            self.stop(trouble[0], 0)

    def _watch(self) -> None:
        drain_until: Optional[float] = None
        while True:
            events = self.selector.select(self.patience() if drain_until is None else 0.05)
            # Who has ended is ended by nothing below. Then the lease: after a freeze nothing may run on.
            self.reap()
            self._note_trouble()
            if self.look():
                return
            for key, _ in events:
                if key.fileobj is self.server:
                    self.serve(self.server)
                elif key.fd == self.wake:
                    os.read(self.wake, 512)
            for ended in self.pipes.take([key.fd for key, _ in events]):
                self.selector.unregister(ended)
            if any(key.fileobj is not self.server and key.fd != self.wake for key, _ in events):
                self._tell_output()
            if self.status is not None:
                drain_until = drain_until or time.monotonic() + DRAIN_SECONDS
                if not self.pipes.open or time.monotonic() >= drain_until:
                    return

    def _result(self, *, message: Optional[str] = None) -> Dict[str, Any]:
        code = os.waitstatus_to_exitcode(self.status) if self.status is not None else None
        return {
            "exit_code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "reason": self.reason,
            "message": message or self.message,
            "started": self.started,
            "ended": time.time(),
            "unwritten": self.output.lost,
        }


def supervise(
    folder: str, cord: Optional[Cord] = None, lock: Optional[int] = None, *, warm: bool = False
) -> Union[int, Dict[str, Any]]:
    """Supervise the attempt in `folder`; 0 when its result is written, 3 when it is not ours to execute.

    The launch in the child that is to go on as the script, which only a warm parent has.
    """
    place = RunDir(Path(folder))
    os.umask(0o077)
    lock = try_lock(place.lock) if lock is None else lock
    end = time.monotonic() + 2
    while lock is None and not place.begun and time.monotonic() < end:  # an agent that only looks holds it for a moment
        time.sleep(0.05)
        lock = try_lock(place.lock)
    if lock is None or not place.begin():
        return 3
    place.keep_pid("supervisor", os.getpid(), processes.began(os.getpid()))
    launch = place.launch or {}
    address = Path(str(launch.get("socket")))
    server = talk.listen(address)
    supervisor = Supervisor(place, server, cord, warm=warm)
    # No `finally` from here to the fork: the child unwinds through these lines, and nothing of this is its to undo.
    try:
        result = supervisor.run()
    except Unbegun as unbegun:
        result = supervisor.unbegun(unbegun.message)
        if result is None:
            supervisor.leave(address)
            place.give_back()
            return 3
    except BaseException:
        supervisor.leave(address)
        raise
    if result is None:
        return {**supervisor.launch, "gate": supervisor.gate}
    try:
        place.keep_result(result)
        if cord is not None:
            cord.say(DONE)
    finally:
        supervisor.leave(address)
    os.close(lock)
    return 0


def main(words: List[str]) -> int:
    """`supervise FOLDER [CORD [LOCK]]`: handles of the supervisor's end of a cord, and of the attempt's lock."""
    cord = Cord(socket.socket(fileno=int(words[1]))) if len(words) > 1 else None
    lock = int(words[2]) if len(words) > 2 else None
    if lock is not None:
        os.set_inheritable(lock, False)  # it was for us, and not for users' code
    found = supervise(words[0], cord, lock)
    return found if isinstance(found, int) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
