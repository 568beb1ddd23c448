"""workspaces/<ws>/bin, and deleting, restoring and archiving runs."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import services
from runs.bin import queries
from runs.queries import get_run, run_out
from studio.kernel.api import actor_of, parse
from studio.kernel.errors import Invalid


class RunsIn(serializers.Serializer):
    runs = serializers.ListField(child=serializers.CharField(max_length=64), min_length=1, max_length=1000)
    archived = serializers.BooleanField(default=True)


class ArchiveIn(serializers.Serializer):
    archived = serializers.BooleanField(default=True)


class Bin(APIView):
    """What was deleted and can be restored: {runs, count}, a hundred of them, ?page= for more; ?filter= as for runs."""

    def get(self, request: Request, ws: str) -> Response:
        word = request.query_params.get("page", "1")
        if not (word.isascii() and word.isdigit() and 0 < len(word) < 7):
            raise Invalid(_("page is a number from 1."), field="page")
        wanted = request.query_params.get("filter", "").replace("\0", "")
        entries = queries.list_bin(ws, actor=actor_of(request), page=int(word), filter=wanted)
        count = queries.count_bin(ws, actor=actor_of(request), filter=wanted)
        return Response({"runs": [_out(one) for one in entries], "count": count})


def _out(one: queries.Binned) -> dict[str, Any]:
    return {
        "id": one.run.pk,
        "name": one.run.name,
        "experiment": one.run.experiment.name,
        "status": one.run.status,
        "deleted": one.run.deleted,
        "deleted_by": one.run.deleted_by.shown_name if one.run.deleted_by else None,
        "left_seconds": round(one.left),
        "freed": one.freed.out(),
    }


class Freed(APIView):
    """GET runs/<run>/freed: what the deletion of a run, with all below it, frees."""

    def get(self, request: Request, ws: str, run: str) -> Response:
        found = get_run(ws, run, actor=actor_of(request), deleted=True)
        freed = queries.freed(ws, [run], actor=actor_of(request))
        return Response({**freed.out(), "deleted": found.deleted})


class Restore(APIView):
    def post(self, request: Request, ws: str, run: str) -> Response:
        services.restore_run(ws, run, actor=actor_of(request))
        return Response(run_out(get_run(ws, run, actor=actor_of(request))))


class Archive(APIView):
    """POST runs/<run>/archive {archived?: true}"""

    def post(self, request: Request, ws: str, run: str) -> Response:
        archived = parse(ArchiveIn, request.data)["archived"]
        services.archive_run(ws, run, actor=actor_of(request), archived=archived)
        return Response(run_out(get_run(ws, run, actor=actor_of(request))))


class DeleteMany(APIView):
    """POST runs/delete {runs} → {done, refused}: what can go goes."""

    def post(self, request: Request, ws: str) -> Response:
        runs = parse(RunsIn, request.data)["runs"]
        return Response(_done(services.delete_runs(ws, runs, actor=actor_of(request))))


class ArchiveMany(APIView):
    """POST runs/archive {runs, archived?: true} → {done, refused}"""

    def post(self, request: Request, ws: str) -> Response:
        body = parse(RunsIn, request.data)
        done = services.archive_runs(ws, body["runs"], actor=actor_of(request), archived=body["archived"])
        return Response(_done(done))


def _done(done: services.Done) -> dict[str, Any]:
    refused = [
        {"id": one.id, "name": one.name, "code": one.error.code, "message": one.error.message, "hint": one.error.hint}
        for one in done.refused
    ]
    return {"done": done.runs, "rows": done.rows, "refused": refused}
