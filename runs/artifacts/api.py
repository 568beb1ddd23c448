"""workspaces/<ws>/runs/<run>/artifacts."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.artifacts import previews, queries, services
from runs.artifacts.forms import MAX_BODY, ArtifactsIn
from studio.kernel import blobs
from studio.kernel.api import actor_of, json_body, parse
from studio.kernel.downloads import Download, part_of

#: Entries of one answer.
MOST_OF_A_FOLDER = 1000


class Artifacts(APIView):
    def get(self, request: Request, ws: str, run: str) -> Response:
        prefix = request.query_params.get("prefix", "")
        found = queries.list_artifacts(ws, run, actor=actor_of(request), prefix=prefix)
        # Plain dictionaries: a serializer takes seconds for twenty thousand rows.
        shown = list(found.values("path", "sha256", "size", "created"))
        return Response({"artifacts": shown})

    def post(self, request: Request, ws: str, run: str) -> Response:
        body = parse(ArtifactsIn, json_body(request, MAX_BODY))
        added = services.add_artifacts(run, actor=actor_of(request), files=body["files"], workspace=ws)
        return Response({"added": added})


class ArtifactFile(APIView):
    """One file, or a part of it; as something to save with ?download=1."""

    def get(self, request: Request, ws: str, run: str, path: str) -> Download:
        found = queries.get_artifact(ws, run, path, actor=actor_of(request))
        part = part_of(request.headers.get("Range", ""), found.size)
        pieces = blobs.read(found.sha256) if part is None else blobs.read_part(found.sha256, *part)
        inline = request.query_params.get("download") != "1"
        return Download(pieces, path=found.path, size=found.size, sha256=found.sha256, inline=inline, part=part)


class Folder(APIView):
    """?path=&after= → what lies directly in a folder, by name, and whether there is more after the last of it"""

    def get(self, request: Request, ws: str, run: str) -> Response:
        path, after = (request.query_params.get(name, "") for name in ("path", "after"))
        found = queries.list_folder(
            ws, run, actor=actor_of(request), folder=path.strip("/"), after=after, most=MOST_OF_A_FOLDER + 1
        )
        shown = [
            {"name": one.name, "folder": one.is_folder, "size": one.size, "files": one.files}
            for one in found[:MOST_OF_A_FOLDER]
        ]
        return Response({"entries": shown, "more": len(found) > MOST_OF_A_FOLDER})


class Rows(APIView):
    """?start=&delimiter= → {rows, next, size, delimiter}: rows of a table of text, from a byte on"""

    def get(self, request: Request, ws: str, run: str, path: str) -> Response:
        start = request.query_params.get("start", "")
        page = previews.read_rows(
            ws,
            run,
            path,
            actor=actor_of(request),
            start=int(start) if start.isascii() and start.isdigit() and len(start) < 19 else 0,
            delimiter=request.query_params.get("delimiter", ""),
        )
        return Response(page)


class Rendered(APIView):
    """{html, cut}: a file in Markdown as a page may show it"""

    def get(self, request: Request, ws: str, run: str, path: str) -> Response:
        return Response(previews.rendered(ws, run, path, actor=actor_of(request)))


class Preview(APIView):
    """?scripts=1 → {url}: an address without rights of its own, for a frame that shows the file"""

    def get(self, request: Request, ws: str, run: str, path: str) -> Response:
        scripts = request.query_params.get("scripts") == "1"
        return Response({"url": previews.address_of(ws, run, path, actor=actor_of(request), scripts=scripts)})
