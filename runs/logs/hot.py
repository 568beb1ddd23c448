"""The raw door of logs: pieces in; bytes, lines and what was searched for out."""

import asyncio
import base64
import hashlib
import re

import msgspec

from runs.lines import asked
from runs.lines.searching import TURNS
from runs.logs import lines, marks, merging, queries, searching, services, sifting
from runs.logs.pieces import parse_range
from studio.kernel import db, hot
from studio.kernel.errors import Conflict, Invalid, Malformed, RangeGap
from zaffre.protocol import (
    DESIRED_HEADER,
    LOG_COMPLETE_HEADER,
    LOG_ELIDED_HEADER,
    LOG_HEAD_HEADER,
    LOG_LENGTH_HEADER,
    LOG_MARKS_HEADER,
    LOG_OFFSET_HEADER,
    LOG_SKIP_HEADER,
    MAX_LOG_CHUNK,
    NEXT_IN_HEADER,
    RUN_STATUS_HEADER,
    SHA256_PATTERN,
)

ATTEMPT_HEADER = "X-Log-Attempt"
#: What a log says beyond its beginning will mostly be left out: its sender need not hurry.
NEXT_IN = "0.1"


class _Complete(msgspec.Struct):
    length: int
    sha256: str


async def append_from_code(request: hot.Request, run: str) -> hot.Response:
    """PATCH /agent/v1/runs/<run>/log with the run's token."""
    return await _append(request, run, None)


async def append_from_user(request: hot.Request, ws: str, run: str) -> hot.Response:
    """PATCH /api/v1/workspaces/<ws>/runs/<run>/log: an interactive run, by its submitter."""
    return await _append(request, run, ws)


async def _append(request: hot.Request, run: str, workspace: str | None) -> hot.Response:
    actor = await request.actor()
    data = await request.body(limit=MAX_LOG_CHUNK)
    if not data:
        raise Invalid("The piece is empty.", hint="Send at least one byte.")
    try:
        start = parse_range(request.headers.get("content-range", ""), len(data))
    except ValueError as error:
        raise Malformed(f"{error}.", code="bad_range") from None
    _check_digest(request.headers.get("content-digest", ""), data)
    skip = request.headers.get(LOG_SKIP_HEADER.lower()) == "1"
    when = marks.parse(request.headers.get(LOG_MARKS_HEADER.lower(), ""), start)
    try:
        if workspace is None:
            line = services.append(run, actor=actor, start=start, data=data, skip=skip, marks=when)
        else:
            line = await db.run(
                services.append, run, actor=actor, start=start, data=data, skip=skip, marks=when, workspace=workspace
            )
        done = await asyncio.shield(asyncio.wrap_future(line))
    except (RangeGap, Conflict) as error:
        length = error.details.get("length")
        return hot.refused(error, _held(length) if isinstance(length, int) else {})
    headers = _held(done.length) | {DESIRED_HEADER: done.desired}
    if done.full:
        headers[NEXT_IN_HEADER] = NEXT_IN
    return hot.Response(202, b"", headers)


def _held(length: int) -> dict[str, str]:
    # `Range` cannot say "nothing", so the length is always there too.
    return {LOG_LENGTH_HEADER: str(length)} | ({"Range": f"0-{length - 1}"} if length else {})


def _check_digest(header: str, data: bytes) -> None:
    """RFC 9530's Content-Digest, when the sender gives one."""
    if not header:
        return
    match = re.search(r"sha-256=:([A-Za-z0-9+/=]+):", header)
    if not match:
        raise Invalid("Content-Digest is `sha-256=:<base64>:`.", code="bad_digest")
    if match[1] != base64.b64encode(hashlib.sha256(data).digest()).decode():
        raise Invalid("The piece was changed on the way: its digest differs.", code="digest_mismatch")


async def complete_from_code(request: hot.Request, run: str) -> hot.Response:
    """POST /agent/v1/runs/<run>/log/complete {length, sha256}"""
    return await _complete(request, run, None)


async def complete_from_user(request: hot.Request, ws: str, run: str) -> hot.Response:
    """POST /api/v1/workspaces/<ws>/runs/<run>/log/complete {length, sha256}"""
    return await _complete(request, run, ws)


async def _complete(request: hot.Request, run: str, workspace: str | None) -> hot.Response:
    actor = await request.actor()
    try:
        told = msgspec.json.decode(await request.body(limit=4096), type=_Complete)
    except msgspec.DecodeError as error:
        raise Invalid(f"The body is {{length, sha256}}: {error}") from None
    if told.length < 0 or not re.fullmatch(SHA256_PATTERN, told.sha256):
        raise Invalid("length is not negative, and sha256 is 64 lower-case hexadecimal digits.")
    whole = await db.run(
        services.complete, run, actor=actor, length=told.length, sha256=told.sha256, workspace=workspace
    )
    return hot.json({"complete": whole})


