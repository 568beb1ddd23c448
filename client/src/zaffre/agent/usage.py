"""What a tree of processes uses of this machine, read from /proc and from NVIDIA's own library, without a dependency.

Each reading is a plain dict. What a system does not tell is left out: no /proc (macOS), no GPU, no permission.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

from zaffre.agent.processes import descendants

_MB = 1_000_000
_MOST_GPUS = 16


@dataclass
class Totals:
    """Sums over a tree of processes, which include what its ended processes have used."""

    cpu_seconds: float = 0.0
    memory: int = 0
    processes: int = 0
    read: Optional[int] = None
    written: Optional[int] = None


@dataclass
class Meter:
    """Readings of the tree below `root` (a supervisor), each against the one before."""

    root: int
    _before: Optional[Totals] = None
    _at: float = 0.0
    _network: Optional[Tuple[int, int]] = None
    _gpus: "Optional[Gpus]" = field(default=None, init=False)

    def read(self, now: float) -> Dict[str, float]:
        """Values by name at the moment `now` (a clock in seconds that only grows); empty when the tree is gone.

        Shares of the processor are of all its cores. Bytes of disk and network grow from the first reading on;
        those of the network are the machine's, whoever sent them.
        """
        pids = descendants(self.root)
        if not pids:
            return {}
        totals = totals_of(self.root, pids)
        found: Dict[str, float] = {
            "processes": float(totals.processes),
            "memory_usage_megabytes": totals.memory / _MB,
        }
        whole = _machine_memory()
        if whole:
            found["memory_usage_percentage"] = 100 * totals.memory / whole
        if self._before is not None and now > self._at:
            used = max(0.0, totals.cpu_seconds - self._before.cpu_seconds)
            found["cpu_utilization_percentage"] = 100 * used / (now - self._at) / (os.cpu_count() or 1)
        self._before, self._at = totals, now
        for name, size in (("disk_read_megabytes", totals.read), ("disk_written_megabytes", totals.written)):
            if size is not None:
                found[name] = size / _MB
        network = _network()
        if network is not None:
            self._network = self._network or network
            found["network_receive_megabytes"] = max(0, network[0] - self._network[0]) / _MB
            found["network_transmit_megabytes"] = max(0, network[1] - self._network[1]) / _MB
        if self._gpus is None:
            self._gpus = Gpus()
        found.update(self._gpus.read())
        return {name: round(value, 4) for name, value in found.items()}


def totals_of(root: int, pids: Iterable[int]) -> Totals:
    """Sums over `pids`, and over what `root` has waited for. Processes that end meanwhile are left out."""
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = Totals(cpu_seconds=_cpu_of_ended(root) / ticks)
    for pid in pids:
        stat = _fields(pid)
        if stat is None:
            continue
        found.processes += 1
        # Its own time, and that of children it has waited for: theirs would be lost with them.
        found.cpu_seconds += sum(int(stat[at]) for at in (11, 12, 13, 14)) / ticks
        found.memory += int(stat[21]) * page
        disk = _disk(pid)
        if disk is not None:
            found.read = (found.read or 0) + disk[0]
            found.written = (found.written or 0) + disk[1]
    return found


def _fields(pid: int) -> Optional[List[bytes]]:
    """The fields of /proc/<pid>/stat from the third on."""
    try:
        text = Path("/proc", str(pid), "stat").read_bytes()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()
    return fields if len(fields) > 21 else None


def _cpu_of_ended(pid: int) -> int:
    stat = _fields(pid)
    return int(stat[13]) + int(stat[14]) if stat else 0


def _disk(pid: int) -> Optional[Tuple[int, int]]:
    try:
        lines = Path("/proc", str(pid), "io").read_text().splitlines()
        told = dict(line.split(": ") for line in lines)
        return int(told["read_bytes"]), int(told["write_bytes"])
    except (OSError, ValueError, KeyError):
        return None


def _network() -> Optional[Tuple[int, int]]:
    """Bytes received and sent over all interfaces but the loopback."""
    received = sent = 0
    try:
        for line in Path("/proc/net/dev").read_text().splitlines()[2:]:
            name, _, counts = line.partition(":")
            words = counts.split()
            if name.strip() != "lo" and len(words) > 8:
                received, sent = received + int(words[0]), sent + int(words[8])
    except (OSError, ValueError):
        return None
    return received, sent


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


class _Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Gpus:
    """The GPUs of this machine by NVML, which comes with NVIDIA's driver; none where it is not installed."""

    def __init__(self) -> None:
        self._library: Any = None
        self._handles: List[ctypes.c_void_p] = []
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
            count = ctypes.c_uint()
            if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
                return
            for at in range(min(count.value, _MOST_GPUS)):
                handle = ctypes.c_void_p()
                if not library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(at), ctypes.byref(handle)):
                    self._handles.append(handle)
            self._library = library
        except (OSError, AttributeError):
            return

    def read(self) -> Dict[str, float]:
        """{gpu_0_utilization_percentage, gpu_0_memory_usage_megabytes, gpu_0_memory_usage_percentage, …}"""
        found: Dict[str, float] = {}
        for at, handle in enumerate(self._handles):
            rates, memory = _Utilization(), _Memory()
            if not self._library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates)):
                found[f"gpu_{at}_utilization_percentage"] = float(rates.gpu)
            if not self._library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) and memory.total:
                found[f"gpu_{at}_memory_usage_megabytes"] = memory.used / _MB
                found[f"gpu_{at}_memory_usage_percentage"] = 100 * memory.used / memory.total
        return found
