"""Many small files in one body, in and out: a thousand requests cost more than the bytes of a thousand small files."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from studio.kernel import blobs, db, hot
from studio.kernel.errors import Invalid
from zaffre.packs import pack, unpack
from zaffre.protocol import MAX_PACK_BYTES, MAX_PACK_FILES, PACK_BELOW

#: A thousand files below 64 kB would be 64 MB: whoever packs stays below this, with its first line.
MAX_BODY = MAX_PACK_BYTES + 256 * 1024
MAX_QUESTION = 4 * 1024 * 1024


class _Question(msgspec.Struct):
    files: list[str]


async def take(request: hot.Request, *, workspace_id: int) -> hot.Response:
    """Store the files of a pack, all or none. Raises Invalid `bad_pack`, `digest_mismatch`, TooLarge."""
    body = await request.body(limit=MAX_BODY)

    def keep() -> tuple[int, int]:
        try:
            files = unpack(body)
        except ValueError as error:
            raise Invalid(f"The body is no pack: {error}.", code="bad_pack") from None
        return len(files), blobs.put_many(files, workspace_id=workspace_id)

    count, size = await db.run(keep)
    return hot.json({"stored": count, "size": size})


async def give(request: hot.Request, find: Callable[[Sequence[str]], Mapping[str, tuple[str, int]]]) -> hot.Response:
    """Answer {files: [name, …]} with a pack of the first of them, as many as one holds; the caller asks for the rest.

    `find` returns (sha256, size) of each name, in a thread for the database, or raises for one that the caller may
    not read.
    """
    try:
        asked = msgspec.json.decode(await request.body(limit=MAX_QUESTION), type=_Question).files
    except msgspec.DecodeError as error:
        raise Invalid(f"The body is {{files: [name, …]}}: {error}") from None

    def gather() -> bytes:
        if not 0 < len(asked) <= MAX_PACK_FILES:
            raise Invalid(f"A pack holds 1 to {MAX_PACK_FILES} files, and these are {len(asked)}.")
        found, chosen, left = find(asked), [], MAX_PACK_BYTES
        for name in asked:
            sha256, size = found[name]
            if size >= PACK_BELOW:
                raise Invalid(f"{name[:200]!r} has {size} bytes, and a pack takes files below {PACK_BELOW}.")
            left -= size
            if left < 0:
                break
            chosen.append((sha256, blobs.read_small(sha256)))
        return pack(chosen)

    return hot.Response(200, await db.run(gather), {}, "application/octet-stream")
