"""The raw door of files: what a run leaves, uploads in parts, and reading, for people and for running code."""

import base64
import hashlib
import re
from typing import Any

import msgspec
from django.utils.http import content_disposition_header

from runs.artifacts import previews, queries, services, texts, uploading, zips
from runs.artifacts.forms import MAX_BODY
from runs.lines import asked as asking
from studio.kernel import blobs, db, hot, packing, zipping
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid
from zaffre.protocol import UPLOAD_PART_BYTES


class _Asked(msgspec.Struct):
    size: int
    path: str = ""
    sha256: str = ""


class _Files(msgspec.Struct):
    # Entries are judged by kernel.manifests.
    files: list[dict[str, Any]]


async def add(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/artifacts {files: [{path, sha256}, …]}, whose bytes were sent before → {added}"""
    actor = await request.actor()
    told = await request.decoded(_Files, "{files: [{path, sha256}, …]}", limit=MAX_BODY)
    return hot.json({"added": await db.run(services.add_artifacts, run, actor=actor, files=told.files)})


async def begin(request: hot.Request, run: str, ws: str | None = None) -> hot.Response:
    """POST …/uploads {size, path?, sha256?} → {id, part_size, parts}"""
    actor = await request.actor()
    try:
        asked = msgspec.json.decode(await request.body(limit=16_384), type=_Asked)
    except msgspec.DecodeError as error:
        raise Invalid(f"The body is {{size, path?, sha256?}}: {error}") from None
    told = asked.size, asked.path, asked.sha256
    made = await db.run(lambda: _begin(run, *told, actor=actor, workspace=ws))
    count = uploading.count_of(made.size, made.part_size)
    return hot.json({"id": made.pk, "part_size": made.part_size, "parts": count}, 201)


def _begin(run: str, size: int, path: str, sha256: str, *, actor: Actor, workspace: str | None) -> uploading.Upload:
    return uploading.begin_upload(run, actor=actor, size=size, path=path, sha256=sha256, workspace=workspace)


async def put(request: hot.Request, run: str, upload: str, number: str, ws: str | None = None) -> hot.Response:
    """PUT …/uploads/<upload>/<number>, the part as body, with its Content-Digest"""
    actor = await request.actor()
    found = await db.run(uploading.get_upload, run, upload, actor=actor, workspace=ws)
    data = await request.body(limit=UPLOAD_PART_BYTES)
    check_digest(request.headers.get("content-digest", ""), data)
    kept = await db.run(uploading.keep_part, found, whole_number(number), data, actor=actor)
    return hot.json({"sha256": kept})


async def get(request: hot.Request, run: str, upload: str, ws: str | None = None) -> hot.Response:
    """GET …/uploads/<upload> → which parts are held"""
    actor = await request.actor()

    def look() -> dict[str, Any]:
        found = uploading.get_upload(run, upload, actor=actor, workspace=ws)
        held = uploading.held_parts(found, actor=actor)
        return {"id": found.pk, "size": found.size, "part_size": found.part_size, "held": held, "path": found.path}

    return hot.json(await db.run(look))


async def complete(request: hot.Request, run: str, upload: str, ws: str | None = None) -> hot.Response:
    """POST …/uploads/<upload>/complete → {sha256, size}"""
    actor = await request.actor()
    await request.body(limit=16_384)
    done = await db.run(_complete, run, upload, actor, ws)
    return hot.json({"sha256": done.sha256, "size": done.size})


def _complete(run: str, upload: str, actor: Actor, ws: str | None) -> uploading.Done:
    found = uploading.get_upload(run, upload, actor=actor, workspace=ws)
    return uploading.complete_upload(found, actor=actor, workspace=ws)


async def abort(request: hot.Request, run: str, upload: str, ws: str | None = None) -> hot.Response:
    """DELETE …/uploads/<upload>"""
    actor = await request.actor()

    def work() -> None:
        uploading.abort_upload(uploading.get_upload(run, upload, actor=actor, workspace=ws), actor=actor)

    await db.run(work)
    return hot.Response(204)


async def pack(request: hot.Request, ws: str, run: str) -> hot.Response:
    """POST /api/v1/workspaces/<ws>/runs/<run>/artifacts/pack {files: [path, …]} → a pack"""
    actor = await request.actor(browser_may_write=True)
    return await packing.give(request, lambda paths: queries.get_artifacts(ws, run, paths, actor=actor))


async def zip_folder(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/zip?folder= → all files below a folder as one zip, made while it is sent"""
    actor = await request.actor()
    folder = request.query.get("folder", [""])[-1]
    return zipping.answer(await db.run(zips.pack, ws, run, folder, actor=actor))


async def read_lines(request: hot.Request, ws: str, run: str, path: str) -> hot.Response:
    """GET …/runs/<run>/text/lines/<path>?line=&count=: lines of a file from one on, or those at the end

    {counting: {done, size}} while the lines of a large file are counted: ask again.
    """
    actor = await request.actor()
    return hot.json(await texts.read_lines(ws, run, path, asking.lines(request), actor=actor))


async def search(request: hot.Request, ws: str, run: str, path: str) -> hot.Response:
    """GET …/runs/<run>/text/search/<path>?q=&regex=1&case=1&line=&limit=, as for a log"""
    actor = await request.actor()
    wanted = await asking.search(request)
    async with asking.while_there(request) as stopped:
        found = await texts.search(ws, run, path, wanted, actor=actor, stopped=stopped)
    return hot.json(asking.told(found))


async def preview(request: hot.Request, sealed: str) -> hot.Response:
    """GET /content/<sealed> → a file that a frame shows, in a world of its own: no cookies, no network, no way out"""
    sender = (request.scope.get("client") or ("",))[0] or ""
    shown = await db.run(previews.open_address, sealed, address=sender)
    headers = {
        "Content-Security-Policy": shown.policy,
        "Content-Disposition": content_disposition_header(False, shown.name) or "inline",
        "Content-Length": str(shown.size),
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-site",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
    return hot.Response(200, hot.pieces_in_thread(blobs.read(shown.sha256)), headers, shown.kind)


def whole_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise Invalid(f"A part has a number, not {text[:20]!r}.", code="bad_part")
    return int(text)


def check_digest(header: str, data: bytes) -> None:
    """RFC 9530's Content-Digest, when the sender gives one."""
    match = re.search(r"sha-256=:([A-Za-z0-9+/=]+):", header)
    if header and not match:
        raise Invalid("Content-Digest is `sha-256=:<base64>:`.", code="bad_digest")
    if match and match[1] != base64.b64encode(hashlib.sha256(data).digest()).decode():
        raise Invalid("The part was changed on the way: its digest differs.", code="digest_mismatch")
