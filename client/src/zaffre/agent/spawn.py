"""Forks users' code out of a supervisor, in two moves: a process moves into its group, its sandbox, a session and
limits of its own and waits at a gate; the program begins when it is let through.

So all of that is done while the studio is told that the code starts. The child either executes the program, or, when
its parent is a warm interpreter, goes on as the program: then `fork` returns twice, and the child unwinds to the top
and waits at the gate by itself.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Union

from zaffre.agent import groups, processes
from zaffre.agent.box import Box, drop_capabilities

_RESET = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
#: Python ignores these two, and what it executes must not.
_RESTORED = tuple(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))
#: From the supervisor, one letter each: the sandbox is there; the program may begin.
_MOVE_IN, _GO = b"m", b"g"
#: From the child, before it waits for the second.
_HERE = b"here"
_SECONDS = 60.0


@dataclass(frozen=True)
class Program:
    """What is to be started, with the handles that become its output."""

    argv: Sequence[str]
    env: Dict[str, str]
    cwd: str
    stdout: int
    stderr: int
    entries: Sequence[int] = ()
    box: Optional[Box] = None
    #: Go on in the forked interpreter instead of executing argv.
    in_place: bool = False


class Gate:
    """The child's side. Without a supervisor it leads nowhere: then the child ends."""

    def __init__(self, saying: int, hearing: int) -> None:
        self.handles = (saying, hearing)

    def say(self, line: bytes) -> None:
        os.write(self.handles[0], line + b"\n")

    def hear(self, letter: bytes) -> None:
        """Wait for it."""
        if os.read(self.handles[1], 1) != letter:
            os._exit(1)

    def wait(self) -> None:
        """Until the program may begin."""
        self.say(_HERE)
        self.hear(_GO)

    def close(self) -> None:
        for handle in self.handles:
            os.close(handle)


class Coming:
    """The supervisor's side of a process that is not the program yet."""

    def __init__(self, forked: int, hearing: int, saying: int, *, between: bool) -> None:
        self.pid = forked
        self._forked, self._between = forked, between
        self._hearing, self._saying = hearing, saying
        self._heard = b""

    def move_in(self) -> None:
        """The sandbox is there; returns when the process waits at the gate. Raises OSError."""
        self._say(_MOVE_IN)
        if not self._listen(until=_HERE):
            raise OSError(errno.ECHILD, "its process ended before it could begin")
        if self._between:
            os.waitpid(self._forked, 0)  # the one in between has gone, and the program is ours by adoption

    def go(self, *, executes: bool) -> None:
        """Let it through. Raises OSError when it could not begin; one that goes on in place has begun."""
        self._say(_GO)
        if executes:
            self._listen(until=None)
        self.close()

    def close(self) -> None:
        """Whoever waits at the gate then ends."""
        if self._saying >= 0:
            os.close(self._hearing)
            os.close(self._saying)
        self._hearing = self._saying = -1

    def _say(self, letter: bytes) -> None:
        try:
            os.write(self._saying, letter)
        except BrokenPipeError:
            self._listen(until=None)  # it may have said why
            raise OSError(errno.ECHILD, "its process ended before it could begin") from None

    def _listen(self, *, until: Optional[bytes]) -> bool:
        """True when that line came, False when the process says nothing more. Raises what it could not do."""
        end = time.monotonic() + _SECONDS
        while True:
            line, found, rest = self._heard.partition(b"\n")
            if found:
                self._heard = rest
                word, _, told = line.partition(b" ")
                if word == until:
                    return True
                if word == b"pid":
                    self.pid = int(told)
                elif word == b"fail":
                    number, _, text = told.partition(b" ")
                    raise OSError(int(number), text.decode("utf-8", "replace"))
                continue
            if not select.select([self._hearing], [], [], max(0.0, end - time.monotonic()))[0]:
                raise OSError(errno.ETIMEDOUT, f"its process was not ready within {_SECONDS:g} s")
            piece = os.read(self._hearing, 4096)
            if not piece:
                return False
            self._heard += piece


def fork(program: Program) -> Union[Coming, Gate]:
    """Its process, on the way to the gate. In the child that is to go on in place: the gate. Raises OSError.

    A sandbox must have been `born`, and need not be ready.
    """
    hearing, saying = os.pipe()
    awaited, letting = os.pipe()
    prepare = processes.limits_of_a_run(die_with=None if program.box is not None else os.getpid())
    try:
        forked, inside = program.box.fork() if program.box is not None else (os.fork(), True)
    except OSError:
        for handle in (hearing, saying, awaited, letting):
            os.close(handle)
        raise
    if forked:
        os.close(saying)
        os.close(awaited)
        return Coming(forked, hearing, letting, between=not inside)
    os.close(hearing)
    os.close(letting)
    gate = Gate(saying, awaited)
    _enter(program, prepare, gate, between=not inside)
    if not program.in_place:
        _execute(program, gate)
    return gate


def _enter(program: Program, prepare: Any, gate: Gate, *, between: bool) -> None:
    """Become a process that is where the program belongs. Every failure is told, and ends the child.

    With `between`, it is a child of ours that becomes it.
    """
    try:
        signal.set_wakeup_fd(-1)
        for number in _RESET:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        groups.enter(program.entries)  # which the kernel takes its time for: the sandbox is made meanwhile
        gate.hear(_MOVE_IN)
        if program.box is not None:
            program.box.enter()
        if between:
            inner = os.fork()  # who joins a process namespace stays outside; its children are in it
            if inner:
                gate.say(b"pid %d" % inner)
                os._exit(0)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for handle, place in ((nothing, 0), (program.stdout, 1), (program.stderr, 2)):
            os.dup2(handle, place)
        prepare()
        if program.box is not None:
            drop_capabilities()
        os.chdir(program.cwd)
    except BaseException as error:
        _fail(gate, error)


def _execute(program: Program, gate: Gate) -> None:
    try:
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        gate.wait()
        os.execvpe(program.argv[0], list(program.argv), program.env)  # noqa: S606 - what the run asks for
    except BaseException as error:
        _fail(gate, error)


def _fail(gate: Gate, error: BaseException) -> None:
    number = error.errno if isinstance(error, OSError) and error.errno else 0
    text = str(getattr(error, "strerror", None) or error).replace("\n", " ")
    gate.say(b"fail %d %s" % (number, text.encode()[:500]))
    os._exit(255)
