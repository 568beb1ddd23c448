"""workspaces/<ws>/views, the marks of runs, and one deed done to many runs, as JSON."""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.tables import bulk, finding, forms, grouped, queries, services
from studio.kernel.api import actor_of, parse


class ViewIn(serializers.Serializer):
    name = serializers.CharField()
    query = serializers.CharField(allow_blank=True, max_length=forms.MOST_QUERY)
    experiment = serializers.CharField(required=False, allow_null=True, default=None)
    default = serializers.BooleanField(default=False)


class ViewPatch(serializers.Serializer):
    name = serializers.CharField(required=False)
    query = serializers.CharField(required=False, allow_blank=True, max_length=forms.MOST_QUERY)
    default = serializers.BooleanField(required=False)


class BulkIn(serializers.Serializer):
    """Which runs: by id, or all that fit what a table's address asks for."""

    action = serializers.CharField()
    runs = serializers.ListField(child=serializers.CharField(max_length=64), required=False)
    query = serializers.CharField(required=False, allow_blank=True, max_length=forms.MOST_QUERY)
    experiment = serializers.CharField(required=False, allow_null=True, default=None)
    tags = serializers.DictField(default=dict)
    #: A number from 0, `shuffled`, or null for the usual ones.
    colour = serializers.JSONField(allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("runs" in attrs) == ("query" in attrs):
            raise serializers.ValidationError("Give either runs or query.")
        return attrs


class Views(APIView):
    def get(self, request: Request, ws: str) -> Response:
        actor = actor_of(request)
        place = finding.open_place(ws, request.query_params.get("experiment") or None, actor=actor)
        return Response({"views": [queries.view_out(one) for one in queries.list_views(place, actor=actor)]})

    def post(self, request: Request, ws: str) -> Response:
        actor = actor_of(request)
        made = services.save_view(ws, actor=actor, **parse(ViewIn, request.data))
        return Response(queries.view_out(queries.get_view(ws, made.pk, actor=actor)), status=201)


class ViewDetail(APIView):
    def get(self, request: Request, ws: str, view: int) -> Response:
        return Response(queries.view_out(queries.get_view(ws, view, actor=actor_of(request))))

    def patch(self, request: Request, ws: str, view: int) -> Response:
        body = parse(ViewPatch, request.data)
        return Response(queries.view_out(services.change_view(ws, view, actor=actor_of(request), **body)))

    def delete(self, request: Request, ws: str, view: int) -> Response:
        services.delete_view(ws, view, actor=actor_of(request))
        return Response(status=204)


class Marks(APIView):
    def put(self, request: Request, ws: str, run: str, kind: str) -> Response:
        services.mark_run(ws, run, actor=actor_of(request), kind=kind)
        return Response(status=204)

    def delete(self, request: Request, ws: str, run: str, kind: str) -> Response:
        services.unmark_run(ws, run, actor=actor_of(request), kind=kind)
        return Response(status=204)


class Bulk(APIView):
    def post(self, request: Request, ws: str) -> Response:
        actor, body = actor_of(request), parse(BulkIn, request.data)
        ids = body.get("runs")
        if ids is None:
            place = finding.open_place(ws, body["experiment"], actor=actor)
            ids = finding.matching(place, forms.read_query(body["query"]), actor=actor)
        results = bulk.do_to_runs(ws, ids, actor=actor, deed=body["action"], tags=body["tags"], colour=body["colour"])
        done = sum(one.done for one in results)
        return Response({"done": done, "refused": len(results) - done, "results": [asdict(one) for one in results]})


class Matching(APIView):
    """The ids of all runs that a table's address asks for, at most as many as one deed is done to."""

    def get(self, request: Request, ws: str) -> Response:
        actor, words = actor_of(request), request.query_params
        place = finding.open_place(ws, words.get("experiment") or None, actor=actor)
        return Response({"runs": finding.matching(place, forms.read(words), actor=actor)})


class Grouped(APIView):
    """{groups: [{value, runs: [{id, name, colour}]}]} of what a grouped table's address asks for: what charts draw."""

    def get(self, request: Request, ws: str) -> Response:
        actor, words = actor_of(request), request.query_params
        place, asked = finding.open_place(ws, words.get("experiment") or None, actor=actor), forms.read(words)
        found = grouped.runs_of_groups(place, asked, actor=actor) if asked.groups else []
        told = [
            {"value": value, "runs": [{"id": run, "name": name, "colour": colour} for run, name, colour in runs]}
            for value, runs in found
        ]
        return Response({"groups": told})


class Keys(APIView):
    """What may be a column: the keys that the newest runs have."""

    def get(self, request: Request, ws: str) -> Response:
        actor = actor_of(request)
        place = finding.open_place(ws, request.query_params.get("experiment") or None, actor=actor)
        return Response(finding.known_keys(place, actor=actor))
