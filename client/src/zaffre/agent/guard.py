"""Watches that a run keeps its limits, and says in a sentence why it was ended when it did not."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

from zaffre.agent import groups, processes

#: Seconds between two looks at a tree that no group limits: each walks /proc.
_PAUSE_SECONDS = 1.0
#: And between two looks at what a group counts.
_MOMENT_SECONDS = 0.2
_MB, _GB = 2**20, 2**30

Trouble = Tuple[str, str]


@dataclass
class Guard:
    """The limits of one tree of processes: kept by a group of the kernel, else by looking at the tree."""

    limits: groups.Limits
    group: Optional[groups.Group] = None
    _looked: float = 0.0
    _most: int = 0

    def trouble(self, root: int, *, last: bool) -> Optional[Trouble]:
        """(code, sentence) when the tree below `root` has met a limit that ends it.

        Output wakes who asks, so not every question is worth a look; that at the `last` moment is.
        """
        now = time.monotonic()
        if self.group is not None:
            if now - self._looked < _MOMENT_SECONDS and not last:
                return None
            self._looked = now
            if self.group.out_of_memory():
                return self._out_of_memory(self.group.most_memory())
            return self._too_many() if self.group.out_of_processes() else None
        if now - self._looked < _PAUSE_SECONDS or not processes.LINUX:
            return None
        self._looked = now
        return self._look(processes.descendants(root))

    def _look(self, pids: Iterable[int]) -> Optional[Trouble]:
        threads = memory = 0
        for pid in pids:
            told = _status(pid)
            threads += told.get("Threads", 0)
            memory += told.get("VmRSS", 0)
        if self.limits.processes is not None and threads > self.limits.processes:
            return self._too_many()
        if self.limits.memory is None or memory <= self.limits.memory:
            return None
        # Forked workers share most of what they have: their proper share costs more to read, so it is asked last.
        memory = sum(_proportional(pid) for pid in pids)
        self._most = max(self._most, memory)
        return self._out_of_memory(memory) if memory > self.limits.memory else None

    def starved(self) -> Trouble:
        """What is said when somebody else has seen that the memory did not suffice."""
        return self._out_of_memory(None)

    def _out_of_memory(self, used: Optional[int]) -> Trouble:
        asked = size(self.limits.memory)
        said = f"The run asked for {asked} of memory"
        said += f" and used {size(used)} when it was killed." if used else " and was killed when it needed more."
        return "out_of_memory", f"{said} Ask for more with resources.memory_gb, or make the batches smaller."

    def _too_many(self) -> Trouble:
        count = self.limits.processes
        return "too_many_processes", f"The run was ended: it wanted more than {count} processes and threads at a time."


def limits_of(told: Optional[Mapping[str, Any]]) -> groups.Limits:
    """The limits that a launch names: {cpus, memory_mb, processes}."""
    found = dict(told or {})
    memory = found.get("memory_mb")
    return groups.Limits(
        cpus=float(found["cpus"]) if found.get("cpus") else None,
        memory=int(float(memory) * _MB) if memory else None,
        processes=int(found["processes"]) if found.get("processes") else None,
    )


def size(value: Optional[int]) -> str:
    """`2 GB`, `512 MB`."""
    if not value:
        return "no limit"
    return f"{value / _GB:.1f}".removesuffix(".0") + " GB" if value >= _GB else f"{value / _MB:.0f} MB"


def _status(pid: int) -> Dict[str, int]:
    found = {}
    try:
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key in ("Threads", "VmRSS"):
                found[key] = int(value.split()[0]) * (1024 if key == "VmRSS" else 1)
    except (OSError, ValueError, IndexError):
        return {}
    return found


def _proportional(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return _status(pid).get("VmRSS", 0) if os.path.exists(f"/proc/{pid}") else 0
