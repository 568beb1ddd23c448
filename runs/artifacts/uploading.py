"""Large files in parts: each is checked and kept, so that a cut connection costs one part and not all of them."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from runs.artifacts.models import Upload, UploadPart
from runs.artifacts.services import add_artifacts, open_run
from runs.fencing import admit
from runs.models import Run
from studio.kernel import blobs, paths
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid, NotFound, TooLarge
from studio.kernel.ids import ulid
from studio.kernel.parts import MOST_OPEN, too_many
from studio.kernel.store import STAGED
from zaffre.protocol import SHA256_RE, UPLOAD_PART_BYTES

MOST_PARTS = 10_000


@dataclass(frozen=True)
class Done:
    sha256: str
    size: int


@transaction.atomic
def begin_upload(
    run_id: str,
    *,
    actor: Actor,
    size: int,
    path: str = "",
    sha256: str = "",
    part_size: int = UPLOAD_PART_BYTES,
    workspace: str | None = None,
    late: bool = False,
) -> Upload:
    """Begin a file of `size` bytes that comes in parts of `part_size`. Raises as `add_artifacts`, TooLarge."""
    admit(run_id, actor=actor, workspace=workspace)
    run = open_run(run_id, actor=actor, late=late)
    if path:
        paths.clean(path)
    if sha256 and not SHA256_RE.match(sha256):
        raise Invalid("sha256 is 64 lower-case hexadecimal digits.", field="sha256")
    if size <= 0 or part_size <= 0:
        raise Invalid("An upload in parts has at least one byte.", field="size")
    if size > blobs.MAX_BLOB:
        raise TooLarge(f"The file has {size} bytes, and {blobs.MAX_BLOB} is the most one file may be.")
    if count_of(size, part_size) > MOST_PARTS:
        raise TooLarge(f"{count_of(size, part_size)} parts, and {MOST_PARTS} are the most.")
    _refuse_too_many(run, actor)
    upload = Upload.objects.create(
        id=ulid(),
        run=run,
        attempt=actor.attempt if actor.kind == "run" else None,
        user_id=None if actor.kind == "run" else actor.user_id,
        path=path,
        size=size,
        part_size=part_size,
        sha256=sha256,
    )
    with _staged(upload).open("wb") as file:
        file.truncate(size)
    return upload


def _refuse_too_many(run: Run, actor: Actor) -> None:
    begun = Upload.objects.filter(result="")
    of = {"run or model": begun.filter(run=run), "workspace": begun.filter(run__workspace=run.workspace_id)}
    if actor.kind != "run":  # what code begins counts for its run
        of["caller"] = begun.filter(user_id=actor.user_id, attempt=None)
    for what, uploads in of.items():
        if uploads.count() >= MOST_OPEN[what]:
            raise too_many(what)


def count_of(size: int, part_size: int) -> int:
    """How many parts a file has."""
    return -(-size // part_size)


def get_upload(
    run_id: str, upload_id: str, *, actor: Actor, workspace: str | None = None, late: bool = False
) -> Upload:
    """An upload that the actor may go on with. Raises Conflict `upload_gone` for another's, and as `add_artifacts`."""
    admit(run_id, actor=actor, workspace=workspace)
    with transaction.atomic():
        run = open_run(run_id, actor=actor, late=late)
    mine = {"attempt": actor.attempt} if actor.kind == "run" else {"user_id": actor.user_id, "attempt": None}
    upload = Upload.objects.filter(pk=upload_id.replace("\0", ""), run=run, **mine).first()
    if upload is None:
        raise Conflict("There is no such upload any more.", code="upload_gone", hint="Begin it anew.")
    return upload


def held_parts(upload: Upload, *, actor: Actor) -> list[int]:
    """The numbers of the parts that are kept, for whoever goes on with the upload."""
    rows = UploadPart.objects.filter(upload=upload).order_by("number")
    return list(rows.values_list("number", flat=True)) if actor.kind != "anonymous" else []


