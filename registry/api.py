"""workspaces/<ws>/models."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry import forms, queries, services
from registry.models import Model, ModelVersion
from studio.kernel import blobs
from studio.kernel.api import actor_of, once, page_limit, parse
from studio.kernel.downloads import Download


class ModelIn(serializers.Serializer):
    name = serializers.CharField()
    run = serializers.CharField(default="", allow_blank=True, allow_null=True)
    path = serializers.CharField(default="", allow_blank=True, allow_null=True)
    # Entries are judged by kernel.manifests: a serializer for each of 20 000 would take seconds.
    files = serializers.ListField(child=serializers.DictField(), required=False, allow_null=True, default=None)
    description = serializers.CharField(default="", allow_blank=True, trim_whitespace=False)
    framework = serializers.CharField(default="", allow_blank=True)
    tags = serializers.DictField(default=dict)
    properties = serializers.DictField(default=dict)


class ModelOut(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()
    version = serializers.IntegerField(source="newest")
    tags = serializers.JSONField()
    aliases = serializers.SerializerMethodField()
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)

    def get_aliases(self, model: Model) -> dict[str, int]:
        return {one.alias: one.version.version for one in model.aliases.all()}


class VersionOut(serializers.Serializer):
    name = serializers.CharField(source="model.name")
    version = serializers.IntegerField()
    size = serializers.IntegerField()
    run = serializers.CharField(source="run_id", default=None)
    framework = serializers.CharField()
    description = serializers.CharField()
    tags = serializers.JSONField()
    properties = serializers.JSONField()
    aliases = serializers.SerializerMethodField()
    stage = serializers.CharField()
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)

    def get_aliases(self, version: ModelVersion) -> list[str]:
        return sorted(one.alias for one in version.aliases.all())

    def to_representation(self, instance: ModelVersion) -> dict[str, Any]:
        # A field called `source` would hide the framework's own.
        return {**super().to_representation(instance), "source": instance.source}


class ChangeIn(serializers.Serializer):
    """What is left out stays as it is; a tag that is null goes."""

    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(required=False, child=serializers.CharField(allow_null=True, allow_blank=True))


class AliasIn(serializers.Serializer):
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class VersionsIn(serializers.Serializer):
    name = serializers.CharField(default="", allow_blank=True)
    run = serializers.CharField(default="", allow_blank=True)
    framework = serializers.CharField(default="", allow_blank=True)
    # As forms.clean_wanted reads them.
    tags = serializers.CharField(default="", allow_blank=True)
    properties = serializers.CharField(default="", allow_blank=True)
    latest = serializers.BooleanField(default=False)
    before = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class Versions(APIView):
    """Versions of all models, the newest first; tags and properties are JSON such as ["stage", ["kind", "tree"]]."""

    def get(self, request: Request, ws: str) -> Response:
        limit, asked = page_limit(request), parse(VersionsIn, request.query_params)
        for field in ("tags", "properties"):
            asked[field] = forms.clean_wanted(asked[field], field=field)
        found = queries.find_versions(ws, actor=actor_of(request), limit=limit, **asked)
        more = found[-1].pk if len(found) == limit else None
        return Response({"versions": VersionOut(found, many=True).data, "next": more})


class Models(APIView):
    def get(self, request: Request, ws: str) -> Response:
        return Response({"models": ModelOut(queries.list_models(ws, actor=actor_of(request)), many=True).data})

    def post(self, request: Request, ws: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            body = parse(ModelIn, request.data)
            run, path = body.pop("run") or "", body.pop("path") or ""
            return _shown(services.register_model(ws, actor=actor_of(request), run_id=run, path=path, **body)), 201

        return once(request, make)


class ModelDetail(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        actor = actor_of(request)
        model = queries.get_model(ws, name, actor=actor)
        # Their files are told of one version: all of them may be as many as the versions times those of a model.
        versions = queries.list_versions(ws, name, actor=actor).defer("files")
        return Response({**ModelOut(model).data, "versions": VersionOut(versions, many=True).data})

    def patch(self, request: Request, ws: str, name: str) -> Response:
        actor, body = actor_of(request), parse(ChangeIn, request.data)
        services.edit_model(ws, name, actor=actor, **body)
        return Response(ModelOut(queries.get_model(ws, name, actor=actor)).data)

    def delete(self, request: Request, ws: str, name: str) -> Response:
        services.delete_model(ws, name, actor=actor_of(request))
        return Response(status=204)


class Alias(APIView):
    def get(self, request: Request, ws: str, name: str, alias: str) -> Response:
        return Response(_shown(queries.get_by_alias(ws, name, alias, actor=actor_of(request))))

    def put(self, request: Request, ws: str, name: str, alias: str) -> Response:
        actor, body = actor_of(request), parse(AliasIn, request.data)
        services.set_alias(ws, name, alias, body["version"], actor=actor)
        return Response(_shown(queries.get_by_alias(ws, name, alias, actor=actor)))

    def delete(self, request: Request, ws: str, name: str, alias: str) -> Response:
        services.delete_alias(ws, name, alias, actor=actor_of(request))
        return Response(status=204)


class VersionDetail(APIView):
    def get(self, request: Request, ws: str, name: str, version: int) -> Response:
        return Response(_shown(queries.get_version(ws, name, version, actor=actor_of(request))))

    def patch(self, request: Request, ws: str, name: str, version: int) -> Response:
        actor, body = actor_of(request), parse(ChangeIn, request.data)
        services.change_version(ws, name, version, actor=actor, **body)
        return Response(_shown(queries.get_version(ws, name, version, actor=actor)))

    def delete(self, request: Request, ws: str, name: str, version: int) -> Response:
        services.delete_version(ws, name, version, actor=actor_of(request))
        return Response(status=204)


class File(APIView):
    def get(self, request: Request, ws: str, name: str, version: int, path: str) -> Download:
        entry = queries.get_file(ws, name, version, path, actor=actor_of(request))
        return Download(blobs.read(entry["sha256"]), path=path, size=entry["size"], sha256=entry["sha256"])


def _shown(version: ModelVersion) -> dict[str, Any]:
    return {**VersionOut(version).data, "files": version.files}
