"""Webhooks of a workspace, for its owners."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, once, parse
from workspace.webhooks import forms, queries, services


class WebhookIn(serializers.Serializer):
    name = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    description = serializers.CharField(default="", allow_blank=True)
    secret = serializers.CharField(default="", allow_blank=True, max_length=forms.MAX_SECRET)
    active = serializers.BooleanField(default=True)


class WebhookPatch(serializers.Serializer):
    name = serializers.CharField(required=False)
    url = serializers.CharField(required=False)
    events = serializers.ListField(child=serializers.CharField(), required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    secret = serializers.CharField(required=False, allow_blank=True, max_length=forms.MAX_SECRET)
    active = serializers.BooleanField(required=False)


class WebhookOut(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField()
    description = serializers.CharField()
    active = serializers.BooleanField()
    signed = serializers.SerializerMethodField()
    created = serializers.DateTimeField()
    updated = serializers.DateTimeField()

    def get_signed(self, webhook: object) -> bool:
        return bool(getattr(webhook, "sealed_secret", ""))


class EventIn(serializers.Serializer):
    event = serializers.CharField(default="", allow_blank=True)


class DeliveryOut(serializers.Serializer):
    id = serializers.CharField()
    event = serializers.CharField()
    tries = serializers.IntegerField()
    status = serializers.IntegerField()
    error = serializers.CharField()
    due = serializers.DateTimeField()
    delivered = serializers.DateTimeField()
    created = serializers.DateTimeField()


class Webhooks(APIView):
    def get(self, request: Request, ws: str) -> Response:
        found = queries.list_webhooks(ws, actor=actor_of(request))
        return Response({"webhooks": WebhookOut(found, many=True).data})

    def post(self, request: Request, ws: str) -> Response:
        given = parse(WebhookIn, request.data)

        def make() -> tuple[dict[str, Any], int]:
            return dict(WebhookOut(services.create_webhook(ws, actor=actor_of(request), **given)).data), 201

        return once(request, make)


class WebhookDetail(APIView):
    def get(self, request: Request, ws: str, webhook: str) -> Response:
        return Response(WebhookOut(queries.get_webhook(ws, webhook, actor=actor_of(request))).data)

    def patch(self, request: Request, ws: str, webhook: str) -> Response:
        given = parse(WebhookPatch, request.data)
        return Response(WebhookOut(services.change_webhook(ws, webhook, actor=actor_of(request), **given)).data)

    def delete(self, request: Request, ws: str, webhook: str) -> Response:
        services.delete_webhook(ws, webhook, actor=actor_of(request))
        return Response(status=204)


class WebhookTest(APIView):
    def post(self, request: Request, ws: str, webhook: str) -> Response:
        tried = services.try_webhook(ws, webhook, actor=actor_of(request), **parse(EventIn, request.data))
        told = {"succeeded": tried.succeeded, "status": tried.status, "body": tried.body, "error": tried.error}
        return Response(told)


class Deliveries(APIView):
    def get(self, request: Request, ws: str, webhook: str) -> Response:
        found = queries.list_deliveries(ws, webhook, actor=actor_of(request))
        return Response({"deliveries": DeliveryOut(found, many=True).data})
