"""…/mlflow-artifacts/mpu/{create,complete,abort}/<folder>, and the address of one part.

The client sends the parts without its credential, to addresses that are good for one part of one upload. It does not
say how large the file is, so parts are staged one by one (`studio/kernel/parts.py`) and joined at the end.
"""

import asyncio
import re
from typing import Any, NamedTuple

import msgspec

from studio.kernel import addresses, db, hot, parts
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, Invalid, TooLarge
from studio.kernel.ids import ulid
from studio.mlflow import places, signed, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.places import Place

#: A list of all parts with their addresses.
MOST_JSON = 16 * 1024 * 1024


class Create(msgspec.Struct):
    path: str | None = None
    num_parts: int | None = None


class Part(msgspec.Struct):
    part_number: int | None = None
    etag: str | None = None


class Complete(msgspec.Struct):
    path: str | None = None
    upload_id: str | None = None
    parts: list[Part] | None = None


class _Begun(NamedTuple):
    """An upload that this actor began for this path."""

    id: str
    place: Place
    inside: str
    parts: int


@door
async def create(request: hot.Request, ws: str, path: str) -> hot.Response:
    """POST mpu/create/<folder> {path, num_parts} → {upload_id, credentials}: an address for each part"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Create)
    count = 1 if asked.num_parts is None else asked.num_parts
    if count < 1:
        raise Invalid(f"Invalid value {count} for parameter 'num_parts' supplied: it is 1 to {parts.MOST_PARTS}.")
    if count > parts.MOST_PARTS:
        raise TooLarge(f"The file has {count} parts, and {parts.MOST_PARTS} are the most.")
    where = _path(path, wire.needed(asked.path, "path"))
    place, inside = places.resolve(ws, where, actor=actor)
    places.clean(inside)
    workspace_id = await db.run(place.may_write)
    made_by = await db.run(signed.maker, actor)
    upload = ulid()
    root = where.removesuffix(inside)
    of = {"run or model": f"{workspace_id} {root}", "caller": _who(actor), "workspace": str(workspace_id)}
    await asyncio.to_thread(parts.begin, upload, of)
    claims = {"id": upload, "path": where, "by": made_by}

    def make() -> list[dict[str, Any]]:
        return [{"url": url(number), "part_number": number, "headers": {}} for number in range(1, count + 1)]

    def url(number: int) -> str:
        one = {**claims, "number": number}
        return signed.address(request, ws, "parts", one, use=signed.PART, seconds=signed.UPLOADING)

    # The same for whoever completes it: only the studio can name an upload, and the part of a path that it is for.
    told = {"id": upload, "path": where, "ws": ws, "who": _who(actor), "count": count}
    upload_id = addresses.seal_claims(told, use=signed.UPLOAD, seconds=signed.UPLOADING)
    return hot.json({"upload_id": upload_id, "credentials": await asyncio.to_thread(make)})


@door
async def put_part(request: hot.Request, ws: str, sealed: str) -> hot.Response:
    """PUT parts/<sealed>, the part as body, without a credential → its ETag"""
    claims = signed.opened(sealed, ws, use=signed.PART)

    def look() -> None:
        place, _ = places.resolve(ws, claims["path"], actor=signed.actor_again(claims["by"], request))
        place.may_write()

    await db.run(look)
    sha256 = await parts.take(request, claims["id"], claims["number"])
    return hot.json({}, headers={"ETag": f'"{sha256}"'})


@door
async def complete(request: hot.Request, ws: str, path: str) -> hot.Response:
    """POST mpu/complete/<folder> {path, upload_id, parts} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Complete, limit=MOST_JSON)
    begun = _begun(ws, path, asked, actor)
    etags = _etags(wire.needed(asked.parts, "parts"), begun.parts)

    def work() -> None:
        workspace_id = begun.place.may_write()
        sha256, size = parts.join(begun.id, etags, workspace_id=workspace_id)
        if not parts.finished(begun.id):
            begun.place.add(begun.inside, sha256, size)
            parts.finish(begun.id, sha256, size)

    await db.run(work)
    return hot.json({})


@door
async def abort(request: hot.Request, ws: str, path: str) -> hot.Response:
    """POST mpu/abort/<folder> {path, upload_id} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Complete, limit=MOST_JSON)
    begun = _begun(ws, path, asked, actor)
    await asyncio.to_thread(parts.forget, begun.id, but="done")
    return hot.json({})


def _begun(ws: str, path: str, asked: Complete, actor: Actor) -> _Begun:
    """Raises Forbidden for an upload of another person, path or workspace."""
    claims = signed.opened(wire.needed(asked.upload_id, "upload_id"), ws, use=signed.UPLOAD)
    where = _path(path, wire.needed(asked.path, "path"))
    if claims["path"] != where or claims["who"] != _who(actor):
        raise Forbidden("This upload is of another file, or somebody else's.", code="bad_address")
    place, inside = places.resolve(ws, where, actor=actor)
    return _Begun(claims["id"], place, inside, claims["count"])


def _path(folder: str, file: str) -> str:
    """Where the file goes: the client tells its own path of the file, and the last part is its name."""
    name = re.split(r"[/\\]", file)[-1]
    return places.clean(f"{folder.rstrip('/')}/{name}")


def _who(actor: Actor) -> str:
    return f"run {actor.run_id} {actor.attempt}" if actor.kind == "run" else f"{actor.kind} {actor.user_id}"


def _etags(given: list[Part], count: int) -> list[str]:
    """The parts' SHA-256 in order. Raises Invalid unless each of the parts is told once."""
    told: dict[int, str] = {}
    for part in given:
        number = wire.needed(part.part_number, "parts.part_number")
        if number in told or not 1 <= number <= count:
            raise Invalid(f"Invalid value {number} for parameter 'parts.part_number': the parts are 1 to {count}.")
        told[number] = wire.needed(part.etag, "parts.etag").strip('"')
    for number in range(1, count + 1):
        if number not in told:
            raise Invalid(f"Part {number} of {count} is not told.", code="parts_missing")
    return [told[number] for number in range(1, count + 1)]
