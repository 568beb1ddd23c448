"""workspaces/<ws>/compute."""

from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of
from workspace.compute import queries, services


class TargetOut(serializers.Serializer):
    name = serializers.CharField()
    kind = serializers.CharField()
    created = serializers.DateTimeField()
    nodes = serializers.IntegerField(source="present")
    online = serializers.IntegerField()
    slots = serializers.IntegerField()


class NodeOut(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    online = serializers.BooleanField()
    last_seen = serializers.DateTimeField()
    registered = serializers.DateTimeField()
    facts = serializers.JSONField()
    load = serializers.JSONField()
    slots = serializers.IntegerField()


class Targets(APIView):
    def get(self, request: Request, ws: str) -> Response:
        found = queries.list_targets(ws, actor=actor_of(request))
        return Response({"targets": TargetOut(found, many=True).data})


class TargetDetail(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        actor = actor_of(request)
        shown: dict[str, Any] = dict(TargetOut(queries.get_target(ws, name, actor=actor)).data)
        nodes = queries.list_nodes(ws, name, actor=actor)
        return Response({**shown, "nodes": NodeOut(nodes, many=True).data})


class Enrolments(APIView):
    def post(self, request: Request, ws: str, name: str) -> Response:
        """Never with an Idempotency-Key: the stored answer would hold the token."""
        enrolment, text = services.create_enrolment(ws, name, actor=actor_of(request))
        shown = {
            "id": enrolment.pk,
            "token": text,
            "expires": enrolment.expires,
            "command": f"zaffre node start --join {settings.PUBLIC_URL} {text}",
        }
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})


class EnrolmentDetail(APIView):
    def delete(self, request: Request, ws: str, name: str, enrolment: str) -> Response:
        services.revoke_enrolment(ws, name, enrolment, actor=actor_of(request))
        return Response(status=204)


class NodeDetail(APIView):
    def delete(self, request: Request, ws: str, name: str, node: str) -> Response:
        services.remove_node(ws, name, node, actor=actor_of(request))
        return Response(status=204)
