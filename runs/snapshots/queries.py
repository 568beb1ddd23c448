"""Reading snapshots: their lists of files, one file, and the whole as a zip."""

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from runs.snapshots import browsing
from runs.snapshots.models import Snapshot
from studio.kernel import blobs
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from workspace.access import get_workspace
from workspace.models import Workspace
from zaffre.protocol import FileEntry

READ = "snapshot.read"
#: A zip that grows beyond this is built on disk.
IN_MEMORY = 8 * 1024 * 1024
#: Every file of a zip has this time, so that the same snapshot gives the same zip.
EPOCH = (1980, 1, 1, 0, 0, 0)


class Pieces:
    """The bytes of a file that was built, which goes away once it was read or closed.

    Not a generator: one that nobody began would leave its file open when it is closed.
    """

    def __init__(self, built: IO[bytes]) -> None:
        self._built = built
        built.seek(0)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = b"" if self._built.closed else self._built.read(blobs.PIECE)
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def close(self) -> None:
        self._built.close()


@dataclass(frozen=True, slots=True)
class Packed:
    """A zip that was built."""

    name: str
    size: int
    pieces: Pieces


def get_snapshot(slug: str, snapshot_id: str, *, actor: Actor) -> Snapshot:
    """Return one snapshot with its files. Raises NotFound, also for code that asks for another run's snapshot."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    rows = _of(workspace, snapshot_id)
    if actor.kind == "run":
        rows = rows.filter(runs=actor.run_id)
    snapshot = rows.first()
    if snapshot is None:
        raise NotFound(
            _("There is no snapshot %(snapshot_id)s in %(slug)s.")
            % {"snapshot_id": repr(snapshot_id[:40]), "slug": slug}
        )
    return snapshot


def resolve(workspace: Workspace, snapshot_id: str) -> Snapshot:
    """Return a snapshot of a workspace that the caller has opened. Raises Invalid `no_such_snapshot`."""
    snapshot = _of(workspace, snapshot_id).first()
    if snapshot is None:
        raise Invalid(
            _("There is no snapshot %(snapshot_id)s in %(slug)s.")
            % {"snapshot_id": repr(snapshot_id[:40]), "slug": workspace.slug},
            code="no_such_snapshot",
            hint=_("Send the code first."),
            field="snapshot",
        )
    return snapshot


def _of(workspace: Workspace, snapshot_id: str) -> QuerySet[Snapshot]:
    return workspace.snapshots.filter(pk=snapshot_id.replace("\0", ""))


def get_file(slug: str, snapshot_id: str, path: str, *, actor: Actor) -> FileEntry:
    """Return one file of a snapshot as its manifest has it. Raises NotFound when there is no such path."""
    # By the manifest only: a path from outside never becomes a place on a disk.
    for entry in get_snapshot(slug, snapshot_id, actor=actor).files:
        if entry["path"] == path:
            return FileEntry(**entry)
    raise NotFound(_("The snapshot has no file %(path)s.") % {"path": repr(path[:200])})


def get_text(slug: str, snapshot_id: str, path: str, *, actor: Actor) -> browsing.Text:
    """Return one file as lines for a page. Raises NotFound when there is no such path; lost bytes are told as such."""
    entry = get_file(slug, snapshot_id, path, actor=actor)
    if entry["size"] > browsing.MOST_BYTES:
        return browsing.Text("big")
    try:
        return browsing.text_of(blobs.read_small(entry["sha256"]))
    except NotFound:
        return browsing.Text("lost")


def get_files(slug: str, snapshot_id: str, paths: Sequence[str], *, actor: Actor) -> dict[str, tuple[str, int]]:
    """Return (sha256, size) of files of a snapshot by their paths. Raises NotFound for the first that is not there."""
    files = {entry["path"]: entry for entry in get_snapshot(slug, snapshot_id, actor=actor).files}
    for path in paths:
        if path not in files:
            raise NotFound(_("The snapshot has no file %(path)s.") % {"path": repr(path[:200])})
    return {path: (files[path]["sha256"], files[path]["size"]) for path in paths}


def pack(slug: str, snapshot_id: str, *, actor: Actor) -> Packed:
    """Build the zip of a snapshot, in memory only while it is small. Raises NotFound when bytes are damaged."""
    snapshot = get_snapshot(slug, snapshot_id, actor=actor)
    built = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by whoever reads it
    try:
        # Level 1: code is small, and a person waits.
        with zipfile.ZipFile(built, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
            for entry in snapshot.files:
                item = zipfile.ZipInfo(entry["path"], date_time=EPOCH)
                item.compress_type = zipfile.ZIP_DEFLATED
                item.create_system = 3
                item.external_attr = (0o100000 | entry.get("mode", 0o644)) << 16
                item.file_size = entry["size"]
                with out.open(item, "w") as member:
                    for piece in blobs.read(entry["sha256"]):
                        member.write(piece)
        size = built.tell()
    except BaseException:
        built.close()
        raise
    return Packed(name=f"snapshot-{snapshot.digest[:12]}.zip", size=size, pieces=Pieces(built))
