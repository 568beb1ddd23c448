"""Addresses of whole files that need no credential: to read one, in ranges and several at once, or to send one."""

from typing import Any

import msgspec

from studio.kernel import db, hot, uploads
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound
from studio.mlflow import places, signed, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.hot.artifacts import answer, shorn
from studio.mlflow.places import Kept, ModelPlace, Place, RunPlace

#: Seconds, unless the client says otherwise; MLflow's own.
READING, WRITING = 300, 900


class Asked(msgspec.Struct):
    run_id: str | None = None
    model_id: str | None = None
    path: str | None = None
    expiration: int | None = None


@door
async def upload_url(request: hot.Request, ws: str) -> hot.Response:
    """POST mlflow/artifacts/presigned-upload-url {run_id or model_id, path, expiration} → {presigned_url, headers}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Asked)
    place, inside = _place(ws, asked, actor)
    await db.run(place.may_write)
    claims = await _claims(asked, inside, actor)
    seconds = _seconds(asked.expiration, WRITING)
    return hot.json({"presigned_url": signed.address(request, ws, "signed", claims, use=signed.WRITE, seconds=seconds)})


@door
async def download_url(request: hot.Request, ws: str) -> hot.Response:
    """POST mlflow/artifacts/presigned-download-url {run_id or model_id, path} → {presigned_url, headers, file_size}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Asked)
    place, inside = _place(ws, asked, actor)
    found = await db.run(place.file, inside)
    claims = {**await _claims(asked, inside, actor), "sha256": found.sha256}
    seconds = _seconds(asked.expiration, READING)
    url = signed.address(request, ws, "signed", claims, use=signed.READ, seconds=seconds)
    return hot.json({"presigned_url": url, "headers": {}, "file_size": found.size})


@door
async def download_url_of_path(request: hot.Request, ws: str, path: str) -> hot.Response:
    """GET mlflow-artifacts/presigned/<path> → {url, headers, file_size}"""
    actor = await actor_of(request)
    where = shorn(path)
    place, inside = places.resolve(ws, where, actor=actor)
    found = await db.run(place.file, places.clean(inside))
    claims = {"path": where, "by": await db.run(signed.maker, actor), "sha256": found.sha256}
    url = signed.address(request, ws, "signed", claims, use=signed.READ, seconds=READING)
    return hot.json({"url": url, "headers": {}, "file_size": found.size})


@door
async def get(request: hot.Request, ws: str, sealed: str) -> hot.Response:
    """GET and HEAD signed/<sealed>, without a credential → the bytes, or one range of them"""
    claims = signed.opened(sealed, ws, use=signed.READ)

    def look() -> Kept:
        place, inside = _again(request, ws, claims)
        found = place.file(inside)
        if found.sha256 != claims["sha256"]:
            raise NotFound("The file was replaced since this address was made.", hint="Ask for a new one.")
        return found

    return answer(request, await db.run(look))


@door
async def put(request: hot.Request, ws: str, sealed: str) -> hot.Response:
    """PUT signed/<sealed>, the bytes as body, without a credential → their ETag"""
    claims = signed.opened(sealed, ws, use=signed.WRITE)

    def look() -> int:
        place, _ = _again(request, ws, claims)
        return place.may_write()

    sha256, size = await uploads.take(request, workspace_id=await db.run(look))

    def keep() -> None:
        place, inside = _again(request, ws, claims)
        place.add(inside, sha256, size)

    await db.run(keep)
    return hot.json({}, headers={"ETag": f'"{sha256}"'})


def _place(ws: str, asked: Asked, actor: Actor) -> tuple[Place, str]:
    if bool(asked.run_id) == bool(asked.model_id):
        raise Invalid("Exactly one of run_id and model_id must be provided.")
    inside = places.clean(wire.needed(asked.path, "path"))
    return _of(ws, asked.run_id or "", asked.model_id or "", actor), inside


def _of(ws: str, run_id: str, model_id: str, actor: Actor) -> Place:
    return RunPlace(ws, run_id, actor=actor) if run_id else ModelPlace(ws, model_id, actor=actor)


async def _claims(asked: Asked, inside: str, actor: Actor) -> dict[str, Any]:
    by = await db.run(signed.maker, actor)
    return {"run": asked.run_id or "", "model": asked.model_id or "", "inside": inside, "by": by}


def _again(request: hot.Request, ws: str, claims: dict[str, Any]) -> tuple[Place, str]:
    """The place and path of an address, for who made it, with the rights that he has now."""
    actor = signed.actor_again(claims["by"], request)
    if "path" in claims:
        return places.resolve(ws, claims["path"], actor=actor)
    return _of(ws, claims["run"], claims["model"], actor), claims["inside"]


def _seconds(asked: int | None, usual: int) -> int:
    seconds = usual if asked is None else asked
    if not 1 <= seconds <= signed.LONGEST:
        raise Invalid(f"expiration must be between 1 and {signed.LONGEST} seconds (got {seconds}).")
    return seconds
