"""workspaces/<ws>/reports, as JSON."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.reports import queries, services
from studio.kernel.api import actor_of, once, page_limit, parse


class ReportIn(serializers.Serializer):
    title = serializers.CharField()
    blocks = serializers.ListField(child=serializers.DictField(), default=list)


class ReportPatch(serializers.Serializer):
    version = serializers.IntegerField(min_value=1, max_value=2_000_000_000)
    title = serializers.CharField(required=False)
    blocks = serializers.ListField(child=serializers.DictField(), required=False)


class Reports(APIView):
    def get(self, request: Request, ws: str) -> Response:
        limit = page_limit(request)
        found = queries.list_reports(ws, actor=actor_of(request)).defer(None)[:limit]
        return Response({"reports": [queries.report_out(one) for one in found]})

    def post(self, request: Request, ws: str) -> Response:
        given = parse(ReportIn, request.data)

        def make() -> tuple[dict[str, Any], int]:
            made = services.create_report(ws, actor=actor_of(request), **given)
            return queries.report_out(queries.get_report(ws, made.pk, actor=actor_of(request))), 201

        return once(request, make)


class ReportDetail(APIView):
    def get(self, request: Request, ws: str, report: str) -> Response:
        return Response(queries.report_out(queries.get_report(ws, report, actor=actor_of(request))))

    def patch(self, request: Request, ws: str, report: str) -> Response:
        given = parse(ReportPatch, request.data)
        return Response(queries.report_out(services.change_report(ws, report, actor=actor_of(request), **given)))

    def delete(self, request: Request, ws: str, report: str) -> Response:
        services.delete_report(ws, report, actor=actor_of(request))
        return Response(status=204)
