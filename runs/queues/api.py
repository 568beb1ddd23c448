"""workspaces/<ws>/compute/<name>/queue, and what changes a run's place in it."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import queries, services
from runs.queues.queries import queue_of
from studio.kernel.api import actor_of, parse


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
