"""Limits on a whole tree of processes by the kernel's control groups, of version 2 and of version 1.

`find` tries what this machine lets us do; a `Group` is made for one run and goes with it. Whoever enters a group
brings all its later children: neither `setsid` nor a double fork leaves it.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Protocol, Sequence, Set

from zaffre.agent import processes

_ROOT = Path("/sys/fs/cgroup")
_NAME = "zaffre"
_LEAF = "zaffre-agent"
_SPARE = "spare"
_spare: "List[Group]" = []
_PERIOD = 100_000
_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """What a tree of processes may use; None is no limit. `memory` in bytes, `cpus` in processors."""

    cpus: Optional[float] = None
    memory: Optional[int] = None
    processes: Optional[int] = None


@dataclass
class Group:
    """The groups of one run: one in version 2, one for each controller in version 1."""

    #: Controller to folder; version 2 has one folder for all.
    folders: Dict[str, Path]
    #: The same counters have other names in the two versions.
    version: int = 2
    _entries: List[int] = field(default_factory=list)

    def open_entries(self) -> Sequence[int]:
        """Handles to which a forked child writes `0` to enter: it must open nothing itself."""
        if not self._entries:
            paths = {folder / "cgroup.procs" for folder in self.folders.values()}
            self._entries = [os.open(str(path), os.O_WRONLY | os.O_CLOEXEC) for path in sorted(paths)]
        return self._entries

    def close_entries(self) -> None:
        for handle in self._entries:
            os.close(handle)
        self._entries = []

    def pids(self) -> Set[int]:
        """Who is in it now."""
        found: Set[int] = set()
        for folder in set(self.folders.values()):
            found |= {int(word) for word in _text(folder / "cgroup.procs").split() if word.isdigit()}
        return found

    def kill(self) -> bool:
        """End everything in it at once, where the kernel can (version 2); False elsewhere."""
        if self.version != 2:
            return False
        return _write(next(iter(self.folders.values())) / "cgroup.kill", "1")

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something in it because of its memory limit."""
        folder = self.folders.get("memory")
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return folder is not None and _counters(folder / name).get("oom_kill", 0) > 0

    def out_of_processes(self) -> bool:
        """Whether a new process was refused because of the limit."""
        folder = self.folders.get("pids")
        return folder is not None and _counters(folder / "pids.events").get("max", 0) > 0

    def most_memory(self) -> Optional[int]:
        """The most bytes that were in use at one time, where the kernel says it."""
        folder = self.folders.get("memory")
        if folder is None:
            return None
        return _number(folder / ("memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"))

    def remove(self, seconds: float = 2.0) -> None:
        """Let it go; the kernel wants it empty, and needs a moment for who has just ended."""
        self.close_entries()
        end = time.monotonic() + seconds
        for folder in set(self.folders.values()):
            while folder.is_dir():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > end:
                        break
                    time.sleep(0.01)

    def told(self) -> Dict[str, Any]:
        """What `Group.again` makes it from, for whoever must end it later."""
        return {"version": self.version, "folders": {name: str(folder) for name, folder in self.folders.items()}}

    @classmethod
    def again(cls, told: object) -> "Optional[Group]":
        """The group that `told` names, where it is still there."""
        if not isinstance(told, dict) or not isinstance(told.get("folders"), dict):
            return None
        folders = {str(name): Path(str(path)) for name, path in told["folders"].items()}
        return cls(folders, int(told.get("version", 2))) if any(map(Path.is_dir, folders.values())) else None


class Groups(Protocol):
    """Where groups are made on this machine."""

    kind: str

    def make(self, name: str, limits: Limits) -> Group:
        """A new empty group with these limits. Raises OSError."""

    def limit(self, group: Group, limits: Limits) -> None:
        """Give them to a group without any. Raises OSError, and then the group is gone."""

    def spares(self) -> List[Group]:
        """Those that were made in advance, by whomever."""

    def told(self) -> Dict[str, Any]:
        """What `again` makes it from in another process."""


