"""The door of nodes and of running code: signs of life, and what code asks of its run."""

from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import queries, services
from runs.shapes import ChildrenIn, EndIn, RunPatch
from studio.kernel.api import actor_of, once, parse


class AttemptIn(serializers.Serializer):
    run = serializers.CharField(max_length=26)
    attempt = serializers.IntegerField(min_value=0)


class HelloIn(serializers.Serializer):
    epoch = serializers.CharField(max_length=40)
    runs = serializers.ListField(child=AttemptIn(), max_length=1000)
    replicas = serializers.ListField(child=serializers.CharField(), default=list)
    facts = serializers.DictField(default=dict)


class RenewIn(serializers.Serializer):
    epoch = serializers.CharField(max_length=40)
    runs = serializers.ListField(child=AttemptIn(), max_length=1000)
    load = serializers.DictField(default=dict)
    # Cleaned and never refused: what an agent prints must not cost its runs their leases.
    log = serializers.JSONField(required=False)
    environments = serializers.JSONField(required=False)


def _keys(body: dict[str, Any]) -> list[tuple[str, int]]:
    return [(one["run"], one["attempt"]) for one in body["runs"]]


def _named(keys: list[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"run": run, "attempt": no} for run, no in keys]


class Hello(APIView):
    def post(self, request: Request) -> Response:
        body = parse(HelloIn, request.data)
        found = services.greet(actor=actor_of(request), epoch=body["epoch"], runs=_keys(body), facts=body["facts"])
        return Response({"epoch": body["epoch"], "keep": _named(found["keep"]), "kill": _named(found["kill"])})


class Renew(APIView):
    def post(self, request: Request) -> Response:
        body = parse(RenewIn, request.data)
        told = {"epoch": body["epoch"], "load": body["load"], "said": body.get("log", "")}
        told["shelf"] = body.get("environments")
        answers, wanted = services.renew(actor=actor_of(request), runs=_keys(body), **told)
        return Response({"runs": answers, "valid_for": settings.LEASE_SECONDS, **wanted})


class OwnRun(APIView):
    """The run of the token that asks."""

    def get(self, request: Request, run: str) -> Response:
        return Response(queries.run_out(queries.own_run(run, actor=actor_of(request))))

    def patch(self, request: Request, run: str) -> Response:
        actor = actor_of(request)
        slug = queries.own_run(run, actor=actor).workspace.slug
        services.edit_run(slug, run, actor=actor, **parse(RunPatch, request.data))
        return Response(queries.run_out(queries.own_run(run, actor=actor)))


class SecretsIn(serializers.Serializer):
    names = serializers.ListField(child=serializers.CharField(max_length=127))


class OwnSecrets(APIView):
    """Values for running code; asked by POST, so that nothing on the way keeps the answer."""

    def post(self, request: Request, run: str) -> Response:
        names = parse(SecretsIn, request.data)["names"]
        found = services.read_secrets(run, actor=actor_of(request), names=names)
        return Response({"secrets": found}, headers={"Cache-Control": "no-store"})


class OwnChildren(APIView):
    """Runs that running code begins below its own."""

    def post(self, request: Request, run: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            told = parse(ChildrenIn, request.data)["children"]
            made = services.create_children(run, actor=actor_of(request), children=told)
            return {"runs": [queries.run_out(one) for one in made]}, 201

        return once(request, make)


class EndOfChild(APIView):
    def post(self, request: Request, run: str) -> Response:
        ended = services.end_child(run, actor=actor_of(request), **parse(EndIn, request.data))
        return Response(queries.run_out(ended))


class RendezvousIn(serializers.Serializer):
    address = serializers.CharField(max_length=255)
    ports = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=65535), min_length=1, max_length=257
    )


class Rendezvous(APIView):
    """A node of a run on several nodes says where it is reached, and hears where the others are."""

    def post(self, request: Request, run: str) -> Response:
        body = parse(RendezvousIn, request.data)
        return Response(services.rendezvous(run, actor=actor_of(request), address=body["address"], ports=body["ports"]))
