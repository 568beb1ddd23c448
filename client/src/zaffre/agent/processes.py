"""Processes and their descendants: finding all of them, and ending all of them.

On Linux the supervisor is the subreaper of what it starts, so that neither `setsid` nor a double fork
leaves its tree. Elsewhere only the process group can be ended.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_NOFILE = 65536
LINUX = sys.platform.startswith("linux")
#: For waitpid(2): children of every kind, also those that `clone` made without a signal of their end.
_ANY_CHILD = 0x40000000 if LINUX else 0


def _prctl(option: int, value: int) -> bool:
    if not LINUX:
        return False
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


# Loaded before any fork: a forked child must not load libraries.
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


def libc() -> ctypes.CDLL:
    """The C library, for the few calls that Python does not have. Raises OSError where it is not Linux's."""
    if _libc is None:
        raise OSError("this needs Linux")
    return _libc


def become_subreaper() -> bool:
    """Adopt orphaned descendants, so that none leaves the tree. False where the system cannot do it."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, sig: int = signal.SIGKILL) -> None:
    """Ask the kernel to end this process when `parent` dies; ends it at once if that has happened."""
    _prctl(_PR_SET_PDEATHSIG, sig)
    if LINUX and os.getppid() != parent:
        os._exit(1)


def limits_of_a_run(*, die_with: Optional[int] = None) -> Callable[[], None]:
    """What a forked child does before it becomes users' code: private files, no core dumps, no new privileges."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _NOFILE if hard == resource.RLIM_INFINITY else min(hard, _NOFILE)

    def apply() -> None:
        os.umask(0o077)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        if _libc is not None:
            _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            if die_with is not None:
                _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    return apply


def parents() -> Dict[int, int]:
    """Every living process and its parent. Zombies are left out. Empty where there is no /proc."""
    found: Dict[int, int] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return found
    for name in names:
        if not name.isdigit():
            continue
        try:
            text = Path("/proc", name, "stat").read_bytes()
        except OSError:
            continue
        # The name of the program stands in brackets and may hold anything, brackets too.
        fields = text[text.rfind(b")") + 2 :].split()
        if fields and fields[0] not in (b"Z", b"X"):
            found[int(name)] = int(fields[1])
    return found


def descendants(root: int) -> Set[int]:
    """All living processes below `root`."""
    children: Dict[int, List[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: Set[int] = set()
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found:
                found.add(pid)
                waiting.append(pid)
    return found


def below(root: int) -> Set[int]:
    """`descendants`, by what the kernel lists of each process: quick where a machine has many others.

    A list may lack one whose neighbour ends while it is read, so this is for looking again; where there are no lists
    it is `descendants` itself.
    """
    found: Set[int] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{task}/children").read_bytes().split()
                waiting += [child for child in map(int, children) if child not in found]
                found.update(map(int, children))
        except FileNotFoundError:
            if pid == root:
                return descendants(root)
        except (ProcessLookupError, NotADirectoryError):
            continue
    return {pid for pid in found if began(pid) is not None}


def marked(marks: Mapping[str, str]) -> Set[int]:
    """Processes whose environment held all of `marks` when they were started; our own is left out."""
    wanted = {f"{name}={value}".encode() for name, value in marks.items()}
    found: Set[int] = set()
    for pid in parents():
        if pid == os.getpid():
            continue
        try:
            words = set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
        except OSError:
            continue
        if wanted <= words:
            found.add(pid)
    return found


def collect() -> Iterator[Tuple[int, int]]:
    """(pid, status) of every child that has ended. Raises ChildProcessError when there is no child, alive or ended.

    For a subreaper that is a proof: a descendant whose parents have ended is its child.
    """
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG | _ANY_CHILD)
        if pid == 0:
            return
        yield pid, status


def end_all(
    find: Callable[[], Set[int]],
    *,
    reap: Callable[[], bool] = lambda: False,
    rest: Callable[[float], object] = time.sleep,
    seconds: float = 30.0,
) -> bool:
    """SIGKILL whatever `find` finds until it finds nothing twice in a row, or `reap` knows that nothing is left.

    `rest` waits for the next look, and may be shorter when one has ended. False if some survived `seconds`.
    """
    deadline, empty, pause = time.monotonic() + seconds, 0, 0.002
    while empty < 2:
        if reap():
            return True
        found = find()
        for pid in found:
            send(pid, signal.SIGKILL)
        empty = 0 if found else empty + 1
        if time.monotonic() > deadline:
            return False
        if empty < 2:
            rest(pause)
            pause = min(pause * 2, 0.05)
    return True


def send(pid: int, sig: int, *, group: bool = False) -> bool:
    """Send a signal to a process (or the group that it leads); False when it is gone."""
    try:
        (os.killpg if group else os.kill)(pid, sig)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def began(pid: int) -> Optional[str]:
    """A word that tells this life of a pid from a later one; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        if LINUX:
            return None
        return "alive" if send(pid, 0) else None
    fields = text[text.rfind(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()
