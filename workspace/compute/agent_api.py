"""The door of machines that want to become nodes."""

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, json_body, parse
from workspace.compute import broker, services

#: A machine has little to say of itself.
MAX_BODY = 64 * 1024


class RegisterIn(serializers.Serializer):
    # Judged by the service, which keeps what it can of a strange name instead of refusing the machine.
    name = serializers.JSONField(required=False)
    facts = serializers.DictField(default=dict)


class DrainIn(serializers.Serializer):
    draining = serializers.BooleanField(default=True)


class Drain(APIView):
    """The node itself asks for nothing new, or takes that back: before its machine is switched off."""

    def post(self, request: Request) -> Response:
        body = parse(DrainIn, json_body(request, MAX_BODY))
        node = services.drain_self(actor=actor_of(request), draining=body["draining"])
        return Response({"node_id": node.pk, "draining": body["draining"]})


class Register(APIView):
    """With an enrolment's token; the answer holds the node's own, once."""

    def post(self, request: Request) -> Response:
        body = parse(RegisterIn, json_body(request, MAX_BODY))
        node, text = services.register_node(actor=actor_of(request), name=body.get("name"), facts=body["facts"])
        target = node.target
        shown = {
            "node_id": node.pk,
            "token": text,
            "workspace": target.workspace.slug,
            "target": target.name,
            "broker": {
                "url": broker.url_for(target),
                "prefix": broker.pool_prefix(target.pk),
                "queue": broker.QUEUE,
            },
            "settings": {
                "heartbeat": settings.HEARTBEAT_SECONDS,
                "lease": settings.LEASE_SECONDS,
                "grace": settings.GRACE_SECONDS,
                "recheck": settings.RECHECK_SECONDS,
            },
        }
        return Response(shown, status=201, headers={"Cache-Control": "no-store"})
