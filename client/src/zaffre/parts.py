"""Large files in parts, over two connections: a cut costs one part, and each part is checked on the way."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Optional

#: Parts on their way at the same time: one server process reads a connection slower than a disk.
AT_ONCE = 2

#: `ask(method, path, value, body, headers)` → the decoded answer; repeats a call whose answer was cut.
Ask = Callable[[str, str, Any, Optional[bytes], Dict[str, str]], Dict[str, Any]]
Open = Callable[[], int]


def send_parts(
    ask: Ask, uploads: str, open_file: Open, *, size: int, sha256: str, moved: Callable[[int], object] = lambda _: None
) -> None:
    """Send a file to the door `uploads`, until the studio holds it under its hash. Raises what `ask` raises.

    `open_file` opens it for one reader. Raises OSError when it cannot be read or has become shorter.
    """
    made = ask("POST", uploads, {"size": size, "sha256": sha256}, None, {})
    where, part, count = f"{uploads}/{made['id']}", int(made["part_size"]), int(made["parts"])
    line = iter(range(1, count + 1))
    lock, failed = threading.Lock(), []  # type: ignore[var-annotated]

    def work() -> None:
        try:
            handle = open_file()
            try:
                while not failed:
                    with lock:
                        number = next(line, None)
                    if number is None:
                        return
                    data = _read(handle, (number - 1) * part, min(part, size - (number - 1) * part))
                    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
                    ask("PUT", f"{where}/{number}", None, data, {"Content-Digest": f"sha-256=:{digest}:"})
                    moved(len(data))
            finally:
                os.close(handle)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    ask("POST", f"{where}/complete", {}, None, {})


def open_path(place: Path) -> int:
    return os.open(str(place), os.O_RDONLY)


def _read(handle: int, start: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.pread(handle, size - len(data), start + len(data))
        if not piece:
            raise OSError("the file became shorter while it was sent")
        data += piece
    return data
