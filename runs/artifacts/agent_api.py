"""What running code says it left behind, after it sent the bytes."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.artifacts import services
from runs.artifacts.forms import MAX_BODY, ArtifactsIn
from studio.kernel.api import actor_of, json_body, parse


class Artifacts(APIView):
    def post(self, request: Request, run: str) -> Response:
        body = parse(ArtifactsIn, json_body(request, MAX_BODY))
        return Response({"added": services.add_artifacts(run, actor=actor_of(request), files=body["files"])})
