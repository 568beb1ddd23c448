"""Writing event files: what TensorBoard reads, without TensorBoard.

A file is a row of records (length, masked CRC-32C of it, bytes, masked CRC-32C of them), each a protobuf message
`Event` of tensorflow/core/util/event.proto. Of that message scalars need five fields, so they are written here: the
package `tensorboard` is a hundred times as large, and exporting must not need it.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import List, Optional, Type

_POLYNOMIAL = 0x82F63B78


def _table() -> List[int]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return found


_TABLE = _table()


def masked_crc(data: bytes) -> int:
    """CRC-32C (Castagnoli), turned and shifted as records want it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF  # negative ones as two's complement of 64 bits
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _event(wall_time: float, step: int, content: bytes) -> bytes:
    return b"\x09" + struct.pack("<d", wall_time) + b"\x10" + _varint(step) + content


def scalar(tag: str, value: float, *, step: int, wall_time: float) -> bytes:
    """The message of one number. What no 32-bit float holds becomes an infinity."""
    try:
        number = struct.pack("<f", value)
    except OverflowError:
        number = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    one = _bytes(1, tag.encode("utf-8")) + b"\x15" + number
    return _event(wall_time, step, _bytes(5, _bytes(1, one)))


class EventFile:
    """A new event file in a folder, which is made when it is not there. Use it with `with`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        moment = time.time()
        host = socket.gethostname().replace("/", "_")[:60] or "host"
        once = f"{os.getpid()}.{time.monotonic_ns() % 10**9}"
        self.path = folder / f"events.out.tfevents.{int(moment):010d}.{host}.{once}"
        self._file = self.path.open("xb")
        self._write(_event(moment, 0, _bytes(3, b"brain.Event:2")))

    def __enter__(self) -> "EventFile":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._file.close()

    def add_scalar(self, tag: str, value: float, *, step: int, wall_time: float) -> None:
        """`wall_time` in seconds since 1970."""
        self._write(scalar(tag, value, step=step, wall_time=wall_time))

    def _write(self, message: bytes) -> None:
        length = struct.pack("<Q", len(message))
        self._file.write(length + struct.pack("<I", masked_crc(length)))
        self._file.write(message + struct.pack("<I", masked_crc(message)))
