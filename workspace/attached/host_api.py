"""workspaces/<ws>/compute/<name>/pool and …/hosts: clusters whose nodes are machines over SSH."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, parse
from workspace.attached import queries, services
from workspace.attached.api import ConfirmIn, CredentialIn


class HostsIn(serializers.Serializer):
    hosts = serializers.ListField(child=serializers.CharField(max_length=400), max_length=100)
    username = serializers.CharField(default="", allow_blank=True, max_length=100)
    trust_first = serializers.BooleanField(default=False)
    forward = serializers.BooleanField(default=False)


class HostPatch(serializers.Serializer):
    username = serializers.CharField(required=False, allow_blank=True, max_length=100)
    secret = serializers.CharField(required=False, allow_blank=True, max_length=127)
    forward = serializers.BooleanField(required=False)


class PoolIn(CredentialIn, HostsIn):
    settings = serializers.DictField(default=dict)
    description = serializers.CharField(default="", allow_blank=True)
    tags = serializers.DictField(default=dict)


class Pool(APIView):
    def post(self, request: Request, ws: str, name: str) -> Response:
        """Never with an Idempotency-Key: the name is the key, and a repeat is refused as taken."""
        given = parse(PoolIn, request.data)
        services.create_pool(ws, name, actor=actor_of(request), given=given)
        return _answer(ws, name, request, status=201)

    def patch(self, request: Request, ws: str, name: str) -> Response:
        given = parse(CredentialIn, request.data)
        services.change_hosts(ws, name, actor=actor_of(request), given=given)
        return _answer(ws, name, request)


class Hosts(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        return _answer(ws, name, request)

    def post(self, request: Request, ws: str, name: str) -> Response:
        """Never with an Idempotency-Key: the addresses are the key, and a repeat is refused as taken."""
        services.add_hosts(ws, name, actor=actor_of(request), given=parse(HostsIn, request.data))
        return _answer(ws, name, request, status=201)


class HostDetail(APIView):
    def patch(self, request: Request, ws: str, name: str, host: int) -> Response:
        """How this one is logged in to; an empty `secret` is the pool's way."""
        services.change_host(ws, name, host, actor=actor_of(request), given=parse(HostPatch, request.data))
        return _answer(ws, name, request)

    def delete(self, request: Request, ws: str, name: str, host: int) -> Response:
        """Begins it: the machine is gone from the list when nothing of ours is left on it."""
        services.remove_host(ws, name, host, actor=actor_of(request))
        return _answer(ws, name, request, status=202)


class Confirm(APIView):
    def post(self, request: Request, ws: str, name: str, host: int) -> Response:
        shown = parse(ConfirmIn, request.data)["fingerprint"]
        services.confirm_host(ws, name, host, actor=actor_of(request), shown=shown)
        return _answer(ws, name, request)


class Again(APIView):
    def post(self, request: Request, ws: str, name: str, host: int) -> Response:
        services.try_host(ws, name, host, actor=actor_of(request))
        return _answer(ws, name, request)


def _answer(ws: str, name: str, request: Request, *, status: int = 200) -> Response:
    found = queries.list_hosts(ws, name, actor=actor_of(request))
    told: dict[str, Any] = {"hosts": [queries.host_out(one) for one in found]}
    return Response(told, status=status)
