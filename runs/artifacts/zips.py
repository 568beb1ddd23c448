"""A folder of a run as a zip that is made while it is sent: neither on a disk nor in memory."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.db.models import QuerySet

from runs.artifacts.models import Artifact
from runs.artifacts.queries import list_artifacts
from runs.queries import get_run_briefly
from studio.kernel import blobs
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound

#: Rows of one question.
PAGE = 1000
#: Larger files are weights and data, which hardly shrink.
SQUEEZED = 16 * 1024 * 1024


@dataclass(frozen=True)
class Packed:
    name: str
    pieces: Iterator[bytes]


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


def pack(slug: str, run_id: str, folder: str, *, actor: Actor) -> Packed:
    """All files below a folder (empty: all of the run). Raises NotFound for a folder without files, and as get_run."""
    run = get_run_briefly(slug, run_id, actor=actor)
    inside = folder.strip("/")
    rows = list_artifacts(slug, run_id, actor=actor, prefix=f"{inside}/" if inside else "")
    if not rows.exists():
        raise NotFound(f"The run has no folder {folder[:200]!r}.")
    name = f"{run.name}-{PurePosixPath(inside).name}" if inside else run.name
    # Names in the zip begin with the folder itself, so that unpacking makes one folder.
    return Packed(f"{name}.zip", _zipped(rows.values_list("path", "sha256", "size"), len(inside.rpartition("/")[0])))


def _zipped(rows: QuerySet[Artifact, tuple[str, str, int]], above: int) -> Iterator[bytes]:
    sink, last = _Sink(), ""
    with zipfile.ZipFile(sink, "w") as out:
        # Page by page, so that no connection is held while a slow reader reads.
        while page := list(rows.filter(path__gt=last)[:PAGE]):
            for path, sha256, size in page:
                item = zipfile.ZipInfo(path[above:].lstrip("/"))
                item.compress_type = zipfile.ZIP_STORED if size > SQUEEZED else zipfile.ZIP_DEFLATED
                item._compresslevel = 1  # type: ignore[attr-defined]
                item.external_attr = 0o100644 << 16
                item.file_size = size
                with out.open(item, "w") as member:
                    for piece in blobs.read(sha256):
                        member.write(piece)
                        if sink.size >= blobs.PIECE:
                            yield sink.take()
            last = page[-1][0]
    yield sink.take()
