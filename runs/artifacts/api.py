"""workspaces/<ws>/runs/<run>/artifacts."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.artifacts import queries, services
from runs.artifacts.forms import MAX_BODY, ArtifactsIn
from studio.kernel import blobs
from studio.kernel.api import actor_of, json_body, parse
from studio.kernel.downloads import Download


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
    def get(self, request: Request, ws: str, run: str, path: str) -> Download:
        found = queries.get_artifact(ws, run, path, actor=actor_of(request))
        return Download(blobs.read(found.sha256), path=found.path, size=found.size, sha256=found.sha256, inline=True)
