"""What was read or written out once, kept in this process for the next who asks, up to a number of bytes."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values by key, those looked at last; for all threads. What makes a value stale belongs into its key or in it."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._held: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Key) -> Value | None:
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            self._held.move_to_end(key)
            return held[0]

    def keep(self, key: Key, value: Value, *, size: int) -> None:
        """Keep a value of `size` bytes; what was not looked at for the longest time goes when there is no room."""
        with self._lock:
            _, before = self._held.pop(key, (None, 0))
            self._held[key] = (value, size)
            self._size += size - before
            while self._size > self._most:
                _, (_, gone) = self._held.popitem(last=False)
                self._size -= gone
