"""What happens beside running code: the machine is sampled, and logs/ is sent while it is written.

Both are for watching. They never fail a run: what cannot be told now is told at the next look, or not at all.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, BinaryIO, Deque, Dict, List, Tuple

from zaffre.agent import contained
from zaffre.agent.door import DoorError, Refused
from zaffre.agent.outputs import regular_files, watched
from zaffre.agent.seats import rank_of
from zaffre.agent.usage import Meter
from zaffre.protocol import SYSTEM_PREFIX

if TYPE_CHECKING:
    from zaffre.agent.job import Job

log = logging.getLogger("zaffre.agent")

_FIRST_SECONDS = 1.0
#: The pause between samples grows with the age of the run, so that a long one has a few thousand.
_SLOWEST_SECONDS = 30.0
#: Samples that wait for a studio which is away; older ones are let go.
_HELD_SAMPLES = 300
#: Of logs/: a larger file waits for the end, and one look sends at most so much.
MOST_OF_A_FILE = 256 * 2**20
_FILES_A_LOOK, _BYTES_A_LOOK = 200, 64 * 2**20
#: A file that grows is sent whole each time, so that often: bytes a second over its life.
_BYTES_A_SECOND = 2**20


class Companion:
    """A thread that does something now and then while the code runs."""

    name = ""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{self.name} {job.run}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        self._end.set()
        self._thread.join(5.0)

    def pause(self) -> float:
        """Seconds until the next look."""
        return self.job.shop.identity.look

    def look(self) -> None:
        """Do it once. Raises DoorError when the studio does not take it."""

    def over(self) -> bool:
        return self._end.is_set() or self.job.over()

    def _run(self) -> None:
        while not self._end.wait(self.pause()) and not self.job.over():
            try:
                self.look()
            except Refused as error:
                if error.fences:
                    return  # the log, which is sent all the time, ends the code
            except DoorError:
                continue
            except Exception:  # a look at a foreign machine must not end a run
                log.exception("%s of run %s", self.name, self.job.run)


class Sampler(Companion):
    """Sends what the code's processes use as points of the series `system/…`; their step is the second of the run."""

    name = "samples"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        known = job.place.pid("supervisor") or {}
        rank = rank_of(job.spec)
        self._prefix = f"{SYSTEM_PREFIX}node {rank}/" if rank else SYSTEM_PREFIX
        self._meter = Meter(int(known.get("pid") or -1))
        container = contained.of(job.place.launch)
        #: Until its processes are found, which are not below the supervisor.
        self._container = container if container is not None and not container.inside else None
        self._waiting: Deque[Dict[str, Any]] = deque(maxlen=_HELD_SAMPLES)
        try:
            self._began = (job.place.path / "launch.json").stat().st_mtime
        except OSError:
            self._began = time.time()
        self._looks = 0

    def pause(self) -> float:
        usual = self.job.shop.identity.look
        if self._looks == 0:
            return min(_FIRST_SECONDS, usual)
        return min(max(usual, _SLOWEST_SECONDS), usual + (time.time() - self._began) / 240)

    def look(self) -> None:
        self._looks += 1
        if self._container is not None and (pid := self._container.pid()):
            self._meter.root, self._container = pid, None
        found = self._meter.read(time.monotonic())
        now = time.time()
        if found:
            step, at = max(0, int(now - self._began)), int(now * 1000)
            points = [[f"{self._prefix}{name}", value, step, at] for name, value in found.items()]
            self._waiting.append({"batch": uuid.uuid4().hex, "points": points})
        while self._waiting and not self.over():
            try:
                self.job.door.call("POST", f"{self.job.address}/metrics", self._waiting[0])
            except Refused as error:
                if error.fences:
                    raise
            self._waiting.popleft()


class LogFolder(Companion):
    """Sends changed files of the watched folders (logs/); what is written last is collected at the end."""

    name = "logs"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._folders = watched(job.spec)
        self._sent: Dict[str, Tuple[int, int, int]] = {}
        self._due: Dict[str, float] = {}

    def look(self) -> None:
        root = os.open(str(self.job.place.work), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        left_out: List[str] = []
        files = size = 0
        try:
            for path, handle, _ in regular_files(root, self._folders, left_out):
                with os.fdopen(handle, "rb") as file:
                    facts = os.fstat(file.fileno())
                    mark = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
                    now = time.monotonic()
                    if self._sent.get(path) == mark or now < self._due.get(path, 0.0) or facts.st_size > MOST_OF_A_FILE:
                        continue
                    if (
                        files >= _FILES_A_LOOK
                        or size + facts.st_size > max(_BYTES_A_LOOK, facts.st_size)
                        or self.over()
                    ):
                        return
                    files, size = files + 1, size + facts.st_size
                    self._send(path, file, facts.st_size)
                    self._sent[path] = mark
                    self._due[path] = time.monotonic() + facts.st_size / _BYTES_A_SECOND
        finally:
            os.close(root)

    def _send(self, path: str, file: BinaryIO, size: int) -> None:
        """Send the first `size` bytes as they are now: a copy of them, because the file may grow or change."""
        place = self.job.place.path / "logs.part"
        digest, left = hashlib.sha256(), size
        with place.open("wb") as copy:
            while left > 0:
                piece = file.read(min(1 << 20, left))
                if not piece:
                    break
                digest.update(piece)
                copy.write(piece)
                left -= len(piece)
        sha256, door, address = digest.hexdigest(), self.job.door, self.job.address
        try:
            told = door.call("POST", f"{address}/blobs/missing", {"sha256": [sha256]}).json()
            if sha256 in told.get("missing", []):
                headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size - left)}
                with place.open("rb") as body:
                    door.call("PUT", f"{address}/blobs/{sha256}", body=body, headers=headers, timeout=120.0)
            entry = {"path": path, "sha256": sha256, "size": size - left}
            door.call("POST", f"{address}/artifacts", {"files": [entry]})
        finally:
            place.unlink(missing_ok=True)
