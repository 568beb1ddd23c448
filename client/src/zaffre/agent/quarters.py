"""What one run lives in on its node: its group, its sandbox, and the watch over its limits."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Set

from zaffre.agent import contained, groups, processes, sandbox
from zaffre.agent.box import Box
from zaffre.agent.guard import Guard, Trouble, limits_of
from zaffre.agent.rundir import RunDir


class Quarters:
    """Made from a launch: `limits`, `groups` (where they are made), `bwrap` and `view` for a sandbox."""

    def __init__(self, place: RunDir, launch: Dict[str, Any]) -> None:
        """Begin: users' code can be forked when they are `born`, and move in when `ready`. Raises OSError."""
        limits = limits_of(launch.get("limits"))
        where = groups.again(launch.get("groups"))
        # By its folder, too: another node on this machine may have a seat of the same attempt.
        name = f"{launch['run']}.{launch['attempt']}.{sha256(str(place.path).encode()).hexdigest()[:12]}"
        group = groups.take(where, name, limits) if where is not None else None
        self.place, self.guard, self.group = place, Guard(limits, group), group
        self.container = contained.of(launch)
        self.box: Optional[Box] = None
        if group is not None:
            place.keep("group", group.told())
        if launch.get("bwrap"):
            self.box = Box(str(launch["bwrap"]), sandbox.view_of(launch["view"]))

    def born(self) -> None:
        """Until the sandbox has its first process. Raises OSError."""
        if self.box is not None:
            self.box.born()
            self.place.keep_pid("box", self.box.init or 0, processes.began(self.box.init or 0))

    def ready(self) -> None:
        """Until users' code can move in. Raises OSError."""
        if self.box is not None:
            self.box.wait()

    def trouble(self, *, last: bool) -> Optional[Trouble]:
        """Why the run must be ended, if it met one of its limits. The `last` look is when its code has ended."""
        found = self.guard.trouble(os.getpid(), last=last)
        if found is None and last and self.container is not None and self.container.out_of_memory():
            return self.guard.starved()
        return found

    def reaped(self, pid: int) -> None:
        """A child was collected; the one that holds the sandbox may be it."""
        if self.box is not None and pid == self.box.holder.pid:
            self.box.holder.returncode = 0

    def pids(self) -> Set[int]:
        return self.group.pids() if self.group is not None else set()

    def end(self) -> None:
        """SIGKILL to all that can be ended as one; the rest is for whoever walks the tree."""
        if self.container is not None:
            self.container.end()
        if self.group is not None:
            self.group.kill()
        if self.box is not None:
            self.box.end()

    def remove(self) -> None:
        """Once nothing lives in them."""
        if self.group is not None:
            self.group.remove()


def end_left(place: RunDir) -> Callable[[], Set[int]]:
    """End what an attempt without supervisor has left in its quarters; returns who is still there, for a walk."""
    container = contained.of(place.launch)
    if container is not None:
        container.end()
    known = place.pid("box")
    if known and known["pid"] and known["began"] and processes.began(known["pid"]) == known["began"]:
        processes.send(known["pid"], 9)
    group = groups.Group.again(place.kept("group"))
    if group is None:
        return set
    group.kill()
    return group.pids


def remove_left(place: RunDir) -> None:
    """The group of an attempt that has ended without its supervisor."""
    group = groups.Group.again(place.kept("group"))
    if group is not None:
        with suppress(OSError):
            group.remove()


def view_of_run(place: RunDir, *, shared: "list[Path]", gpus: "tuple[str, ...]") -> sandbox.View:
    """What a run sees: its folders, read-only what it is run with, and its inputs."""
    own = (place.work, place.home, place.tmp, place.spool)
    return sandbox.View(own=own, shared=(*shared, place.inputs), tmp=place.tmp, gpus=gpus)