def keep_part(upload: Upload, number: int, data: bytes, *, actor: Actor) -> str:
    """Keep part `number`, counted from 1; returns its SHA-256. The same again is harmless. Raises Invalid, Conflict.

    The upload came from `get_upload` for this actor.
    """
    last = count_of(upload.size, upload.part_size)
    if actor.kind == "anonymous" or not 1 <= number <= last:
        raise Invalid(f"The parts are 1 to {last}, and this is {number}.", code="bad_part")
    wanted = upload.part_size if number < last else upload.size - (last - 1) * upload.part_size
    if len(data) != wanted:
        raise Invalid(f"Part {number} has {wanted} bytes, and these are {len(data)}.", code="bad_part")
    if upload.result:
        raise Conflict("This upload is complete.", code="upload_complete")
    try:
        handle = os.open(_staged(upload), os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Conflict("This upload was given up.", code="upload_gone", hint="Begin it anew.") from None
    try:
        _write_all(handle, data, (number - 1) * upload.part_size)
    finally:
        os.close(handle)
    sha256 = hashlib.sha256(data).hexdigest()
    UploadPart.objects.bulk_create(
        [UploadPart(upload=upload, number=number, size=len(data), sha256=sha256)],
        update_conflicts=True,
        unique_fields=["upload", "number"],
        update_fields=["sha256", "size"],
    )
    Upload.objects.filter(pk=upload.pk).update(touched=Now())
    return sha256


def _write_all(handle: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(handle, view, offset)
        view, offset = view[done:], offset + done


def complete_upload(upload: Upload, *, actor: Actor, workspace: str | None = None, late: bool = False) -> Done:
    """Make the parts one file of the store, and of the run if it has a path. Raises Invalid, as `add_artifacts`.

    `parts_missing` names what is still to be sent, `digest_mismatch` says that the whole is not what was announced.
    """
    if upload.result:
        return Done(upload.result, upload.size)
    held = dict(upload.parts.values_list("number", "sha256"))
    lacking = [n for n in range(1, count_of(upload.size, upload.part_size) + 1) if n not in held]
    if lacking:
        raise Invalid(
            f"{len(lacking)} parts were not sent, {lacking[0]} first.", code="parts_missing", parts=lacking[:50]
        )
    run_id, staged = upload.run_id, _staged(upload)
    sha256 = _hash_whole(staged, upload, held)
    with transaction.atomic():
        # The file that becomes a file of the run, and its row: both, or none of them.
        blobs.adopt(staged, sha256, workspace_id=upload.run.workspace_id)
        if upload.path:
            entry = {"path": upload.path, "sha256": sha256, "size": upload.size}
            add_artifacts(run_id, actor=actor, files=[entry], workspace=workspace, late=late)
        Upload.objects.filter(pk=upload.pk).update(result=sha256, touched=Now())
    return Done(sha256, upload.size)


def _hash_whole(staged: Path, upload: Upload, held: dict[int, str]) -> str:
    whole = hashlib.sha256()
    try:
        for number, data in _parts_of(staged, upload.part_size):
            whole.update(data)
            if not upload.sha256 and hashlib.sha256(data).hexdigest() != held.get(number):
                raise Invalid(f"Part {number} is not what was sent.", code="digest_mismatch", hint="Send it again.")
    except FileNotFoundError:
        raise Conflict("This upload was given up.", code="upload_gone", hint="Begin it anew.") from None
    if upload.sha256 and whole.hexdigest() != upload.sha256:
        raise Invalid("The parts together do not have the announced SHA-256.", code="digest_mismatch")
    return whole.hexdigest()


def _parts_of(staged: Path, size: int) -> Iterator[tuple[int, bytes]]:
    with staged.open("rb") as source:
        number = 1
        while data := source.read(size):
            yield number, data
            number += 1


def abort_upload(upload: Upload, *, actor: Actor) -> None:
    """Forget an upload and its bytes. The upload came from `get_upload` for this actor."""
    if actor.kind != "anonymous":
        staged = _staged(upload)
        upload.delete()
        staged.unlink(missing_ok=True)


def forget_uploads(*, actor: Actor) -> int:
    """Forget uploads that nobody goes on with; their bytes go with other staged ones. Only for the studio itself."""
    if actor.kind != "system":
        raise NotFound("There is nothing to forget.")
    return Upload.objects.filter(touched__lt=timezone.now() - timedelta(seconds=STAGED)).delete()[0]


def _staged(upload: Upload) -> Path:
    return blobs.staging() / f"upload-{upload.pk}"
