"""The raw doors of boards: what people see through them, and the files that their nodes fetch."""

from runs.tensorboards import exporting, proxy, queries, services, tickets
from studio.kernel import blobs, db, hot, zipping
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, Unauthenticated


async def look(request: hot.Request, ws: str, board: str, ticket: str, rest: str = "") -> hot.Response:
    """/tb/<ws>/<board>/<ticket>/…: TensorBoard itself, for whoever may open it, asked at every request."""
    actor = await _viewer(request, board, ticket)
    socket = await db.run(lambda: services.use(ws, board, actor=actor))
    if request.method == "OPTIONS":
        return proxy.preflight()
    if request.method not in proxy.METHODS:
        raise Invalid(f"TensorBoard is asked with {' or '.join(proxy.METHODS[:2])}.", code="bad_method")
    body = await request.body(limit=proxy.MOST_BODY) if request.method == "POST" else b""
    return await proxy.carry(
        socket,
        method=request.method,
        path=f"/{rest}",
        query=bytes(request.scope.get("query_string", b"")),
        headers=request.headers,
        body=body,
    )


async def _viewer(request: hot.Request, board: str, ticket: str) -> Actor:
    if ticket == tickets.BEARER:
        # A token alone: a cookie here would let any page of another site look through.
        if "authorization" not in request.headers:
            raise Unauthenticated("Send a token in the Authorization header.")
        return await request.actor(browser_may_write=True)
    address = (request.scope.get("client") or ("",))[0] or ""
    return await db.run(lambda: tickets.actor_of(board, ticket, address=address))


async def written(request: hot.Request, ws: str, run: str) -> hot.Response:
    """GET …/runs/<run>/tfevents → the numbers that the run logged as an event file in a zip, made while it is sent"""
    actor = await request.actor()
    return zipping.answer(await db.run(lambda: exporting.pack(ws, run, actor=actor)))


async def files(request: hot.Request, board: str) -> hot.Response:
    """GET /agent/v1/boards/<board>/files → {files, left_out, growing}"""
    actor = await request.actor()
    found = await db.run(lambda: queries.files_of(board, actor=actor))
    return hot.json({"files": found.files, "left_out": found.left_out, "growing": found.growing})


async def get_blob(request: hot.Request, board: str, sha256: str) -> hot.Response:
    """GET /agent/v1/boards/<board>/blobs/<sha256>?start=N: an event file, from its N-th byte on"""
    actor = await request.actor()
    size = await db.run(lambda: queries.blob_size(board, sha256, actor=actor))
    start = request.number("start", 0, most=size) or 0
    pieces = blobs.read_part(sha256, start, size) if start else blobs.read(sha256)
    headers = {"Content-Length": str(size - start)}
    return hot.Response(200, hot.pieces_in_thread(pieces), headers, "application/octet-stream")
