"""workspaces/<ws>/environments."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, once, parse
from workspace.environments import queries, services
from workspace.environments.models import EnvironmentVersion


class EnvironmentIn(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField(default="", allow_blank=True)
    spec = serializers.DictField()


class EnvironmentOut(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()
    curated = serializers.BooleanField()
    version = serializers.IntegerField(source="latest")
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)


class VersionOut(serializers.Serializer):
    name = serializers.CharField(source="environment.name")
    version = serializers.IntegerField()
    spec = serializers.JSONField()
    digest = serializers.CharField()
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)


class Environments(APIView):
    def get(self, request: Request, ws: str) -> Response:
        found = queries.list_environments(ws, actor=actor_of(request))
        return Response({"environments": EnvironmentOut(found, many=True).data})

    def post(self, request: Request, ws: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            version = services.register_environment(ws, actor=actor_of(request), **parse(EnvironmentIn, request.data))
            return {**_shown(version), "unchanged": version.unchanged}, 200 if version.unchanged else 201

        return once(request, make)


class EnvironmentDetail(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        actor = actor_of(request)
        environment = queries.get_environment(ws, name, actor=actor)
        versions = queries.list_versions(ws, name, actor=actor)
        return Response(
            {**EnvironmentOut(environment).data, "versions": VersionOut(versions, many=True).data},
        )


class VersionDetail(APIView):
    def get(self, request: Request, ws: str, name: str, version: int) -> Response:
        return Response(_shown(queries.get_version(ws, name, version, actor=actor_of(request))))


def _shown(version: EnvironmentVersion) -> dict[str, Any]:
    return dict(VersionOut(version).data)
