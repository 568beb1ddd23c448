"""workspaces/<ws>/environments."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, once, parse
from studio.kernel.errors import Invalid, NotFound
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


class BuildIn(serializers.Serializer):
    version = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1)
    target = serializers.CharField(default="", allow_blank=True)
    again = serializers.BooleanField(default=False)


class BuildOut(serializers.Serializer):
    id = serializers.CharField()
    version = serializers.IntegerField(source="version.version")
    status = serializers.CharField()
    target = serializers.CharField(source="target.name", default=None)
    node = serializers.CharField(source="node_name")
    run = serializers.CharField()
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)
    started = serializers.DateTimeField()
    ended = serializers.DateTimeField()
    seconds = serializers.FloatField()
    size = serializers.IntegerField()
    packages = serializers.IntegerField()
    python = serializers.CharField()
    digest = serializers.CharField()
    reason = serializers.CharField()
    package = serializers.CharField()
    line = serializers.CharField()


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


class LockDetail(APIView):
    """What a version was resolved to, of its first Python; 404 before it was."""

    def get(self, request: Request, ws: str, name: str, version: int) -> Response:
        found = queries.get_version(ws, name, version, actor=actor_of(request))
        lock, packages = queries.packages_of(found)
        if lock is None:
            raise NotFound(
                _("%(name)s:%(version)s was not resolved yet.") % {"name": name, "version": version},
                hint=_("Build it, or submit a run that uses it."),
                code="no_lock",
            )
        parts = ("python", "platform", "sha256", "requirements", "node_name", "created")
        return Response({**{part: getattr(lock, part) for part in parts}, "packages": packages})


class Comparison(APIView):
    """?from=1&to=2: what was asked for and what was installed, before and after."""

    def get(self, request: Request, ws: str, name: str) -> Response:
        numbers = [request.query_params.get(word, "") for word in ("from", "to")]
        if not all(one.isascii() and one.isdigit() and len(one) < 9 for one in numbers):
            raise Invalid(_("Say which versions: ?from=1&to=2."), field="from")
        found = queries.compare(ws, name, int(numbers[0]), int(numbers[1]), actor=actor_of(request))
        shown = {"from": found["old"].version, "to": found["new"].version}
        return Response({**shown, "asked": found["asked"], "installed": found["installed"]})


class Builds(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        found = queries.list_builds(ws, name, actor=actor_of(request))[:100]
        return Response({"builds": BuildOut(found, many=True).data})

    def post(self, request: Request, ws: str, name: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            asked = parse(BuildIn, request.data)
            build, begun = services.start_build(ws, name, actor=actor_of(request), **asked)
            return dict(BuildOut(build).data), 201 if begun else 200

        return once(request, make)


class BuildDetail(APIView):
    def get(self, request: Request, ws: str, name: str, build: str) -> Response:
        found = queries.get_build(ws, build, actor=actor_of(request))
        return Response({**BuildOut(found).data, "log": found.log})


class BuildCancel(APIView):
    def post(self, request: Request, ws: str, name: str, build: str) -> Response:
        actor = actor_of(request)
        services.cancel_build(ws, build, actor=actor)
        return Response(BuildOut(queries.get_build(ws, build, actor=actor)).data)


def _shown(version: EnvironmentVersion) -> dict[str, Any]:
    locks = list(version.locks.order_by("pk").values("python", "platform", "sha256", "packages"))
    return {**VersionOut(version).data, "locks": locks}
