"""Publishing from the commit threads without waiting for Redis: a hung server must not slow a write.

Most runs are watched by nobody, and their frames would still cost an encoding and a round trip for every point. So a
topic that had no listener a moment ago is rung at the end of that moment only, with the last frame of each kind:
who began to listen meanwhile sees from its number that some are missing, and reads them from the database.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable

from studio.kernel.events import LIVE_PREFIX, client

log = logging.getLogger(__name__)
Frame = Callable[[], bytes]
_Bell = tuple[str, str, Frame]

#: Seconds for which frames to a topic without a listener are held back.
HOLD = 0.05
#: Frames of one round trip to Redis.
MOST = 256
_line: "queue.Queue[_Bell]" = queue.Queue(maxsize=1000)
_start = threading.Lock()
_thread: threading.Thread | None = None


def ring_soon(topic: str, kind: str, frame: Frame) -> None:
    """Publish what `frame` returns, from a thread of its own.

    Dropped when a thousand wait, and maybe in favour of a later one of the same kind: watchers notice the gap.
    """
    global _thread
    if _thread is None or not _thread.is_alive():
        with _start:
            if _thread is None or not _thread.is_alive():
                _thread = threading.Thread(target=_Ringer().work, name="bells", daemon=True)
                _thread.start()
    try:
        _line.put_nowait((topic, kind, frame))
    except queue.Full:
        return


class _Ringer:
    """The thread's own: what it holds back, and which topics had no listener when."""

    def __init__(self) -> None:
        self._unheard: dict[str, float] = {}
        self._held: dict[tuple[str, str], Frame] = {}

    def work(self) -> None:
        while True:
            bells = self._due(self._gathered())
            if bells:
                self._publish(bells)

    def _gathered(self) -> list[_Bell]:
        """All that waits in line; waits for a first one unless something is held back."""
        found: list[_Bell] = []
        try:
            found.append(_line.get(timeout=HOLD if self._held else None))
            while len(found) < MOST:
                found.append(_line.get_nowait())
        except queue.Empty:
            pass
        return found

    def _due(self, bells: list[_Bell]) -> list[_Bell]:
        now = time.monotonic()
        self._unheard = {topic: at for topic, at in self._unheard.items() if now - at < HOLD}
        for topic, kind, frame in bells:
            if topic in self._unheard:
                self._held[topic, kind] = frame
        late = [(*key, frame) for key, frame in self._held.items() if key[0] not in self._unheard]
        for topic, kind, _ in late:
            del self._held[topic, kind]
        return late + [bell for bell in bells if bell[0] not in self._unheard]

    def _publish(self, bells: list[_Bell]) -> None:
        asked = time.monotonic()
        try:
            with client().pipeline(transaction=False) as pipe:
                for topic, _, frame in bells:
                    pipe.publish(LIVE_PREFIX + topic, frame())
                heard = pipe.execute()
        except Exception as error:
            # Redis being away, or its client being closed under us: the thread goes on with what comes next.
            log.warning("nobody could be told about %s: %s", bells[0][0], type(error).__name__)
            return
        for (topic, _, _), listeners in zip(bells, heard, strict=True):
            if not listeners:
                self._unheard[topic] = asked
