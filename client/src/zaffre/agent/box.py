"""A sandbox that bubblewrap has made and holds open, and how a forked child enters it.

bubblewrap starts a shell that only waits; whoever is to live in the sandbox joins its namespaces afterwards. So the
same sandbox serves a program that is executed and a process that was forked warm, the supervisor stays the parent of
both and sees their own exit status, and one SIGKILL to the sandbox's first process ends all that is in it.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import selectors
import signal
import subprocess
import time
from typing import List, Optional, Tuple

from zaffre.agent import processes, sandbox

_SECONDS = 20.0
#: ioctl(2) on a namespace: a handle of the user namespace that owns it.
_NS_GET_USERNS = 0xB701
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION = 0x20080522
_MOST_CAPABILITIES = 64


class Box:
    """One sandbox, from its making to its end."""

    def __init__(self, bwrap: str, view: sandbox.View) -> None:
        """Begin to make it; `wait` says when it is there. Raises OSError."""
        self._said, saying = os.pipe()
        self._info, informing = os.pipe()
        #: The shell inside waits for a byte of this pipe: it ends when we do.
        waiting, self._held = os.pipe()
        self.init: Optional[int] = None
        self._namespaces: List[int] = []
        try:
            self.holder = subprocess.Popen(
                [*sandbox.words(bwrap, view), "--info-fd", str(informing), "--", "/bin/sh", "-c", "echo; read _"],
                stdin=waiting,
                stdout=saying,
                pass_fds=(informing,),
                cwd="/",
                env={"PATH": "/usr/bin:/bin"},
                start_new_session=True,
            )
        finally:
            for handle in (saying, informing, waiting):
                os.close(handle)

    def wait(self) -> None:
        """Until everything in it is in its place. Raises OSError with what bubblewrap could not do."""
        end, heard = time.monotonic() + _SECONDS, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._said, selectors.EVENT_READ)
            if selector.select(max(0.0, end - time.monotonic())):
                heard = os.read(self._said, 16)
        if not heard:
            self.end()
            raise OSError("bubblewrap could not make the run's sandbox")
        self.init = int(json.loads(os.read(self._info, 4096))["child-pid"])
        self._namespaces = _to_join(self.init)

    def enter(self) -> None:
        """Join it. For a forked child with one thread; its own children are inside. Raises OSError."""
        library = processes.libc()
        for handle in self._namespaces:
            if library.setns(handle, 0):
                number = ctypes.get_errno()
                raise OSError(number, f"joining the sandbox: {os.strerror(number)}")

    def end(self) -> None:
        """SIGKILL to everything in it at once; the kernel ends who is in a process namespace with its first."""
        if self.init is not None:
            processes.send(self.init, signal.SIGKILL)
        if self.holder.returncode is None:
            processes.send(self.holder.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the handles in a process that does not need them."""
        for handle in (self._said, self._info, self._held, *self._namespaces):
            os.close(handle)
        self._namespaces = []


def drop_capabilities() -> None:
    """What root could do besides reading its own files, a run of root's node cannot: for good, also by execution."""
    library = processes.libc()
    for capability in range(_MOST_CAPABILITIES):
        library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    # A change of rights hides a process from itself in /proc; the sandbox's own processes are all that see it.
    library.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if library.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "dropping capabilities")


def _to_join(init: int) -> List[int]:
    """Handles of the namespaces of `init` that are not ours, in the order in which they may be joined.

    Without root, bubblewrap makes a user namespace that owns the others, and it has to be joined first; a second one
    below it may hold the program.
    """
    found: List[int] = []
    for kind in ("ipc", "pid", "mnt"):
        handle = os.open(f"/proc/{init}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        if _is(handle, f"/proc/self/ns/{kind}"):
            os.close(handle)
        else:
            found.append(handle)
    user = os.open(f"/proc/{init}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    if _is(user, "/proc/self/ns/user"):
        os.close(user)
        return found
    owner = fcntl.ioctl(found[-1], _NS_GET_USERNS)
    if _facts(os.fstat(owner)) == _facts(os.fstat(user)):
        os.close(user)
        return [owner, *found]
    return [owner, *found, user]


def _is(handle: int, path: str) -> bool:
    return _facts(os.fstat(handle)) == _facts(os.stat(path))


def _facts(found: os.stat_result) -> Tuple[int, int]:
    return found.st_dev, found.st_ino
