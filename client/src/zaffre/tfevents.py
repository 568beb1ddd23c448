"""The bytes of event files: what TensorBoard reads, on both sides of the border between the studio and its clients.

A file is a row of records (length, masked CRC-32C of it, bytes, masked CRC-32C of them), each a protobuf message
`Event` of tensorflow/core/util/event.proto. Of that message scalars need five fields, so they are written here: the
package `tensorboard` is a hundred times as large, and exporting must not need it.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import List

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
    table = _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(message: bytes) -> bytes:
    """A message as it stands in a file."""
    return _head(len(message)) + message + struct.pack("<I", masked_crc(message))


def opening(wall_time: float) -> bytes:
    """The message that a file begins with. `wall_time` in seconds since 1970."""
    return _event(wall_time, 0, _bytes(3, b"brain.Event:2"))


def scalar(tag: str, value: float, *, step: int, wall_time: float) -> bytes:
    """The message of one number. What no 32-bit float holds becomes an infinity."""
    try:
        number = struct.pack("<f", value)
    except OverflowError:
        number = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    one = _bytes(1, tag.encode("utf-8")) + b"\x15" + number
    return _event(wall_time, step, _bytes(5, _bytes(1, one)))


# Messages of one series have two or three lengths between them.
@lru_cache(maxsize=256)
def _head(size: int) -> bytes:
    length = struct.pack("<Q", size)
    return length + struct.pack("<I", masked_crc(length))


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
