"""The door of nodes: how their boards do, and which they should keep."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.tensorboards import services
from studio.kernel.api import actor_of, parse


class SyncIn(serializers.Serializer):
    epoch = serializers.CharField(max_length=40)
    # Judged one by one, as replicas are.
    boards = serializers.ListField(child=serializers.DictField(), max_length=1000)


class Sync(APIView):
    def post(self, request: Request) -> Response:
        return Response({"boards": services.sync_boards(actor=actor_of(request), **parse(SyncIn, request.data))})
