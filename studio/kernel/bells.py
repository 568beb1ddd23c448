"""Publishing from the commit threads without waiting for Redis: a hung server must not slow a write."""

import queue
import threading

from studio.kernel import events

_line: "queue.Queue[tuple[str, bytes]]" = queue.Queue(maxsize=1000)
_start = threading.Lock()
_thread: threading.Thread | None = None


def ring_soon(topic: str, frame: bytes) -> None:
    """Publish from a thread of its own. Dropped when a thousand wait: watchers notice the gap themselves."""
    global _thread
    if _thread is None or not _thread.is_alive():
        with _start:
            if _thread is None or not _thread.is_alive():
                _thread = threading.Thread(target=_ring, name="bells", daemon=True)
                _thread.start()
    try:
        _line.put_nowait((topic, frame))
    except queue.Full:
        return


def _ring() -> None:
    while True:
        topic, frame = _line.get()
        events.ring(topic, frame)