@contextmanager
def _whole(group: Group) -> Iterator[None]:
    """A group that could not be made as it was asked for is let go of."""
    try:
        yield
    except OSError:
        group.remove(0)
        raise


class Version2:
    """One tree for all controllers, below a folder that is ours and holds no process itself."""

    kind = "cgroup2"

    def __init__(self, home: Path) -> None:
        self.home = home

    def make(self, name: str, limits: Limits) -> Group:
        folder = self.home / name
        self._mkdir(folder)
        group = self._group(folder)
        self.limit(group, limits)
        return group

    def limit(self, group: Group, limits: Limits) -> None:
        folder = group.folders["memory"]
        with _whole(group):
            if limits.memory is not None:
                _put(folder / "memory.max", str(limits.memory))
                _write(folder / "memory.swap.max", "0")
                _write(folder / "memory.oom.group", "1")
            if limits.cpus is not None:
                _put(folder / "cpu.max", f"{max(1000, int(limits.cpus * _PERIOD))} {_PERIOD}")
            if limits.processes is not None:
                _put(folder / "pids.max", str(limits.processes))

    def spares(self) -> List[Group]:
        return [self._group(folder) for folder in self.home.glob(f"{_SPARE}.*")]

    def told(self) -> Dict[str, Any]:
        return {"kind": self.kind, "home": str(self.home)}

    @staticmethod
    def _group(folder: Path) -> Group:
        return Group(dict.fromkeys(("memory", "cpu", "pids"), folder), 2)

    def _mkdir(self, folder: Path) -> None:
        folder.mkdir(mode=0o755, exist_ok=True)

    @classmethod
    def below(cls, parent: Path) -> "Version2":
        """Make our home in `parent` and have it share out what limits need. Raises OSError.

        A group that hands controllers on may hold no process: who is alone in `parent` moves into a leaf first.
        """
        if parent.name == _LEAF:
            parent = parent.parent  # a former life of the agent has moved there
        here = {int(word) for word in _text(parent / "cgroup.procs").split()}
        if here == {os.getpid()}:
            leaf = parent / _LEAF
            leaf.mkdir(mode=0o755, exist_ok=True)
            _put(leaf / "cgroup.procs", "0")
        home = parent / _NAME
        _put(parent / "cgroup.subtree_control", "+memory +cpu +pids")
        home.mkdir(mode=0o755, exist_ok=True)
        _put(home / "cgroup.subtree_control", "+memory +cpu +pids")
        return cls(home)


class Version1:
    """A tree for each controller."""

    kind = "cgroup1"

    def __init__(self, homes: Dict[str, Path]) -> None:
        self.homes = homes

    def make(self, name: str, limits: Limits) -> Group:
        group = self._group(name)
        with _whole(group):
            for folder in group.folders.values():
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.limit(group, limits)
        return group

    def limit(self, group: Group, limits: Limits) -> None:
        with _whole(group):
            if limits.memory is not None:
                _put(group.folders["memory"] / "memory.limit_in_bytes", str(limits.memory))
                _write(group.folders["memory"] / "memory.memsw.limit_in_bytes", str(limits.memory))
            if limits.cpus is not None:
                _put(group.folders["cpu"] / "cpu.cfs_period_us", str(_PERIOD))
                _put(group.folders["cpu"] / "cpu.cfs_quota_us", str(max(1000, int(limits.cpus * _PERIOD))))
            if limits.processes is not None:
                _put(group.folders["pids"] / "pids.max", str(limits.processes))

    def spares(self) -> List[Group]:
        names = {folder.name for home in self.homes.values() for folder in home.glob(f"{_SPARE}.*")}
        return [self._group(name) for name in names]

    def _group(self, name: str) -> Group:
        return Group({kind: home / name for kind, home in self.homes.items()}, 1)

    def told(self) -> Dict[str, Any]:
        return {"kind": self.kind, "homes": {name: str(home) for name, home in self.homes.items()}}


def again(told: Optional[Mapping[str, Any]]) -> Optional[Groups]:
    """Where groups are made, as another process of this machine has found it."""
    if not told:
        return None
    if told["kind"] == Version2.kind:
        return Version2(Path(told["home"]))
    return Version1({str(name): Path(home) for name, home in told["homes"].items()})


