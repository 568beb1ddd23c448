"""Writing a zip while it is sent: neither on a disk nor in memory."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.http import content_disposition_header

from studio.kernel import blobs, hot

#: Larger files are weights and data, which hardly shrink.
SQUEEZED = 16 * 1024 * 1024


@dataclass(frozen=True)
class Packed:
    """A zip as a download."""

    name: str
    pieces: Iterator[bytes]


@dataclass(frozen=True)
class Member:
    """A file to be: its path in the zip, its bytes, and its size where that is known before."""

    path: str
    pieces: Iterable[bytes]
    size: int | None = None


class _Sink(io.RawIOBase):
    """Where the zip is written to; it cannot be rewound, so sizes follow the bytes of each file."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.held.append(bytes(data))
        self.size += len(data)
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self.held)
        self.held, self.size = [], 0
        return data


def zipped(files: Iterable[Member], *, piece: int = blobs.PIECE) -> Iterator[bytes]:
    """The zip in pieces of about `piece` bytes. A file is read when its turn comes.

    A file without a known size has to stay below 2 GiB.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as out:
        for file in files:
            item = zipfile.ZipInfo(file.path)
            large = file.size is not None and file.size > SQUEEZED
            item.compress_type = zipfile.ZIP_STORED if large else zipfile.ZIP_DEFLATED
            item._compresslevel = 1  # type: ignore[attr-defined]
            item.external_attr = 0o100644 << 16
            item.file_size = file.size or 0
            with out.open(item, "w") as member:
                for data in file.pieces:
                    member.write(data)
                    if sink.size >= piece:
                        yield sink.take()
    yield sink.take()


def answer(packed: Packed) -> hot.Response:
    """The zip as the answer of a raw door."""
    headers = {"Content-Disposition": content_disposition_header(True, packed.name) or "attachment"}
    return hot.Response(200, hot.pieces_in_thread(packed.pieces), headers, "application/zip")
