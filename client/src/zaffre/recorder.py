"""What is logged on its way to the studio: `log` only notes them, two threads keep and send them.

One thread moves what was logged into the spool folder, a file for every 100 ms or 1000 points; the other
sends the files in their order and removes each when the studio has answered. So a process that is killed
loses the points of a tenth of a second, and a studio that is away loses none: what stays in the spool of a
run is sent by its node, or by `zaffre run resend`.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, List, Optional, Sequence, Set, Union

from zaffre.batches import Point, bodies
from zaffre.errors import Refused, TooMany, ZaffreError
from zaffre.protocol import MAX_POINTS_PER_BATCH, MetricItem
from zaffre.sending import fences, remove_empty, send_batch, unlink
from zaffre.transport import Client, import_late
from zaffre.values import as_number, as_step, check_key

FLUSH_SECONDS = 0.1
#: How long the end of a process may wait for a studio that is slow or away.
EXIT_SECONDS = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Recorder:
    """The metrics and tags of one run. Threads may share it; a forked child gets an empty one of its own."""

    def __init__(self, client: Client, address: str, spool: Path, *, later: str, own_spool: bool = False) -> None:
        """`later` says who sends what could not be sent; an own spool is removed when it is empty."""
        self._client = client
        self._address = f"{address}/metrics"
        self._spool = spool
        self._later = later
        self._own_spool = own_spool
        self._next: Dict[str, int] = {}
        self._said: Set[str] = set()
        self._described: Dict[str, str] = {}
        self._stopped = False
        self._reset()
        _live.add(self)

    def _reset(self) -> None:
        """Begin with nothing: at first, and in a forked child, whose parent sends what it has."""
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._points: List[Point] = []
        self._items: List[MetricItem] = []
        self._tags: Dict[str, str] = {}
        self._descriptions: Dict[str, str] = {}
        self._files: Deque[Union[Path, bytes]] = deque()
        self._noted = threading.Event()
        self._full = threading.Event()
        self._sent = threading.Condition()
        self._hurry = threading.Event()
        self._threads: List[threading.Thread] = []
        #: Of the threads that run now: whoever is told to end ends, though others have begun meanwhile.
        self._over = threading.Event()
        self._count = 0
        #: Points and items that the studio had no room for.
        self._lost = 0

    # --- for scripts ------------------------------------------------------------------------------
    def log(self, key: str, value: Any, step: Optional[int] = None) -> None:
        """Note a point; returns at once. Without `step` it is one more than that of the key's last point.

        Raises UserErrorException for a value that is no number.
        """
        if type(value) is not float:
            value = as_number(value)
        if step is not None and type(step) is not int:
            step = as_step(step)
        if key not in self._next:
            check_key(key)
        with self._lock:
            if step is None:
                step = self._next.get(key, 0)
            self._next[key] = step + 1
            points = self._points
            points.append((key, value, step, int(time.time() * 1000)))
            count = len(points)
        if count == 1:
            self._begin()
        elif count == MAX_POINTS_PER_BATCH:
            self._full.set()

    def log_many(self, key: str, values: Sequence[float]) -> None:
        """Note points of one series at once, at the steps after the key's last one."""
        check_key(key)
        now = int(time.time() * 1000)
        with self._lock:
            first = self._next.get(key, 0)
            self._next[key] = first + len(values)
            self._points += [(key, value, first + at, now) for at, value in enumerate(values)]
            count = len(self._points)
        if count:
            self._begin()
        if count >= MAX_POINTS_PER_BATCH:
            self._full.set()

    def item(self, key: str, kind: str, value: Any, step: Optional[int] = None, description: str = "") -> None:
        """Note something that is no number, as its kind wants it; tables with lists as columns."""
        check_key(key)
        noted: MetricItem = {"key": key, "kind": kind, "value": value, "time": int(time.time() * 1000)}
        if step is not None:
            noted["step"] = as_step(step)
        if description:
            noted["description"] = description
        with self._lock:
            self._items.append(noted)
        self._begin()

    def describe(self, key: str, text: str) -> None:
        """Note what a series is about; the same text again costs nothing."""
        if self._described.get(key) != text:
            self._described[key] = text
            with self._lock:
                self._descriptions[key] = text
            self._begin()

    def tag(self, key: str, text: str) -> None:
        """Note a tag; the last one of a key counts."""
        check_key(key)
        with self._lock:
            self._tags[key] = text
        self._begin()

    def flush(self, seconds: float = 60.0) -> bool:
        """Wait until everything noted so far is with the studio; False when it is not after `seconds`."""
        self._keep()
        end = time.monotonic() + seconds
        self._hurry.set()
        with self._sent:
            while self._files:
                left = end - time.monotonic()
                if left <= 0 or not any(thread.is_alive() for thread in self._threads):
                    return False
                self._sent.notify_all()
                self._sent.wait(min(left, 0.5))
        return True

    def close(self, seconds: float = EXIT_SECONDS) -> None:
        """Send what is left, and say where it lies when that is not possible."""
        try:
            whole = self.flush(seconds)
        except OSError:
            whole = False
        if self._lost:
            self._say("lost", f"{self._lost} values were not kept by the studio.")
        if not whole and self._files:
            self._say("unsent", f"the studio did not take the last points yet; they are kept. {self._later}")
            return
        self._rest()
        if self._own_spool:
            remove_empty(self._spool)

    def _rest(self) -> None:
        """Let the threads end: a script may carry thousands of runs. What is noted later starts them again."""
        with self._lock:
            threads, self._threads = self._threads, []
            self._over.set()
        self._noted.set()
        self._full.set()
        with self._sent:
            self._sent.notify_all()
        for thread in threads:
            if thread is not threading.current_thread() and thread.is_alive():
                thread.join(1.0)
        with self._lock:
            left = bool(self._points or self._items or self._tags or self._descriptions)
        if left:  # another thread logged meanwhile, and took the old threads for living
            self._begin()

    # --- threads ---------------------------------------------------------------------------------
    def _begin(self) -> None:
        """Something was noted: see that the threads run and know of it."""
        if not self._threads:
            self._start()
        self._noted.set()

    def _start(self) -> None:
        with self._lock:
            if self._threads:
                return
            over = self._over = threading.Event()
            threads = [
                threading.Thread(target=self._keep_always, args=(over,), name="zaffre keeps points", daemon=True),
                threading.Thread(target=self._send_always, args=(over,), name="zaffre sends points", daemon=True),
            ]
            self._threads = threads
        try:
            # Not by the thread that sends: a child that is forked meanwhile has no such thread and would wait for the
            # end of its imports for ever. A hook before forks may not wait for them either, `logging` has one.
            import_late()
            for thread in threads:
                thread.start()
        except RuntimeError:  # the interpreter is ending: whoever sends leftovers gets them
            self._keep()
        _at_the_end_of_a_child(self)

    def _keep_always(self, over: threading.Event) -> None:
        while True:
            self._noted.wait()
            if over.is_set():
                return
            self._full.wait(FLUSH_SECONDS)
            self._noted.clear()
            self._full.clear()
            self._keep()
            if over.is_set():  # said while the bell was being cleared
                return

    def _send_always(self, over: threading.Event) -> None:
        pause = _FIRST_PAUSE
        while True:
            with self._sent:
                while not self._files:
                    if over.is_set():
                        return
                    self._sent.notify_all()
                    self._sent.wait()
                first = self._files[0]
            if self._send(first):
                pause = _FIRST_PAUSE
                with self._sent:
                    if self._files and self._files[0] is first:
                        self._files.popleft()
                    self._sent.notify_all()
                continue
            self._hurry.clear()
            self._hurry.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    # --- the spool -------------------------------------------------------------------------------
    def _keep(self) -> None:
        """Move what was noted into the spool."""
        with self._writing:
            with self._lock:
                points, self._points = self._points, []
                items, self._items = self._items, []
                tags, self._tags = self._tags, {}
                words, self._descriptions = self._descriptions, {}
            if self._stopped or not (points or items or tags or words):
                return
            for body in bodies(points, items, tags, words):
                kept = self._write(body)
                with self._sent:
                    self._files.append(kept)
                    self._sent.notify_all()

    def _write(self, body: bytes) -> Union[Path, bytes]:
        """The file that holds `body`, or the body itself when the disk does not take it."""
        self._count += 1
        # By name in the order of time, also across the processes of one run.
        name = f"{int(time.time() * 1000):014d}-{os.getpid()}-{self._count:08d}.json"
        path = self._spool / name
        try:
            self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(body)
            os.replace(str(part), str(path))
            return path
        except OSError as error:
            self._say("spool", f"points are held in memory only, {self._spool} cannot be written: {error}.")
            return body

    def _send(self, kept: Union[Path, bytes]) -> bool:
        """Send one batch; False when it is to be tried again."""
        try:
            body = kept if isinstance(kept, bytes) else kept.read_bytes()
        except OSError:
            return True  # somebody else took it
        if not self._stopped:
            try:
                answer, wrong = send_batch(self._client, self._address, body)
            except TooMany:
                return False
            except Refused as error:
                self._refused(error)
            except ZaffreError:
                return False
            else:
                for problem in wrong:
                    self._say(problem.code, f"the studio refused some of what was logged: {problem.message}")
                if answer.get("refused"):
                    self._lost += int(answer["refused"])
                    code = str(answer.get("code"))
                    said = answer.get("message") or "the run has too many different metrics."
                    self._say(code, f"the studio did not keep some of what was logged: {said}")
        if isinstance(kept, Path):
            unlink(kept)
        return True

    def _refused(self, error: Refused) -> None:
        if fences(error):
            self._stopped = True
            self._say("stopped", "the studio takes no more metrics of this run from here; logging goes on without it.")
        else:
            self._say(error.code, f"the studio refused some of what was logged: {error}")

    def _say(self, topic: str, text: str) -> None:
        """A warning, once a topic. On standard error: `warnings` may be turned into exceptions."""
        if topic not in self._said:
            self._said.add(topic)
            sys.stderr.write(f"zaffre: {text}\n")


def spool_of(run: str) -> Path:
    """Where a run that this machine's user carries on keeps its points."""
    return Path.home() / ".zaffre" / "spool" / run


# --- the end of processes --------------------------------------------------------------------------------

_live: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


def flush_all(address: str, seconds: float) -> None:
    """Wait for what this process logged to the run at `address`, through whichever object."""
    for recorder in list(_live):
        if recorder._address == f"{address}/metrics":
            recorder.flush(seconds)


def flush_everything(seconds: float) -> None:
    """Wait for what this process logged to all its runs, for all of them together."""
    end = time.monotonic() + seconds
    for recorder in list(_live):
        recorder.flush(max(0.0, end - time.monotonic()))


def _close_all() -> None:
    for recorder in list(_live):
        recorder.close()


def _reset_all() -> None:
    for recorder in list(_live):
        recorder._reset()


def _at_the_end_of_a_child(recorder: Recorder) -> None:
    """A child of multiprocessing leaves without `atexit`, but it runs the finalizers of its own module."""
    made = sys.modules.get("multiprocessing.process")
    if made is not None and made.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, recorder.close, exitpriority=100)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
