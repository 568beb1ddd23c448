"""workspaces/<ws>/logged-models."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.loggedmodels import queries
from studio.kernel import blobs
from studio.kernel.api import actor_of
from studio.kernel.downloads import Download
from studio.kernel.errors import Invalid


class LoggedModelOut(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.CharField()
    run = serializers.CharField(source="run_id", default=None)
    experiment = serializers.CharField(source="experiment.name")
    params = serializers.JSONField()
    tags = serializers.JSONField()
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)


class LoggedModels(APIView):
    def get(self, request: Request, ws: str) -> Response:
        run = request.query_params.get("run", "")
        if not run:
            raise Invalid("Name the run whose models they are: ?run=…", field="run")
        found = queries.of_run(ws, run, actor=actor_of(request))
        return Response({"logged_models": LoggedModelOut(found, many=True).data})


class LoggedModelDetail(APIView):
    def get(self, request: Request, ws: str, model: str) -> Response:
        actor = actor_of(request)
        found = queries.get_logged_model(ws, model, actor=actor)
        files = queries.list_files(ws, model, actor=actor)
        metrics = [_measured(one) for one in found.metrics.all()]
        shown: dict[str, Any] = {**LoggedModelOut(found).data, "metrics": metrics}
        return Response({**shown, "files": list(files.values("path", "sha256", "size"))})


def _measured(one: Any) -> dict[str, Any]:
    number = one.value if one.value == one.value and abs(one.value) != float("inf") else str(one.value)
    data = {"name": one.dataset_name, "digest": one.dataset_digest} if one.dataset_name else None
    return {"key": one.key, "value": number, "step": one.step, "time": one.time, "run": one.run_id, "dataset": data}


class LoggedModelFile(APIView):
    def get(self, request: Request, ws: str, model: str, path: str) -> Download:
        found = queries.get_file(ws, model, path, actor=actor_of(request))
        return Download(blobs.read(found.sha256), path=found.path, size=found.size, sha256=found.sha256)
