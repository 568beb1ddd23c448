"""Group commit: everything that waits shares one transaction.

A durable commit costs the same for one row as for a thousand, so a single writer thread takes all
that arrived while the last commit ran. Nobody is answered before the commit. The path not taken: a
timer that gathers for some milliseconds, which would slow down a lonely writer and help nobody else.
"""

import atexit
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.db import InterfaceError, OperationalError, connections, transaction

from studio.kernel.errors import Unavailable

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

#: The most items of one transaction: bounds its memory and the time that a latecomer waits.
MOST = 256
#: The most that one owner (a run) has of a transaction, in weight (points): who floods waits behind the others.
MOST_OF_ONE = 20_000
#: More than this in line means that the database does not follow; callers should come back later.
LINE = 4096
#: More than this of one owner is refused while others still get in line.
LINE_OF_ONE = 1024
#: Seconds without a write after which the thread gives its connection back.
IDLE = 0.05


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    owner: Hashable
    weight: int
    future: "Future[Result]" = field(default_factory=Future)


#: Stands for an empty line, where None stands for a closed one.
_EMPTY: Any = object()


class GroupCommit(Generic[Item, Result]):
    """One writer thread for one kind of write.

    `write(items)` runs inside a transaction and returns one result per item, in order; a result
    that is an exception is raised to the caller of that item alone. If `write` itself raises,
    every item is tried again in a transaction of its own, so that one bad item harms nobody (except when
    the database itself is away: then all fail at once, and their callers come back). What must
    happen after the commit goes to `transaction.on_commit` inside `write`.

    `share(item)` says whose the item is and how much of a transaction it takes. What is over an owner's part waits
    for the next transaction, in its order, and the items of others pass by. What only reads goes without a
    transaction (`atomic=False`).
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        share: "Callable[[Item], tuple[Hashable, int]]" = lambda item: (None, 0),
        *,
        atomic: bool = True,
    ) -> None:
        self._name = name
        self._write = write
        self._share = share
        self._atomic = atomic
        self._line: queue.SimpleQueue[_Waiting[Item, Result] | None] = queue.SimpleQueue()
        #: How many items wait, and how many of each owner.
        self._waiting = 0
        self._owed: Counter[Hashable] = Counter()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, item: Item) -> "Future[Result]":
        """Put an item in line; the future ends after the commit. Raises Unavailable when the line is too long."""
        owner, weight = self._share(item)
        with self._start:
            if self._waiting >= LINE or (owner is not None and self._owed[owner] >= LINE_OF_ONE):
                raise Unavailable(
                    f"Too many writes ({self._name}) are waiting for the database.", hint="Try again in a few seconds."
                )
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name=f"commit-{self._name}", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            self._waiting += 1
            self._owed[owner] += 1
            one: _Waiting[Item, Result] = _Waiting(item, owner, weight)
            self._line.put(one)
        return one.future

    def close(self, patience: float = 10) -> None:
        """Write all that is in line, then end the thread; waits `patience` seconds at most."""
        with self._start:
            thread, self._thread = self._thread, None
            if thread is not None and thread.is_alive():
                self._line.put(None)
        if thread is not None:
            thread.join(patience)

    def _work(self) -> None:
        # The thread's own: after a close, its successor may begin while it still writes what waited.
        held: list[_Waiting[Item, Result]] = []
        closing = False
        try:
            while held or not closing:
                closing = closing or self._gather(held)
                taken, held = _next_group(held)
                if taken:
                    # A caller that gave up (its connection broke) is not waited for, but its write still counts.
                    self._commit(taken)
                    self._paid(taken)
        finally:
            connections.close_all()

    def _gather(self, held: "list[_Waiting[Item, Result]]") -> bool:
        """Take all that is in line, waiting for a first one if nothing is held; True when the line was closed."""
        one = self._at_once() if held else self._first()
        while one is not None and one is not _EMPTY:
            held.append(one)
            one = self._at_once()
        return one is None

    def _first(self) -> "_Waiting[Item, Result] | None":
        try:
            return self._line.get(timeout=IDLE)
        except queue.Empty:
            # Nobody writes: the pool may have the connection back.
            connections.close_all()
            return self._line.get()

    def _at_once(self) -> "_Waiting[Item, Result] | None":
        try:
            return self._line.get_nowait()
        except queue.Empty:
            return _EMPTY

    def _paid(self, taken: "list[_Waiting[Item, Result]]") -> None:
        with self._start:
            self._waiting -= len(taken)
            for one in taken:
                self._owed[one.owner] -= 1
                if self._owed[one.owner] <= 0:
                    del self._owed[one.owner]

    def _commit(self, taken: "list[_Waiting[Item, Result]]") -> None:
        try:
            with transaction.atomic() if self._atomic else nullcontext():
                results = self._write([one.item for one in taken])
        except Exception as error:
            # The connection may be what broke: the next try gets another one.
            connections.close_all()
            if len(taken) > 1 and not isinstance(error, (OperationalError, InterfaceError)):
                log.warning("a group of %d %s writes is tried one by one: %r", len(taken), self._name, error)
                for one in taken:
                    self._commit([one])
            else:
                # No database for one is no database for all: nobody should wait for the others' time-outs.
                for one in taken:
                    _settle(one.future, error)
            return
        for one, result in zip(taken, results, strict=True):
            _settle(one.future, result)


def _settle(future: "Future[Result]", result: "Result | Exception") -> None:
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _next_group(held: "list[_Waiting[Item, Result]]") -> "tuple[list[_Waiting[Item, Result]], ...]":
    """The items of the next transaction (the oldest, but of each owner no more than its part), and what is left."""
    taken: list[_Waiting[Item, Result]] = []
    left: list[_Waiting[Item, Result]] = []
    used: Counter[Hashable] = Counter()
    full: set[Hashable] = set()
    for one in held:
        over = used[one.owner] > 0 and used[one.owner] + one.weight > MOST_OF_ONE
        if len(taken) >= MOST or one.owner in full or over:
            full.add(one.owner)  # what comes later of the same owner stays behind it
            left.append(one)
        else:
            used[one.owner] += one.weight
            taken.append(one)
    return taken, left
