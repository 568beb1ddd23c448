"""workspaces/<ws>/secrets."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, parse
from studio.kernel.errors import Invalid
from workspace.secrets import queries, services

#: Of every answer that holds a value.
UNKEPT = {"Cache-Control": "no-store"}


class SecretIn(serializers.Serializer):
    name = serializers.CharField(max_length=200)
    value = serializers.CharField(trim_whitespace=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)


class DescriptionIn(serializers.Serializer):
    description = serializers.CharField(allow_blank=True)


class SecretOut(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()
    version = serializers.IntegerField(source="latest")
    created = serializers.DateTimeField()
    updated = serializers.DateTimeField()


class DeletedOut(serializers.Serializer):
    name = serializers.CharField()
    deleted = serializers.DateTimeField()


class VersionOut(serializers.Serializer):
    number = serializers.IntegerField()
    created = serializers.DateTimeField()


class Secrets(APIView):
    def get(self, request: Request, ws: str) -> Response:
        actor = actor_of(request)
        found = SecretOut(queries.list_secrets(ws, actor=actor), many=True).data
        return Response(
            {"secrets": found, "deleted": DeletedOut(queries.list_deleted(ws, actor=actor), many=True).data}
        )

    def post(self, request: Request, ws: str) -> Response:
        """Never with an Idempotency-Key: a repeat makes one more version of the same value, and nothing is stored."""
        given = parse(SecretIn, request.data)
        name = given.pop("name")
        return Response(SecretOut(services.set_secret(ws, name, actor=actor_of(request), **given)).data, status=201)


class SecretDetail(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        found = queries.get_secret(ws, name, actor=actor_of(request))
        shown: dict[str, Any] = dict(SecretOut(found).data)
        return Response({**shown, "versions": VersionOut(found.versions.all(), many=True).data})

    def patch(self, request: Request, ws: str, name: str) -> Response:
        given = parse(DescriptionIn, request.data)
        return Response(SecretOut(services.describe_secret(ws, name, actor=actor_of(request), **given)).data)

    def delete(self, request: Request, ws: str, name: str) -> Response:
        services.delete_secret(ws, name, actor=actor_of(request))
        return Response(status=204)


class Value(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        wanted = request.query_params.get("version", "")
        if wanted and not (wanted.isascii() and wanted.isdigit() and 0 < len(wanted) < 10):
            raise Invalid(_("version is a number."), field="version")
        value = services.reveal_secret(ws, name, actor=actor_of(request), version=int(wanted or 0) or None)
        return Response({"name": name, "value": value}, headers=UNKEPT)


class Restore(APIView):
    def post(self, request: Request, ws: str, name: str) -> Response:
        return Response(SecretOut(services.restore_secret(ws, name, actor=actor_of(request))).data)
