"""The door of nodes: what their replicas do, and which they should keep."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.endpoints import services
from studio.kernel.api import actor_of, parse


class SyncIn(serializers.Serializer):
    epoch = serializers.CharField(max_length=40)
    # Entries are judged by the service: what one replica says must not keep the others from being heard.
    replicas = serializers.ListField(child=serializers.DictField(), max_length=1000)


class Sync(APIView):
    def post(self, request: Request) -> Response:
        return Response({"replicas": services.sync_replicas(actor=actor_of(request), **parse(SyncIn, request.data))})
