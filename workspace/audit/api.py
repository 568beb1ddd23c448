"""GET workspaces/<ws>/audit."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, page_limit, parse
from workspace.audit import queries


class PageIn(serializers.Serializer):
    before = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)


class EntryOut(serializers.Serializer):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    workspace = serializers.CharField(source="workspace_slug")
    actor_kind = serializers.CharField()
    actor = serializers.CharField(source="actor_name")
    credential = serializers.CharField()
    address = serializers.CharField()
    action = serializers.CharField()
    target = serializers.CharField()
    fields_ = serializers.JSONField(source="fields")

    def to_representation(self, instance: object) -> dict[str, object]:
        # `fields` is a name that a serializer keeps for itself.
        shown = super().to_representation(instance)
        shown["fields"] = shown.pop("fields_")
        return shown


class Audit(APIView):
    def get(self, request: Request, ws: str) -> Response:
        limit = page_limit(request)
        before = parse(PageIn, request.query_params).get("before")
        entries = queries.list_entries(ws, actor=actor_of(request), limit=limit, before=before)
        return Response(
            {
                "entries": EntryOut(entries, many=True).data,
                "next": entries[-1].pk if len(entries) == limit else None,
            }
        )
