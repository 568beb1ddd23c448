"""workspaces/<ws>/compute/<name>/queue, and what changes a run's place in it."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import queries, services
from runs.queues.queries import queue_of
from runs.queues.usage import usage_of
from studio.kernel.api import actor_of, parse
from workspace.quotas.services import set_quota


class PriorityIn(serializers.Serializer):
    priority = serializers.JSONField()


class Queue(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        return Response(queue_of(ws, name, actor=actor_of(request)))


class Priority(APIView):
    def put(self, request: Request, ws: str, run: str) -> Response:
        actor = actor_of(request)
        services.set_priority(ws, run, actor=actor, priority=parse(PriorityIn, request.data)["priority"])
        return Response(queries.run_in_full(queries.get_run(ws, run, actor=actor)))


class GiveUp(APIView):
    def post(self, request: Request, ws: str, run: str) -> Response:
        actor = actor_of(request)
        services.give_up_run(ws, run, actor=actor)
        return Response(queries.run_in_full(queries.get_run(ws, run, actor=actor)))


class QuotaIn(serializers.Serializer):
    scope = serializers.CharField(max_length=12)
    user = serializers.CharField(default="", allow_blank=True, max_length=150)
    runs = serializers.JSONField(default=None, allow_null=True)
    cpus = serializers.JSONField(default=None, allow_null=True)
    gpus = serializers.JSONField(default=None, allow_null=True)
    nodes = serializers.JSONField(default=None, allow_null=True)


class Quotas(APIView):
    """Limits beside what is used; a PUT sets all amounts of one limit, and those left out are not limited."""

    def get(self, request: Request, ws: str) -> Response:
        return Response(usage_of(ws, actor=actor_of(request)))

    def put(self, request: Request, ws: str) -> Response:
        body = parse(QuotaIn, request.data)
        actor = actor_of(request)
        set_quota(ws, actor=actor, scope=body.pop("scope"), username=body.pop("user"), amounts=body)
        return Response(usage_of(ws, actor=actor))
