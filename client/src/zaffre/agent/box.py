"""A sandbox that bubblewrap has made and holds open, and how a forked child enters it.

bubblewrap starts a shell that only waits; whoever is to live in the sandbox joins its namespaces, that of its processes
as soon as it is there, the others when everything is in its place. So the same sandbox serves a program that is
executed and a process that was forked warm, the supervisor stays the parent of both and sees their own exit status, and
one SIGKILL to the sandbox's first process ends all that is in it.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
from typing import Dict, List, Optional, Tuple

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
        """Begin to make it; it is `born` first and `wait` says when it is there. Raises OSError."""
        self._said, saying = os.pipe()
        self._info, informing = os.pipe()
        #: The shell inside waits for a byte of this pipe: it ends when we do.
        waiting, self._held = os.pipe()
        self.init: Optional[int] = None
        #: The namespace of its processes, where its children may be born in it.
        self._processes: Optional[int] = None
        handles: List[int] = []
        try:
            words = [*sandbox.words(bwrap, view, handles), "--info-fd", str(informing)]
            self.holder = subprocess.Popen(
                [*words, "--", "/bin/sh", "-c", "echo; read _"],
                stdin=waiting,
                stdout=saying,
                pass_fds=(informing, *handles),
                cwd="/",
                env={"PATH": "/usr/bin:/bin"},
                start_new_session=True,
            )
        finally:
            for handle in (saying, informing, waiting, *handles):
                os.close(handle)

    def born(self) -> None:
        """Until its namespaces are there, and its first process. Raises OSError."""
        told = b""
        while True:
            told += self._hear(self._info)
            try:
                self.init = int(json.loads(told)["child-pid"])
                break
            except ValueError:
                continue  # it is written in pieces
        if _is_ours(self.init, "user"):
            self._processes = os.open(f"/proc/{self.init}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def wait(self) -> None:
        """Until everything in it is in its place. Raises OSError with what bubblewrap could not do."""
        self._hear(self._said)

    def _hear(self, handle: int) -> bytes:
        heard = os.read(handle, 4096) if select.select([handle], [], [], _SECONDS)[0] else b""
        if not heard:
            self.end()
            raise OSError("bubblewrap could not make the run's sandbox")
        return heard

    def fork(self) -> Tuple[int, bool]:
        """(as os.fork, whether the child was born among the sandbox's processes). It still has to `enter` the rest.

        Not where only a user of the sandbox can do that: then the child's own children will be. Raises OSError.
        """
        if self._processes is None:
            return os.fork(), False
        ours = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _join(self._processes)
            try:
                forked = os.fork()
            except OSError:
                _join(ours)
                raise
            if forked:
                _join(ours)
            return forked, True
        finally:
            os.close(ours)

    def enter(self) -> None:
        """Join it. For a forked child with one thread; its own children are inside. Raises OSError."""
        assert self.init is not None, "it must be there"
        for handle in _to_join(self.init):
            _join(handle)
            os.close(handle)

    def end(self) -> None:
        """SIGKILL to everything in it at once; the kernel ends who is in a process namespace with its first."""
        if self.init is not None:
            processes.send(self.init, signal.SIGKILL)
        if self.holder.returncode is None:
            processes.send(self.holder.pid, signal.SIGKILL)


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


def _join(handle: int) -> None:
    if processes.libc().setns(handle, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"joining the sandbox: {os.strerror(number)}")


def _to_join(init: int) -> List[int]:
    """Handles of the namespaces of `init` that are not ours, in the order in which they may be joined.

    Without root, bubblewrap makes a user namespace that owns the others, and it has to be joined first; a second one
    below it may hold the program.
    """
    found: Dict[str, int] = {}
    for kind in ("ipc", "pid", "mnt"):
        if not _is_ours(init, kind):
            found[kind] = os.open(f"/proc/{init}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    if _is_ours(init, "user"):
        return list(found.values())
    user = os.open(f"/proc/{init}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    owner = fcntl.ioctl(found["mnt"], _NS_GET_USERNS)
    if _facts(os.fstat(owner)) == _facts(os.fstat(user)):
        os.close(user)
        return [owner, *found.values()]
    return [owner, *found.values(), user]


def _is_ours(init: int, kind: str) -> bool:
    return _facts(os.stat(f"/proc/{init}/ns/{kind}")) == _facts(os.stat(f"/proc/self/ns/{kind}"))


def _facts(found: os.stat_result) -> Tuple[int, int]:
    return found.st_dev, found.st_ino
