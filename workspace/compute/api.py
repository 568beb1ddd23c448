"""workspaces/<ws>/compute."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, once, page_limit, parse
from workspace.compute import pages, queries, services, sizes
from workspace.compute.shapes import HappeningOut, TargetOut, target_in_full


class TargetIn(serializers.Serializer):
    name = serializers.CharField()
    kind = serializers.CharField()
    description = serializers.CharField(default="", allow_blank=True)
    settings = serializers.DictField(default=dict)
    tags = serializers.DictField(default=dict)
    owner = serializers.CharField(default="", allow_blank=True)


class TargetPatch(serializers.Serializer):
    description = serializers.CharField(required=False, allow_blank=True)
    settings = serializers.DictField(required=False)
    tags = serializers.DictField(required=False)
    owner = serializers.CharField(required=False)


class NodePatch(serializers.Serializer):
    draining = serializers.BooleanField()


class Targets(APIView):
    def get(self, request: Request, ws: str) -> Response:
        found = queries.list_targets(ws, actor=actor_of(request))
        return Response({"targets": TargetOut(found, many=True).data})

    def post(self, request: Request, ws: str) -> Response:
        given, actor = parse(TargetIn, request.data), actor_of(request)

        def make() -> tuple[dict[str, Any], int]:
            made = services.open_target(ws, actor=actor, **given)
            return _shown(ws, made.name, request), 201

        return once(request, make)


def _shown(ws: str, name: str, request: Request) -> dict[str, Any]:
    actor = actor_of(request)
    target = queries.get_target(ws, name, actor=actor)
    return target_in_full(target, list(queries.list_nodes(ws, name, actor=actor)))


class TargetDetail(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        return Response(_shown(ws, name, request))

    def patch(self, request: Request, ws: str, name: str) -> Response:
        services.change_target(ws, name, actor=actor_of(request), **parse(TargetPatch, request.data))
        return Response(_shown(ws, name, request))

    def delete(self, request: Request, ws: str, name: str) -> Response:
        services.delete_target(ws, name, actor=actor_of(request))
        return Response(status=204)


class Sizes(APIView):
    """What a node may be here: the names that `vm_size` takes."""

    def get(self, request: Request, ws: str) -> Response:
        queries.require_read(ws, actor=actor_of(request))
        return Response({"sizes": sizes.sizes()})


class Happenings(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        found = queries.list_happenings(ws, name, actor=actor_of(request), limit=page_limit(request, default=50))
        return Response({"happenings": HappeningOut(found, many=True).data})


class InstanceVerb(APIView):
    """start, stop, restart, keep. Each may be repeated."""

    work: Callable[..., Any]

    def post(self, request: Request, ws: str, name: str) -> Response:
        type(self).work(ws, name, actor=actor_of(request))
        return Response(_shown(ws, name, request))


class Start(InstanceVerb):
    work = staticmethod(services.start_instance)


class Stop(InstanceVerb):
    work = staticmethod(services.stop_instance)


class Restart(InstanceVerb):
    work = staticmethod(services.restart_instance)


class Keep(InstanceVerb):
    work = staticmethod(services.keep_instance)


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


class NodeShelf(APIView):
    """What the node keeps of environments, each with the versions of the workspace that it is for."""

    def get(self, request: Request, ws: str, name: str, node: str) -> Response:
        actor = actor_of(request)
        return Response(pages.shelf_of(queries.get_node(ws, name, node, actor=actor), actor=actor))


class NodeShelfItem(APIView):
    def delete(self, request: Request, ws: str, name: str, node: str, digest: str) -> Response:
        """Begins it: the environment is gone from the list when the node says so."""
        found = services.evict_environment(ws, name, node, digest, actor=actor_of(request))
        return Response({**found, "leaving": True}, status=202)


class NodeDetail(APIView):
    def patch(self, request: Request, ws: str, name: str, node: str) -> Response:
        """{draining: true} gives it nothing new, false takes that back."""
        told = parse(NodePatch, request.data)
        services.drain_node(ws, name, node, actor=actor_of(request), draining=told["draining"])
        return Response(status=204)

    def delete(self, request: Request, ws: str, name: str, node: str) -> Response:
        services.remove_node(ws, name, node, actor=actor_of(request))
        return Response(status=204)
