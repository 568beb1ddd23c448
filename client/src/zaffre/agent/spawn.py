"""Forks users' code out of a supervisor: into its group, its sandbox, a session and limits of its own.

The child either executes the program, or, when its parent is a warm interpreter, goes on as the program: then `start`
returns twice, and the child unwinds to the top before the script begins.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from zaffre.agent import groups, processes
from zaffre.agent.box import Box, drop_capabilities

_RESET = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
#: Python ignores these two, and what it executes must not.
_RESTORED = tuple(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))


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


def start(program: Program) -> Optional[int]:
    """The pid of the started program; None in the child that is to go on in place. Raises OSError."""
    said, saying = os.pipe()
    prepare = processes.limits_of_a_run(die_with=None if program.box is not None else os.getpid())
    forked, inside = program.box.fork() if program.box is not None else (os.fork(), True)
    between = not inside
    if forked == 0:
        _enter(program, prepare, saying, between=between)
        if program.in_place:
            os.close(said)
            os.close(saying)
            return None
        _execute(program, saying)
    os.close(saying)
    pid, problem = _listen(said)
    os.close(said)
    if between:
        os.waitpid(forked, 0)  # the one in between has gone, and the program is ours by adoption
    if problem is not None:
        if not between:
            os.waitpid(forked, 0)
        raise problem
    return pid if between else forked


def _enter(program: Program, prepare: Any, saying: int, *, between: bool) -> None:
    """Become a process that is where the program belongs. Every failure is told, and ends the child.

    With `between`, it is a child of ours that becomes it.
    """
    try:
        signal.set_wakeup_fd(-1)
        for number in _RESET:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        groups.enter(program.entries)
        if program.box is not None:
            program.box.enter()
        if between:
            inner = os.fork()  # who joins a process namespace stays outside; its children are in it
            if inner:
                os.write(saying, b"pid %d\n" % inner)
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
        _fail(saying, error)


def _execute(program: Program, saying: int) -> None:
    try:
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvpe(program.argv[0], list(program.argv), program.env)  # noqa: S606 - what the run asks for
    except BaseException as error:
        _fail(saying, error)


def _fail(saying: int, error: BaseException) -> None:
    number = error.errno if isinstance(error, OSError) and error.errno else 0
    os.write(saying, b"fail %d %s\n" % (number, str(getattr(error, "strerror", None) or error).encode()[:500]))
    os._exit(255)


def _listen(said: int) -> Tuple[Optional[int], Optional[OSError]]:
    """What the child says until it has become the program: its pid as we see it, or why it could not."""
    heard: List[bytes] = []
    while True:
        piece = os.read(said, 4096)
        if not piece:
            break
        heard.append(piece)
    pid: Optional[int] = None
    for line in b"".join(heard).decode("utf-8", "replace").splitlines():
        word, _, rest = line.partition(" ")
        if word == "pid":
            pid = int(rest)
        elif word == "fail":
            number, _, text = rest.partition(" ")
            return pid, OSError(int(number), text)
    return pid, None
