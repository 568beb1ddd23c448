"""A flat table of numbers and texts as a Parquet file, written piece by piece. Pure thinking, no database.

The format needs a page a column and a list of them at the end; a library for all the rest of it weighs 45 MB.
https://parquet.apache.org/docs/file-format/
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

MAGIC = b"PAR1"
_I32, _I64, _TEXT, _LIST, _STRUCT = 5, 6, 8, 9, 12
_DOUBLE, _BYTES = 5, 6
_PLAIN, _RLE, _OPTIONAL, _UTF8 = 0, 3, 1, 0
#: A field of a struct: its number, its type in Thrift's compact protocol, its value.
Fields = Sequence[tuple[int, int, Any]]


class Parquet:
    """`begin`, then `group` for some thousand rows at a time, then `end`: each returns the bytes that follow."""

    def __init__(self, names: Sequence[str], numbers: Sequence[bool]) -> None:
        """`numbers` says of each column whether its values are floats; else they are texts. None may be anywhere."""
        self._names, self._numbers = list(names), list(numbers)
        self._at = self._rows = 0
        self._groups: list[Fields] = []

    def begin(self) -> bytes:
        self._at = len(MAGIC)
        return MAGIC

    def group(self, columns: Sequence[Sequence[Any]]) -> bytes:
        """The values of some rows, column by column."""
        written, chunks, rows = [], [], len(columns[0])
        begin = self._at
        for name, number, values in zip(self._names, self._numbers, columns, strict=True):
            page = _page(values, number=number)
            chunks.append(self._chunk(name, number, rows, len(page)))
            written.append(page)
            self._at += len(page)
        self._rows += rows
        self._groups.append(((1, _LIST, (_STRUCT, chunks)), (2, _I64, self._at - begin), (3, _I64, rows)))
        return b"".join(written)

    def end(self) -> bytes:
        root = ((4, _TEXT, "table"), (5, _I32, len(self._names)))
        schema: list[Fields] = [root, *map(_element, self._names, self._numbers)]
        footer = _struct(
            (
                (1, _I32, 1),
                (2, _LIST, (_STRUCT, schema)),
                (3, _I64, self._rows),
                (4, _LIST, (_STRUCT, self._groups)),
                (6, _TEXT, "Zaffre"),
            )
        )
        return footer + struct.pack("<i", len(footer)) + MAGIC

    def _chunk(self, name: str, number: bool, rows: int, size: int) -> Fields:
        told = (
            (1, _I32, _DOUBLE if number else _BYTES),
            (2, _LIST, (_I32, [_PLAIN, _RLE])),
            (3, _LIST, (_TEXT, [name])),
            (4, _I32, 0),  # not compressed
            (5, _I64, rows),
            (6, _I64, size),
            (7, _I64, size),
            (9, _I64, self._at),
        )
        return ((2, _I64, self._at), (3, _STRUCT, told))


def _element(name: str, number: bool) -> Fields:
    shape: list[tuple[int, int, Any]] = [
        (1, _I32, _DOUBLE if number else _BYTES),
        (3, _I32, _OPTIONAL),
        (4, _TEXT, name),
    ]
    return shape if number else [*shape, (6, _I32, _UTF8)]


def _page(values: Sequence[Any], *, number: bool) -> bytes:
    """A page: its head, which rows have a value, and these values."""
    there = np.array([value is not None for value in values], dtype=bool)
    bits = np.packbits(there, bitorder="little").tobytes()
    levels = _varint(len(bits) << 1 | 1) + bits
    present = [value for value in values if value is not None]
    body = struct.pack("<i", len(levels)) + levels + (_floats(present) if number else _texts(present))
    told = ((1, _I32, len(values)), (2, _I32, _PLAIN), (3, _I32, _RLE), (4, _I32, _RLE))
    head = _struct(((1, _I32, 0), (2, _I32, len(body)), (3, _I32, len(body)), (5, _STRUCT, told)))
    return head + body


def _floats(values: Sequence[float]) -> bytes:
    return np.array(values, dtype="<f8").tobytes()


def _texts(values: Sequence[str]) -> bytes:
    said = [value.encode("utf-8", "replace") for value in values]
    return b"".join(piece for one in said for piece in (struct.pack("<i", len(one)), one))


def _struct(fields: Fields) -> bytes:
    """A struct of Thrift's compact protocol."""
    written, last = [], 0
    for number, kind, value in fields:
        written.append(bytes([(number - last) << 4 | kind]))
        written.append(_value(kind, value))
        last = number
    return b"".join(written) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind in (_I32, _I64):
        return _varint(value << 1 ^ value >> 63)
    if kind == _TEXT:
        said = value.encode("utf-8", "replace")
        return _varint(len(said)) + said
    if kind == _STRUCT:
        return _struct(value)
    of, items = value
    head = bytes([len(items) << 4 | of]) if len(items) < 15 else bytes([0xF0 | of]) + _varint(len(items))
    return head + b"".join(_value(of, item) for item in items)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
