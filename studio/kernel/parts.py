"""Parts of a file whose size nobody announced: each is staged by itself, and all are joined at the end.

Uploads whose size is known beforehand write into one staged file instead (`runs/artifacts/uploading.py`).
"""

import asyncio
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from studio.kernel import blobs, hot
from studio.kernel.errors import Conflict, Invalid
from studio.kernel.uploads import PIECE

MOST_PARTS = 10_000
#: Uploads that are on their way at the same time, by whose they are.
MOST_OPEN = {"run or model": 100, "caller": 200, "workspace": 1000}
_beginning = threading.Lock()


def _place(upload: str, what: str) -> Path:
    # Up to the dot it is one group for the sweep of staged files: it lives as long as one of it is written to.
    return blobs.staging() / f"parts-{upload}.{what}"


def too_many(what: str) -> Conflict:
    """For one more upload of a run or model, a caller or a workspace that has too many on their way."""
    return Conflict(
        f"{MOST_OPEN[what]} uploads in parts of this {what} are on their way, the most at the same time.",
        code="too_many_uploads",
        hint="Complete or abort some of them; those that nobody sends to for an hour are given up.",
        limit=MOST_OPEN[what],
    )


def begin(upload: str, of: Mapping[str, str]) -> None:
    """Note that an upload is on its way: parts are taken until it is complete, or forgotten.

    `of` names its run or model, its caller and its workspace. Raises Conflict `too_many_uploads`.
    """
    marks = {what: hashlib.sha256(f"{what} {whose}".encode()).hexdigest()[:32] for what, whose in of.items()}
    with _beginning:
        others = [set(name.split(".")) for name in os.listdir(blobs.staging()) if ".open." in name]
        for what, mark in marks.items():
            if sum(mark in other for other in others) >= MOST_OPEN[what]:
                raise too_many(what)
        _place(upload, ".".join(("open", *marks.values()))).touch()


async def take(request: hot.Request, upload: str, number: int) -> str:
    """Keep the body as part `number` of the upload; return its SHA-256. Sent again, it takes the first one's place.

    Raises TooLarge, also when all parts together would be more than a file may be, Conflict for an upload that has
    ended or was given up, Gone. A part is there wholly or not at all.
    """
    left = blobs.MAX_BLOB - await asyncio.to_thread(_held, upload, but=str(number))
    staged = _place(upload, f"{number}.{secrets.token_hex(8)}")
    digest = hashlib.sha256()
    file = await asyncio.to_thread(staged.open, "wb")
    try:
        held = bytearray()
        async for piece in request.stream(limit=max(left, 0)):
            held += piece
            if len(held) >= PIECE:
                digest.update(held)
                await asyncio.to_thread(file.write, bytes(held))
                held.clear()
        digest.update(held)
        await asyncio.to_thread(file.write, bytes(held))
        await asyncio.to_thread(file.close)
        await asyncio.to_thread(os.replace, staged, _place(upload, str(number)))
    finally:
        await asyncio.to_thread(file.close)
        await asyncio.to_thread(staged.unlink, True)
    return digest.hexdigest()


def _held(upload: str, *, but: str) -> int:
    """Bytes that are staged of an upload, without those of the part that comes again. Raises Conflict at its end."""
    if finished(upload):
        raise Conflict("This upload is complete.", code="upload_complete")
    total, going_on = 0, False
    for place in blobs.staging().glob(f"parts-{upload}.*"):
        going_on = going_on or place.name.startswith(f"parts-{upload}.open.")
        with suppress(FileNotFoundError):
            total += place.stat().st_size if place != _place(upload, but) else 0
    if not going_on:
        raise Conflict("This upload was given up.", code="upload_gone", hint="Begin it anew.")
    return total


def join(upload: str, wanted: Sequence[str], *, workspace_id: int) -> tuple[str, int]:
    """Make the parts, whose SHA-256 are told in order, one blob of the workspace; return (sha256, size).

    Raises Invalid `parts_missing` and `digest_mismatch`, which name the part, and TooLarge.
    """
    if done := finished(upload):
        return done
    with blobs.Incoming() as incoming:
        try:
            for number, sha256 in enumerate(wanted, 1):
                _add(incoming, _place(upload, str(number)), number, sha256)
        except FileNotFoundError:
            # A repeated call whose first one has just ended.
            if done := finished(upload):
                return done
            raise Invalid(
                f"Part {number} was not sent.", code="parts_missing", hint="Send it, or begin the upload anew."
            ) from None
        return incoming.keep(workspace_id=workspace_id)


def _add(incoming: blobs.Incoming, place: Path, number: int, wanted: str) -> None:
    digest = hashlib.sha256()
    with place.open("rb") as part:
        while piece := part.read(PIECE):
            digest.update(piece)
            incoming.write(piece)
    if digest.hexdigest() != wanted:
        raise Invalid(f"Part {number} is not what was sent.", code="digest_mismatch", hint="Send it again.")


def finished(upload: str) -> tuple[str, int] | None:
    """(sha256, size) of what the upload became, for an hour after its end: a repeated call gets the same answer."""
    with suppress(FileNotFoundError):
        sha256, size = json.loads(_place(upload, "done").read_text())
        return sha256, size
    return None


def finish(upload: str, sha256: str, size: int) -> None:
    """Remember what the upload became, and let its parts go."""
    written = _place(upload, f"done.{secrets.token_hex(8)}")
    written.write_text(json.dumps([sha256, size]))
    os.replace(written, _place(upload, "done"))
    forget(upload, but="done")


def forget(upload: str, *, but: str = "") -> None:
    """Let the parts go. Harmless when there are none."""
    kept = _place(upload, but)
    for place in blobs.staging().glob(f"parts-{upload}.*"):
        if place != kept:
            place.unlink(missing_ok=True)
