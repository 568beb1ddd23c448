"""The door of nodes: what versions were resolved to, and how builds go."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, json_body, parse
from workspace.environments import queries, services
from workspace.environments.models import EnvironmentLock

#: A build's log is the most of it.
MAX_BODY = 1024 * 1024


class LockIn(serializers.Serializer):
    python = serializers.CharField(max_length=8)
    platform = serializers.CharField(max_length=40)
    requirements = serializers.CharField(allow_blank=True, trim_whitespace=False)


class Locks(APIView):
    """The first report counts; the answer is the lock that does."""

    def post(self, request: Request, version: int) -> Response:
        body = parse(LockIn, request.data)
        return Response(_shown(services.keep_lock(version, actor=actor_of(request), **body)))


class Lock(APIView):
    def get(self, request: Request, version: int, sha256: str) -> Response:
        return Response(_shown(queries.lock_for_node(version, sha256, actor=actor_of(request))))


class Builds(APIView):
    """A build that the node did because a run or an endpoint needed it."""

    def post(self, request: Request, version: int) -> Response:
        build = services.report_build(version, actor=actor_of(request), told=json_body(request, MAX_BODY))
        return Response({"id": build.pk}, status=201)


class SyncIn(serializers.Serializer):
    epoch = serializers.CharField(max_length=40)
    free = serializers.BooleanField(default=False)
    # Judged one by one, as boards are.
    builds = serializers.ListField(child=serializers.DictField(), max_length=100)


class Sync(APIView):
    """How the builds of a node go, and which it should work on."""

    def post(self, request: Request) -> Response:
        body = parse(SyncIn, json_body(request, MAX_BODY))
        return Response({"builds": services.sync_builds(actor=actor_of(request), **body)})


def _shown(lock: EnvironmentLock) -> dict[str, str]:
    return {
        "python": lock.python,
        "platform": lock.platform,
        "sha256": lock.sha256,
        "requirements": lock.requirements,
    }
