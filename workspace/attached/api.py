"""workspaces/<ws>/compute/<name>/attachment: machines over SSH."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, parse
from workspace.attached import queries, services


def _word(most: int = 300) -> serializers.CharField:
    return serializers.CharField(default="", allow_blank=True, allow_null=True, max_length=most, trim_whitespace=False)


class CredentialIn(serializers.Serializer):
    username = _word()
    password = _word(1000)
    private_key = _word(25_000)
    private_key_passphrase = _word(1000)


class AttachIn(CredentialIn):
    address = _word()
    port = serializers.IntegerField(default=22)
    slots = serializers.IntegerField(default=1)
    studio_url = _word()
    forward = serializers.BooleanField(default=False)
    trust_first = serializers.BooleanField(default=False)


class ConfirmIn(serializers.Serializer):
    fingerprint = serializers.CharField(max_length=100)


class Attached(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        return _answer(queries.get_attachment(ws, name, actor=actor_of(request)), log=True)

    def post(self, request: Request, ws: str, name: str) -> Response:
        """Never with an Idempotency-Key: the name is the key, and a repeat is refused as taken."""
        given = parse(AttachIn, request.data)
        return _answer(services.attach_machine(ws, name, actor=actor_of(request), given=given), status=201)

    def patch(self, request: Request, ws: str, name: str) -> Response:
        given = parse(CredentialIn, request.data)
        return _answer(services.change_credential(ws, name, actor=actor_of(request), given=given))

    def delete(self, request: Request, ws: str, name: str) -> Response:
        """Begins it; the machine is gone from the list when nothing of ours is left on it."""
        if request.query_params.get("forget") == "1":
            services.forget_machine(ws, name, actor=actor_of(request))
            return Response(status=204)
        return _answer(services.detach_machine(ws, name, actor=actor_of(request)), status=202)


class Confirm(APIView):
    def post(self, request: Request, ws: str, name: str) -> Response:
        shown = parse(ConfirmIn, request.data)["fingerprint"]
        return _answer(services.confirm_key(ws, name, actor=actor_of(request), shown=shown))


class Again(APIView):
    def post(self, request: Request, ws: str, name: str) -> Response:
        return _answer(services.try_again(ws, name, actor=actor_of(request)))


def _answer(found: Any, *, status: int = 200, log: bool = False) -> Response:
    return Response({**queries.attachment_out(found), **({"log": found.log} if log else {})}, status=status)
