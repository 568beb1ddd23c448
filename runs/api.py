"""workspaces/<ws>/runs and experiments, as JSON."""

from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import children, completion, queries, services, waiting
from runs.models import Run
from runs.origins.known import origin_out
from runs.reproducing import reproduce
from runs.shapes import ChildrenIn, EndIn, ReproduceIn, RunPatch
from runs.tables import finding, forms
from runs.tables.best import best_values
from runs.tables.cells import plain
from studio.kernel.api import actor_of, once, page_limit, parse
from studio.kernel.errors import Invalid


class RunIn(serializers.Serializer):
    kind = serializers.ChoiceField(choices=Run.Kind.values, default=Run.Kind.SCRIPT)
    experiment = serializers.CharField()
    snapshot = serializers.CharField(required=False, allow_null=True, default=None)
    config = serializers.DictField(required=False)
    git = serializers.DictField(default=dict)
    tags = serializers.DictField(default=dict)
    properties = serializers.DictField(default=dict)
    name = serializers.CharField(default="", allow_blank=True)
    # DRF keeps fields apart from the attribute that has this name.
    parent = serializers.CharField(default="", allow_blank=True, max_length=26)  # type: ignore[assignment]


class ExperimentOut(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    tags = serializers.DictField()
    runs = serializers.IntegerField(source="present")
    created = serializers.DateTimeField()
    archived = serializers.DateTimeField()


class ExperimentIn(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField(default="", allow_blank=True)
    tags = serializers.DictField(default=dict)


class ExperimentPatch(serializers.Serializer):
    name = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(required=False)
    archived = serializers.BooleanField(required=False)


#: ?archived= of the list: only them, or both.
_ARCHIVED = {"1": True, "true": True, "all": None}


class Runs(APIView):
    def get(self, request: Request, ws: str) -> Response:
        asked, limit = request.query_params, page_limit(request)
        if asked.get("order_by") or asked.get("columns"):
            return Response(_ordered(ws, request, limit))
        found = queries.list_runs(
            ws,
            actor=actor_of(request),
            experiment=asked.get("experiment") or None,
            status=asked.get("status") or None,
            text=asked.get("q") or None,
            where=asked.get("filter") or None,
            archived=_ARCHIVED.get(asked.get("archived", ""), False),
            limit=limit,
            after=asked.get("after") or None,
        )
        more = found[-1].pk if len(found) == limit else None
        return Response({"runs": [queries.run_out(run) for run in found], "next": more})

    def post(self, request: Request, ws: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            body = parse(RunIn, request.data)
            run = _begin(ws, request, body)
            found = queries.get_run(ws, run.pk, actor=actor_of(request))
            shown = queries.run_in_full(found) | origin_out(found)
            return {**shown, "warnings": [*shown["warnings"], *waiting.warnings_of(shown)]}, 201

        return once(request, make)


def _ordered(ws: str, request: Request, limit: int) -> dict[str, Any]:
    """A page in an order that is asked for; with `columns` each run has its `values` of them, as files of tables do."""
    actor, words = actor_of(request), request.query_params
    if words.get("q"):
        raise Invalid("q is not asked for with order_by or columns.", hint="Ask for filter=name ilike '%part%'.")
    place = finding.open_place(ws, words.get("experiment") or None, actor=actor)
    asked = forms.read(words)
    found = finding.find(place, asked, actor=actor, limit=limit, pinned=False)
    runs = [queries.run_out(run) for run in finding.runs_of(place, [row["id"] for row in found.rows], actor=actor)]
    if asked.columns:
        rows = {row["id"]: row for row in found.rows}
        best = best_values(found.rows, asked.columns)
        for run in runs:
            run["values"] = {one.text: plain(rows[run["id"]], one, best) for one in asked.columns}
    return {"runs": runs, "next": found.older}


def _begin(ws: str, request: Request, body: dict[str, Any]) -> Run:
    actor = actor_of(request)
    shared = {key: body[key] for key in ("experiment", "snapshot", "git", "tags", "name", "parent")}
    if body["kind"] == Run.Kind.INTERACTIVE:
        return services.start_interactive(ws, actor=actor, **shared)
    if "config" not in body:
        raise Invalid("config: This field is required.", field="config")
    return services.submit_run(ws, actor=actor, config=body["config"], properties=body["properties"], **shared)


class Complete(APIView):
    """What may be typed next in a filter: ?text=&cursor=&experiment= → {start, end, items}. Places count characters."""

    def get(self, request: Request, ws: str) -> Response:
        asked = request.query_params
        text = asked.get("text", "").replace("\0", "\ufffd")
        cursor = asked.get("cursor", "")
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
            raise Invalid("The cursor is a place in the text, counted in characters.", field="cursor")
        found = completion.complete(
            ws,
            actor=actor_of(request),
            text=text,
            cursor=int(cursor) if cursor else len(text),
            experiment=asked.get("experiment") or None,
        )
        return Response(found)


class RunDetail(APIView):
    def get(self, request: Request, ws: str, run: str) -> Response:
        found = queries.get_run(ws, run, actor=actor_of(request))
        return Response(queries.run_in_full(found) | origin_out(found))

    def patch(self, request: Request, ws: str, run: str) -> Response:
        actor = actor_of(request)
        services.edit_run(ws, run, actor=actor, **parse(RunPatch, request.data))
        return Response(queries.run_out(queries.get_run(ws, run, actor=actor)))

    def delete(self, request: Request, ws: str, run: str) -> Response:
        """Into the recycle bin; with ?forever=1 out of it for good."""
        forever = request.query_params.get("forever") in ("1", "true")
        work = services.purge_run if forever else services.delete_run
        work(ws, run, actor=actor_of(request))
        return Response(status=204)


class Cancel(APIView):
    def post(self, request: Request, ws: str, run: str) -> Response:
        return Response(queries.run_out(services.cancel_run(ws, run, actor=actor_of(request))), status=202)


class Reproduce(APIView):
    def post(self, request: Request, ws: str, run: str) -> Response:
        """The same once more; {target} may be another one."""

        def make() -> tuple[dict[str, Any], int]:
            target = parse(ReproduceIn, request.data)["target"]
            made = reproduce(ws, run, actor=actor_of(request), target=target)
            return queries.run_in_full(queries.get_run(ws, made.pk, actor=actor_of(request))), 201

        return once(request, make)


class End(APIView):
    def post(self, request: Request, ws: str, run: str) -> Response:
        actor = actor_of(request)
        services.end_by_hand(ws, run, actor=actor, **parse(EndIn, request.data))
        return Response(queries.run_out(queries.get_run(ws, run, actor=actor)))


class Children(APIView):
    def get(self, request: Request, ws: str, run: str) -> Response:
        asked, limit = request.query_params, page_limit(request)
        found = children.list_children(
            ws,
            run,
            actor=actor_of(request),
            recursive=asked.get("recursive") in ("1", "true"),
            limit=limit,
            after=asked.get("after") or "",
        )
        more = found[-1].pk if len(found) == limit else None
        return Response({"runs": [queries.run_out(one) for one in found], "next": more})

    def post(self, request: Request, ws: str, run: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            told = parse(ChildrenIn, request.data)["children"]
            made = services.create_children(run, actor=actor_of(request), children=told, workspace=ws)
            return {"runs": [queries.run_out(one) for one in made]}, 201

        return once(request, make)


class Experiments(APIView):
    def get(self, request: Request, ws: str) -> Response:
        """?archived=1 or all, ?name= for the one of this name."""
        asked = request.query_params
        archived = _ARCHIVED.get(asked.get("archived", ""), False)
        found = queries.list_experiments(ws, actor=actor_of(request), archived=archived, name=asked.get("name"))
        return Response({"experiments": ExperimentOut(found, many=True).data})

    def post(self, request: Request, ws: str) -> Response:
        """Make one without runs."""

        def make() -> tuple[dict[str, Any], int]:
            made = services.create_experiment(ws, actor=actor_of(request), **parse(ExperimentIn, request.data))
            return _experiment(ws, made.pk, request), 201

        return once(request, make)


class ExperimentDetail(APIView):
    def get(self, request: Request, ws: str, number: int) -> Response:
        return Response(_experiment(ws, number, request))

    def patch(self, request: Request, ws: str, number: int) -> Response:
        """{name, description, tags, archived}: what is left out stays; a tag that is null is taken away."""
        actor, told = actor_of(request), parse(ExperimentPatch, request.data)
        with transaction.atomic():
            if told.get("archived") is False:
                services.restore_experiment(ws, number, actor=actor)
            if "name" in told:
                services.rename_experiment(ws, number, actor=actor, name=told["name"])
            words = {key: told[key] for key in ("description", "tags") if key in told}
            if words:
                services.tag_experiment(ws, number, actor=actor, **words)
            if told.get("archived"):
                services.archive_experiment(ws, number, actor=actor)
        return Response(_experiment(ws, number, request))

    def delete(self, request: Request, ws: str, number: int) -> Response:
        services.delete_experiment(ws, number, actor=actor_of(request))
        return Response(status=204)


def _experiment(ws: str, number: int, request: Request) -> dict[str, Any]:
    actor = actor_of(request)
    found = queries.get_experiment_by_id(ws, number, actor=actor)
    shown = queries.list_experiments(ws, actor=actor, archived=None, name=found.name).get()
    return dict(ExperimentOut(shown).data)
