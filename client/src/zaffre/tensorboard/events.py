"""Writing event files: what TensorBoard reads, without TensorBoard."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Optional, Type

from zaffre import tfevents


class EventFile:
    """A new event file in a folder, which is made when it is not there. Use it with `with`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        moment = time.time()
        host = socket.gethostname().replace("/", "_")[:60] or "host"
        once = f"{os.getpid()}.{time.monotonic_ns() % 10**9}"
        self.path = folder / f"events.out.tfevents.{int(moment):010d}.{host}.{once}"
        self._file = self.path.open("xb")
        self._file.write(tfevents.record(tfevents.opening(moment)))

    def __enter__(self) -> "EventFile":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._file.close()

    def add_scalar(self, tag: str, value: float, *, step: int, wall_time: float) -> None:
        """`wall_time` in seconds since 1970."""
        self._file.write(tfevents.record(tfevents.scalar(tag, value, step=step, wall_time=wall_time)))
