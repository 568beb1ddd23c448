"""Taking the body of a request into the store of blobs, the same for every door."""

import asyncio

from studio.kernel import blobs, db, hot

#: Bytes gathered before they are hashed and written in a thread: fewer hand-overs, same memory for any size.
PIECE = 1024 * 1024


async def take(request: hot.Request, *, workspace_id: int, expected: str | None = None) -> tuple[str, int]:
    """Stream the body into the store; return (sha256, size). Raises Invalid `digest_mismatch`, TooLarge, Gone.

    It is there wholly or not at all: what was staged is removed, also when the sender goes away.
    """
    incoming = await asyncio.to_thread(blobs.Incoming)
    # One piece is hashed and written while the next one comes.
    writing: asyncio.Future[None] | None = None
    try:
        held: list[bytes] = []
        size = 0
        async for piece in request.stream(limit=blobs.MAX_BLOB):
            held.append(piece)
            size += len(piece)
            if size >= PIECE:
                if writing:
                    await writing
                writing = asyncio.ensure_future(asyncio.to_thread(_write, incoming, held))
                held, size = [], 0
        if writing:
            await writing
        if held:
            await asyncio.to_thread(_write, incoming, held)
        return await db.run(incoming.keep, workspace_id=workspace_id, expected=expected)
    finally:
        if writing:
            await asyncio.wait([writing])
        await asyncio.to_thread(incoming.__exit__)


def _write(incoming: blobs.Incoming, pieces: list[bytes]) -> None:
    incoming.write(b"".join(pieces))