async def read(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/log?offset=&limit=&attempt= or ?tail=N

    Without a limit the log from `offset` to its end, with a line for what is left out of it. With one, X-Log-Offset
    says where the bytes begin: later than asked when those before are left out.
    """
    actor = await request.actor()
    limit, tail = request.number("limit", most=queries.MOST), request.number("tail")
    found = await db.run(
        queries.read_log,
        ws,
        run,
        actor=actor,
        offset=request.number("offset"),
        tail=tail,
        limit=limit,
        attempt=request.number("attempt", most=2**31 - 1),
    )
    headers = {
        LOG_OFFSET_HEADER: str(found.offset),
        LOG_LENGTH_HEADER: str(found.length),
        LOG_COMPLETE_HEADER: "1" if found.complete else "0",
        RUN_STATUS_HEADER: found.status,
        ATTEMPT_HEADER: str(found.attempt),
    }
    if found.elided:
        headers |= {LOG_ELIDED_HEADER: str(found.elided), LOG_HEAD_HEADER: str(found.head)}
    end = found.offset + len(found.data)
    body: hot.Body = found.data
    if limit is None and tail is None and found.log_id is not None and end < found.length:
        body = _whole(found.data, found.log_id, end, found.length)
    return hot.Response(200, body, headers, "text/plain; charset=utf-8")


async def _whole(first: bytes, log_id: int, start: int, end: int) -> "hot.AsyncIterator[bytes]":
    yield first
    async for piece in hot.pieces_in_thread(queries.pieces_of(log_id, start, end)):
        yield piece


async def read_lines(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/log/lines?line=&count=&attempt=: from a line on, or those at the end

    With stream=, since= or until= (ms since 1970) only those lines, and `before=` for the last ones before a line.
    """
    actor = await request.actor()
    wanted, attempt = asked.lines(request), request.number("attempt", most=2**31 - 1)
    line, count, sift = wanted.line, wanted.count, _sift(request)
    if not sift:
        found = await db.run(lines.read_lines, ws, run, actor=actor, line=line, count=count, attempt=attempt)
        return hot.json(found)
    before = request.number("before", least=1)
    kept = await TURNS.take(
        lambda: sifting.sift_lines(ws, run, sift, actor=actor, line=line, before=before, count=count, attempt=attempt)
    )
    return hot.json(kept)


def _sift(request: hot.Request) -> sifting.Sift:
    told = request.query.get("stream", [""])[-1]
    if told and told not in marks.STREAMS:
        raise Invalid(f"There is no stream {told[:20]!r}.", hint="It is out, err or other.", code="bad_stream")
    most = 2**53
    return sifting.Sift(marks.STREAMS.get(told), request.number("since", most=most), request.number("until", most=most))


async def search(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/log/search?q=&regex=1&case=1&line=&limit=&attempt=, or preset=error in place of q

    With stream=, since= or until= as for lines. `next` in the answer is the line to go on from.
    """
    actor = await request.actor()
    wanted, sift, attempt = await asked.search(request), _sift(request), request.number("attempt", most=2**31 - 1)
    async with asked.while_there(request) as stopped:
        found = await searching.search(ws, run, wanted, sift, actor=actor, attempt=attempt, stopped=stopped)
    return hot.json(asked.told(found))


async def read_merged(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/log/merged?after=&before=&only=&count=: the logs of a run and of those below it, by time"""
    actor = await request.actor()
    words = {name: request.query.get(name, [""])[-1] for name in ("after", "before", "only")}
    count = request.number("count", 500, least=1, most=merging.MOST_LINES) or 0
    return hot.json(await db.run(merging.read_merged, ws, run, actor=actor, count=count, **words))


async def search_merged(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/log/merged/search?q=&regex=1&case=1&only=&limit="""
    actor = await request.actor()
    wanted, only = await asked.search(request), request.query.get("only", [""])[-1]
    async with asked.while_there(request) as stopped:
        found, hits, sources = await TURNS.take(
            lambda: merging.search_merged(ws, run, wanted, actor=actor, only=only, stopped=stopped)
        )
    rows = [{"source": at, "line": hit.line, "text": hit.text, "start": hit.start, "end": hit.end} for at, hit in hits]
    return hot.json({"hits": rows, "count": found.count, "whole": found.whole, "sources": sources})
