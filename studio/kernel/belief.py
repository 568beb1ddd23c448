"""What a raw door asked the database a moment ago and believes for a moment more."""

import time
from typing import Generic, TypeVar
from weakref import WeakSet

Key = TypeVar("Key")
Value = TypeVar("Value")

#: Seconds for which an answer is believed without asking again: the longest life of a right that was taken away.
BELIEVED = 1.0
_MOST = 10_000
_all: "WeakSet[Believed[object, object]]" = WeakSet()


class Believed(Generic[Key, Value]):
    """Answers by key, each for BELIEVED seconds from the moment before its question. For all threads of a process."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[float, Value]] = {}
        _all.add(self)  # type: ignore[arg-type]

    def get(self, key: Key) -> Value | None:
        """The answer, None when it has to be asked for."""
        held = self._known.get(key)
        return held[1] if held and time.monotonic() - held[0] < BELIEVED else None

    def keep(self, key: Key, value: Value, *, asked: float) -> None:
        """Believe an answer to a question that was put at `asked` (time.monotonic)."""
        if len(self._known) >= _MOST:
            # Everything there is asked for anew, which takes a second: cheaper than an order of use for every call.
            self._known.clear()
        self._known[key] = (asked, value)

    def __len__(self) -> int:
        return len(self._known)

    def forget(self) -> None:
        self._known.clear()


def forget_all() -> None:
    """Believe nothing without asking: for tests, and after a right was taken away in this process."""
    for one in list(_all):
        one.forget()
