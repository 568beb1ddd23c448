"""Group commit: everything that waits shares one transaction.

A durable commit costs the same for one row as for a thousand, so a single writer thread takes all
that arrived while the last commit ran. Nobody is answered before the commit. The path not taken: a
timer that gathers for some milliseconds, which would slow down a lonely writer and help nobody else.
"""

import atexit
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, connections, transaction

from studio.kernel.errors import Unavailable

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

#: The most items of one transaction: bounds its memory and the time that a latecomer waits.
MOST = 256
#: More than this in line means that the database does not follow; callers should come back later.
LINE = 4096
#: Seconds without a write after which the thread gives its connection back.
IDLE = 0.05


class GroupCommit(Generic[Item, Result]):
    """One writer thread for one kind of write.

    `write(items)` runs inside a transaction and returns one result per item, in order; a result
    that is an exception is raised to the caller of that item alone. If `write` itself raises,
    every item is tried again in a transaction of its own, so that one bad item harms nobody (except when
    the database itself is away: then all fail at once, and their callers come back). What must
    happen after the commit goes to `transaction.on_commit` inside `write`.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Item]], Sequence[Result | Exception]],
    ) -> None:
        self._name = name
        self._write = write
        self._line: queue.SimpleQueue[tuple[Item, Future[Result]] | None] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, item: Item) -> "Future[Result]":
        """Put an item in line; the future ends after the commit. Raises Unavailable when the line is too long."""
        if self._line.qsize() >= LINE:
            raise Unavailable(
                f"Too many writes ({self._name}) are waiting for the database.", hint="Try again in a few seconds."
            )
        with self._start:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name=f"commit-{self._name}", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            future: Future[Result] = Future()
            self._line.put((item, future))
        return future

    def close(self, patience: float = 10) -> None:
        """Write all that is in line, then end the thread; waits `patience` seconds at most."""
        with self._start:
            thread, self._thread = self._thread, None
            if thread is not None and thread.is_alive():
                self._line.put(None)
        if thread is not None:
            thread.join(patience)

    def _work(self) -> None:
        try:
            while (first := self._next()) is not None:
                taken = [first]
                closing = False
                while len(taken) < MOST and not closing:
                    try:
                        more = self._line.get_nowait()
                    except queue.Empty:
                        break
                    if more is None:
                        closing = True
                    else:
                        taken.append(more)
                # A caller that gave up (its connection broke) is not waited for, but its write still counts.
                self._commit(taken)
                if closing:
                    return
        finally:
            connections.close_all()

    def _next(self) -> "tuple[Item, Future[Result]] | None":
        try:
            return self._line.get(timeout=IDLE)
        except queue.Empty:
            # Nobody writes: the pool may have the connection back.
            connections.close_all()
            return self._line.get()

    def _commit(self, taken: list[tuple[Item, "Future[Result]"]]) -> None:
        try:
            with transaction.atomic():
                results = self._write([item for item, _ in taken])
        except Exception as error:
            # The connection may be what broke: the next try gets another one.
            connections.close_all()
            if len(taken) > 1 and not isinstance(error, (OperationalError, InterfaceError)):
                log.warning("a group of %d %s writes is tried one by one: %r", len(taken), self._name, error)
                for one in taken:
                    self._commit([one])
            else:
                # No database for one is no database for all: nobody should wait for the others' time-outs.
                for _, future in taken:
                    _settle(future, error)
            return
        for (_, future), result in zip(taken, results, strict=True):
            _settle(future, result)


def _settle(future: "Future[Result]", result: "Result | Exception") -> None:
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