def find(root: Path = _ROOT) -> Optional[Groups]:
    """What this machine lets us limit by, tried with a process of ours; None when it lets us nothing."""
    mine = _own_groups()
    tries: List[Callable[[], Groups]] = []
    if (root / "cgroup.controllers").exists():
        own = root / mine.get("", "/").lstrip("/")
        tries += [lambda: Version2.below(own), lambda: Version2.below(root)]
    else:
        homes = {}
        for kind in ("memory", "cpu", "pids"):
            own = root / kind / mine.get(kind, "/").lstrip("/")
            homes[kind] = (own if own.is_dir() else root / kind) / _NAME
        tries.append(lambda: Version1(homes))
    for attempt in tries:
        with suppress(OSError):
            groups = attempt()
            if works(groups):
                return groups
    return None


def works(groups: Groups) -> bool:
    """Whether a process really enters a group with all limits."""
    group = groups.make(f"probe-{os.getpid()}", Limits(cpus=0.5, memory=64 * 2**20, processes=8))
    try:
        entries = group.open_entries()
        child = subprocess.Popen(["/bin/sh", "-c", "read _"], stdin=subprocess.PIPE, preexec_fn=lambda: enter(entries))
        try:
            return child.pid in group.pids()
        finally:
            if child.stdin is not None:
                child.stdin.close()
            child.wait(_SECONDS)
    finally:
        group.remove()


def enter(entries: Sequence[int]) -> None:
    """What a forked child does to enter a group whose handles its parent has opened. Raises OSError."""
    for handle in entries:
        os.write(handle, b"0")


def make_spare(where: Optional[Groups]) -> None:
    """One for the run that this process will be asked to supervise, without limits; none where there are none."""
    with suppress(OSError):
        if where is not None:
            _spare.append(where.make(f"{_SPARE}.{os.getpid()}.{processes.began(os.getpid())}", Limits()))


def drop_spare() -> None:
    """Nobody has asked."""
    while _spare:
        _spare.pop().remove(0)


def take(where: Groups, name: str, limits: Limits) -> Group:
    """The one that was made in advance, with these limits, or else a new one. Raises OSError."""
    group = _spare.pop() if _spare else None
    if group is None or not all(folder.is_dir() for folder in group.folders.values()):
        return where.make(name, limits)
    where.limit(group, limits)
    return group


def sweep(where: Optional[Groups]) -> None:
    """Let go of spare ones whose processes have gone without doing it."""
    for group in where.spares() if where is not None else ():
        _, pid, began = next(iter(group.folders.values())).name.split(".")
        if processes.began(int(pid)) != began:
            group.remove(0)


def entry() -> Optional[int]:
    """A handle of the group that this process is in already, for `hurry`; None where it may not write to it."""
    for kind, path in _own_groups().items():
        folder = _ROOT.joinpath(*([kind] if kind else []), path.lstrip("/"))
        with suppress(OSError):
            return os.open(str(folder / "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC)
    return None


def hurry(entry: Optional[int]) -> None:
    """Wait in somebody's place: who enters a group within the next milliseconds need not.

    The kernel lets nobody enter before all processors have rested once, unless that was just so. Entering the group
    that one is in changes nothing.
    """
    if entry is not None:
        with suppress(OSError):
            os.write(entry, b"0")


def _own_groups() -> Dict[str, str]:
    """Controller to this process's group; the empty name is that of version 2."""
    found: Dict[str, str] = {}
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, kinds, path = line.split(":", 2)
        for kind in kinds.split(","):
            found[kind] = path
    return found


def _put(path: Path, text: str) -> None:
    # Without O_CREAT: what the kernel does not offer must not become a plain file.
    handle = os.open(str(path), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _write(path: Path, text: str) -> bool:
    try:
        _put(path, text)
    except OSError:
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _counters(path: Path) -> Dict[str, int]:
    lines = [line.split() for line in _text(path).splitlines()]
    return {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}


def _number(path: Path) -> Optional[int]:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None
