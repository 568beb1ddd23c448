"""The GPUs of this machine: what they are, and which run has which."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

_SECONDS = 10.0
_MOST = 64


def found() -> List[Dict[str, Any]]:
    """[{name, memory_gb}] of NVIDIA's GPUs in the driver's order, by nvidia-smi, else by /proc; [] without any."""
    command = shutil.which("nvidia-smi")
    if command:
        try:
            told = subprocess.run(
                [command, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=True,
            )
            return parsed(told.stdout.decode("utf-8", "replace"))
        except (OSError, subprocess.SubprocessError):
            pass  # a driver that hangs or is half installed: the kernel's own list says less, and at once
    return _by_kernel(Path("/proc/driver/nvidia/gpus"))


def parsed(text: str) -> List[Dict[str, Any]]:
    """What nvidia-smi said: one line a GPU, its name and its memory in MiB."""
    gpus = []
    for line in text.splitlines()[:_MOST]:
        name, _, memory = line.rpartition(",")
        try:
            size = round(float(memory) / 1024, 1)
        except ValueError:
            size = 0.0  # "[N/A]" of machines whose GPU shares the memory of the processor
        if name.strip():
            gpus.append({"name": name.strip(), "memory_gb": size})
    return gpus


def _by_kernel(place: Path) -> List[Dict[str, Any]]:
    gpus = []
    for folder in sorted(place.glob("*"))[:_MOST]:
        name = "NVIDIA"
        try:
            for line in (folder / "information").read_text().splitlines():
                if line.startswith("Model:"):
                    name = line.partition(":")[2].strip()
        except OSError:
            continue
        gpus.append({"name": name, "memory_gb": 0.0})
    return gpus


def visible(count: int, told: Optional[str] = None) -> List[str]:
    """The words by which CUDA names our `count` GPUs: those that the node itself may see, if it was told."""
    words = told if told is not None else os.environ.get("CUDA_VISIBLE_DEVICES")
    if words is None:
        return [str(number) for number in range(count)]
    return [word.strip() for word in words.split(",") if word.strip() and word.strip() != "-1"]


def too_few(count: int, shelf: "Shelf") -> str:
    """Why a run that asks for `count` GPUs cannot start."""
    free = len(shelf.free())
    return f"The run asks for {count} GPUs; of the {len(shelf.names)} of this node {free} are free. Ask for fewer."


class Shelf:
    """Which GPU is whose. Each is given to one holder at a time; threads may share it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._taken: Dict[str, object] = {}
        self._lock = threading.Lock()

    def free(self) -> List[str]:
        return [name for name in self.names if name not in self._taken]

    def take(self, count: int, holder: object) -> Optional[Tuple[str, ...]]:
        """`count` GPUs for `holder` until it gives them back; None when so many are not free."""
        with self._lock:
            free = self.free()
            if count > len(free):
                return None
            taken = tuple(free[:count])
            self._taken.update(dict.fromkeys(taken, holder))
            return taken

    def keep(self, names: Sequence[str], holder: object) -> None:
        """Note what an earlier agent has given to a run that goes on."""
        with self._lock:
            self._taken.update({name: holder for name in names if name in self.names})

    def give_back(self, holder: object) -> None:
        with self._lock:
            self._taken = {name: other for name, other in self._taken.items() if other != holder}
