"""Making snapshots: from bytes that were sent before, or from a zip."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import Exists, ManyToOneRel, Model, OuterRef
from django.db.models.deletion import RestrictedError
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext

from runs.snapshots.models import Snapshot
from studio.kernel import archive, blobs, manifests
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, Invalid, TooLarge
from studio.kernel.ids import ulid
from studio.kernel.rows import read
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.models import Workspace
from zaffre.protocol import MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_FILES, FileEntry

CREATE = "snapshot.create"
#: How long code stays that no run and no deployment uses, and how many lists go in one round.
UNUSED, MOST_FORGOTTEN = timedelta(days=1), 1000
_LATELY = "COALESCE(sent_again > statement_timestamp() - %(ago)s::interval, false)"


@transaction.atomic
def create_snapshot(slug: str, *, actor: Actor, files: Sequence[Mapping[str, Any]]) -> Snapshot:
    """Return the snapshot of these files; the one that is there (`.unchanged`) when their tree is known.

    Raises TooLarge over the limits, by the announced sizes before any content is asked for, and names the
    biggest files; Invalid for unsafe or doubled paths and for blobs that the workspace does not hold.
    """
    return keep(get_workspace(slug, actor=actor, action=CREATE), actor=actor, files=files)


def keep(workspace: Workspace, *, actor: Actor, files: Sequence[Mapping[str, Any]]) -> Snapshot:
    """`create_snapshot` in a workspace that the caller has opened for it, in the caller's transaction."""
    refuse_announced(files)
    entries = manifests.clean([_plain(item) for item in files], max_files=MAX_SNAPSHOT_FILES)
    if not entries:
        raise Invalid(gettext("A snapshot has at least one file."), field="files")
    digest = manifests.digest(entries)
    known = _known(workspace, digest)
    if known is not None:
        return known
    manifest = manifests.sized(entries, workspace_id=workspace.pk, max_bytes=MAX_SNAPSHOT_BYTES)
    snapshot, made = Snapshot.objects.get_or_create(
        workspace=workspace,
        digest=digest,
        defaults={
            "id": ulid(),
            "files": manifest,
            "file_count": len(manifest),
            "size": manifests.total_size(manifest),
        },
    )
    snapshot.unchanged = not made
    if made:
        facts = {"files": snapshot.file_count, "bytes": snapshot.size}
        record(actor=actor, workspace=workspace, action=CREATE, target=snapshot.pk, fields=facts)
    return snapshot


def _known(workspace: Workspace, digest: str) -> Snapshot | None:
    """The snapshot of this tree, which keeps its files in the store: nobody asks again whether they are held.

    Raises Invalid `blobs_missing` when some were lost there all the same: whoever sends them again repairs it.
    """
    values = {"workspace": workspace.pk, "digest": digest, "ago": UNUSED / 24}
    found = read(Snapshot, "workspace_id = %(workspace)s AND digest = %(digest)s", values, lately=_LATELY)
    if not found:
        return None
    snapshot = found[0]
    manifests.refuse_absent([one["path"] for one in snapshot.files if not blobs.is_there(one["sha256"])])
    if not getattr(snapshot, "lately", False) and not Snapshot.objects.filter(pk=snapshot.pk).update(sent_again=Now()):
        return None  # it was forgotten at this moment
    snapshot.unchanged = True
    return snapshot


def forget_unused(*, actor: Actor) -> int:
    """Remove the lists of code that no row has used for `UNUSED`; returns how many. The files themselves are collected.

    Whoever sends code submits it soon: a list that was sent, again or for the first time, has that long.
    """
    if actor.kind != "system":
        raise Forbidden(gettext("Only the studio itself forgets code that nothing uses."))
    rows = Snapshot.objects.annotate(sent=Coalesce("sent_again", "created")).filter(sent__lt=Now() - UNUSED)
    for model, field in _users():
        rows = rows.filter(~Exists(model._base_manager.filter(**{field: OuterRef("pk")})))
    forgotten = 0
    for snapshot in rows.order_by("pk")[:MOST_FORGOTTEN]:
        # One that somebody begins to use in this moment stays.
        with suppress(RestrictedError, IntegrityError), transaction.atomic():
            forgotten += Snapshot.objects.filter(pk=snapshot.pk, sent_again=snapshot.sent_again).delete()[0]
    return forgotten


def _users() -> list[tuple[type[Model], str]]:
    """Whatever refers to snapshots, (model, field) each: also what is built on this room and unknown to it."""
    found = Snapshot._meta.get_fields(include_hidden=True)
    return [(one.related_model, one.field.name) for one in found if isinstance(one, ManyToOneRel)]


def create_from_zip(slug: str, *, actor: Actor, file: BinaryIO) -> Snapshot:
    """Return the snapshot of a zip's files. Everything is checked before anything is kept.

    Raises as `studio.kernel.archive` does for what is no plain zip, and as `create_snapshot`.
    """
    # Not in one transaction: unpacking takes seconds, and content without a manifest is only garbage.
    workspace = get_workspace(slug, actor=actor, action=CREATE)
    members = archive.open_zip(file, max_files=MAX_SNAPSHOT_FILES, max_bytes=MAX_SNAPSHOT_BYTES)
    archive.verify(file, members)
    files: list[FileEntry] = []
    for member in members:
        sha256, size = blobs.put(archive.read(file, member), workspace_id=workspace.pk)
        mode = 0o755 if member.executable else 0o644
        files.append(FileEntry(path=member.path, sha256=sha256, size=size, mode=mode))
    return create_snapshot(slug, actor=actor, files=files)


def refuse_announced(files: Sequence[Mapping[str, Any]]) -> None:
    """Raise TooLarge by what the caller says of its files, so that nobody uploads what will be refused."""
    if len(files) > MAX_SNAPSHOT_FILES:
        raise TooLarge(
            gettext("%(files)s files, and a snapshot has at most %(most)s.")
            % {"files": len(files), "most": MAX_SNAPSHOT_FILES},
            code="too_many_files",
            hint=gettext("Leave files out with .zaffreignore, and give data as a dataset."),
        )
    sizes = [(_whole(item.get("size")), str(item.get("path", ""))[:200]) for item in files]
    total = sum(size for size, _ in sizes)
    if total <= MAX_SNAPSHOT_BYTES:
        return
    biggest = sorted(sizes, reverse=True)[:10]
    named = ", ".join(path for _, path in biggest[:3])
    raise TooLarge(
        gettext("The files are %(total)s bytes together, and a snapshot has at most %(most)s. Biggest: %(named)s.")
        % {"total": total, "most": MAX_SNAPSHOT_BYTES, "named": named},
        hint=gettext("Leave big files out with .zaffreignore, and give data as a dataset."),
        biggest=[{"path": path, "size": size} for size, path in biggest],
    )


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with what counts and of the right kinds; what is wrong with it, manifests.check says."""
    path, sha256 = item.get("path"), item.get("sha256")
    return {
        "path": path if isinstance(path, str) else "",
        "sha256": sha256 if isinstance(sha256, str) else "",
        "mode": _whole(item.get("mode")),
    }


def _whole(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 2**62 else 0
