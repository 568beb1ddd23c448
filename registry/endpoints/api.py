"""workspaces/<ws>/endpoints."""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.endpoints import queries, services
from studio.kernel.api import actor_of, once, parse

#: An answer with keys in it is for whoever asked, and for no cache.
SECRET = {"Cache-Control": "no-store"}


class EndpointIn(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField(default="", allow_blank=True, trim_whitespace=False)


class DeploymentIn(serializers.Serializer):
    model = serializers.CharField()
    snapshot = serializers.CharField()
    entry_script = serializers.CharField()
    environment = serializers.CharField()
    target = serializers.CharField(default="local")
    replicas = serializers.IntegerField(default=1)


class KeyIn(serializers.Serializer):
    which = serializers.CharField()


class Endpoints(APIView):
    def get(self, request: Request, ws: str) -> Response:
        found = queries.list_endpoints(ws, actor=actor_of(request))
        return Response({"endpoints": [queries.endpoint_out(one) for one in found]})

    def post(self, request: Request, ws: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            body = parse(EndpointIn, request.data)
            return queries.endpoint_out(services.create_endpoint(ws, actor=actor_of(request), **body)), 201

        return once(request, make)


class EndpointDetail(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        actor = actor_of(request)
        endpoint = queries.get_endpoint(ws, name, actor=actor)
        deployments = queries.list_deployments(ws, name, actor=actor)
        shown = [queries.deployment_out(one) for one in deployments]
        return Response({**queries.endpoint_out(endpoint), "deployments": shown})

    def delete(self, request: Request, ws: str, name: str) -> Response:
        services.delete_endpoint(ws, name, actor=actor_of(request))
        return Response(status=204)


class Deployments(APIView):
    def post(self, request: Request, ws: str, name: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            actor = actor_of(request)
            made = services.deploy(ws, name, actor=actor, **parse(DeploymentIn, request.data))
            found = queries.list_deployments(ws, name, actor=actor)
            return queries.deployment_out(next(one for one in found if one.pk == made.pk)), 201

        return once(request, make)


class Keys(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        return Response(asdict(services.show_keys(ws, name, actor=actor_of(request))), headers=SECRET)

    def post(self, request: Request, ws: str, name: str) -> Response:
        which = parse(KeyIn, request.data)["which"]
        keys = services.regenerate_key(ws, name, actor=actor_of(request), which=which)
        return Response(asdict(keys), headers=SECRET)
