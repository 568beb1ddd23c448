"""The end of a script in a forked interpreter, as Python ends: threads are joined, exit functions called, what the
script has made is let go of in Python's order, files are flushed.

Python would go on to take apart what the warm parent had loaded, which copies every page of it for nothing. So this is
only for scripts that loaded no machine code of their own, whose exit functions nobody here knows: others end as usual.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import sys
import threading
import weakref
from contextlib import suppress
from importlib.machinery import ExtensionFileLoader
from types import ModuleType
from typing import Any, Dict, List, Tuple

#: What Python sets free first: they may hold frames of the script.
_LAST = ("last_type", "last_value", "last_traceback", "last_exc", "ps1", "ps2")
_STREAMS = ("stdin", "stdout", "stderr")
#: What Python's own exit says when the last output could not be written.
_UNWRITTEN = 120

Modules = List[Tuple[str, ModuleType]]


def mark() -> str:
    """The newest module now, by which `end` will know those that came after it."""
    return next(reversed(sys.modules))


def end(status: int, newest: str) -> None:
    """End this process as `sys.exit(status)` would; `newest` is what `mark` has said before the script.

    Returns when it must end as usual.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    main = sys.modules.get("__main__")
    new: Modules = [("__main__", main)] if main is not None else []
    del main
    # From the end: to look at those of the parent would copy the page of each.
    for name in reversed(sys.modules):
        if name == newest:
            break
        if isinstance(sys.modules[name], ModuleType):
            new.insert(1, (name, sys.modules[name]))
    else:
        return
    # Threads that nobody waits for must not see what they use go away.
    if any(_is_machine_code(one) for _, one in new) or len(sys._current_frames()) > 1:
        return
    atexit._run_exitfuncs()
    written = _flush()
    _flush_files()
    _let_go(new)
    written = _flush() and written
    # By the library and not the kernel: what C code has buffered is written, too.
    ctypes.PyDLL(None).exit(ctypes.c_int(status if written else _UNWRITTEN))


def _is_machine_code(module: ModuleType) -> bool:
    loader = getattr(module, "__loader__", None) or getattr(getattr(module, "__spec__", None), "loader", None)
    return isinstance(loader, ExtensionFileLoader)


def _flush() -> bool:
    """Write out what was printed; False when it was not possible."""
    written = True
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except Exception:
            if name == "stdout":
                sys.unraisablehook(_unraisable(stream))
                written = False
    return written


def _flush_files() -> None:
    """Of a file in a ring of objects the collector may close the lower layer first, and the text above it is lost."""
    for one in gc.get_objects():
        if issubclass(type(one), io.IOBase):
            with suppress(Exception):
                if not one.closed and one.writable():
                    one.flush()


def _unraisable(stream: Any) -> Any:
    kind, value, trace = sys.exc_info()
    told = type("Unraisable", (), {})()
    told.exc_type, told.exc_value, told.exc_traceback = kind, value, trace
    told.err_msg, told.object = None, stream
    return told


def _let_go(new: Modules) -> None:
    """Drop the script's modules; then empty those that something still holds, the last one first."""
    for name in _LAST:
        if hasattr(sys, name):
            setattr(sys, name, None)
    for name in _STREAMS:
        setattr(sys, name, getattr(sys, f"__{name}__"))
    for name, _ in new:
        sys.modules.pop(name, None)
    left = [weakref.ref(one) for _, one in new]
    new.clear()
    gc.collect()
    for reference in reversed(left):
        module = reference()
        if module is not None:
            _empty(vars(module))
    del module
    gc.collect()


def _empty(names: Dict[str, Any]) -> None:
    """As Python does: names that begin with an underscore first, then all others but the built-in ones."""
    for name in list(names):
        if name.startswith("_") and not name.startswith("__"):
            names[name] = None
    for name in list(names):
        if name != "__builtins__" and names[name] is not None:
            with suppress(Exception):
                names[name] = None
