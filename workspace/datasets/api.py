"""workspaces/<ws>/datasets."""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, once, parse
from studio.kernel.downloads import Download
from workspace.datasets import queries, services
from workspace.datasets.models import DatasetVersion


class DatasetIn(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField(default="", allow_blank=True)
    # Entries are judged by kernel.manifests: a serializer for each of 20 000 would take seconds.
    files = serializers.ListField(child=serializers.DictField())
    single_file = serializers.BooleanField(default=False)


class DatasetOut(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()
    version = serializers.IntegerField(source="latest")
    file_count = serializers.IntegerField()
    size = serializers.IntegerField()
    created = serializers.DateTimeField()
    changed = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)


class VersionOut(serializers.Serializer):
    name = serializers.CharField(source="dataset.name")
    description = serializers.CharField(source="dataset.description")
    version = serializers.IntegerField()
    digest = serializers.CharField()
    file_count = serializers.IntegerField()
    size = serializers.IntegerField()
    single_file = serializers.BooleanField()
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)


class Datasets(APIView):
    def get(self, request: Request, ws: str) -> Response:
        found = queries.list_datasets(ws, actor=actor_of(request))
        return Response({"datasets": DatasetOut(found, many=True).data})

    def post(self, request: Request, ws: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            version = services.register_dataset(ws, actor=actor_of(request), **parse(DatasetIn, request.data))
            return {**_shown(version), "unchanged": version.unchanged}, 200 if version.unchanged else 201

        return once(request, make)


class DatasetDetail(APIView):
    def get(self, request: Request, ws: str, name: str) -> Response:
        actor = actor_of(request)
        dataset = queries.get_dataset(ws, name, actor=actor)
        versions = queries.list_versions(ws, name, actor=actor)
        return Response({**DatasetOut(dataset).data, "versions": VersionOut(versions, many=True).data})

    def delete(self, request: Request, ws: str, name: str) -> Response:
        services.delete_dataset(ws, name, actor=actor_of(request))
        return Response(status=204)


class VersionDetail(APIView):
    def get(self, request: Request, ws: str, name: str, version: int) -> Response:
        return Response(_shown(queries.get_version(ws, name, version, actor=actor_of(request))))


class File(APIView):
    def get(self, request: Request, ws: str, name: str, version: int, path: str) -> Download:
        file = queries.open_file(ws, name, version, path, actor=actor_of(request))
        return Download(file.pieces, path=file.path, size=file.size, sha256=file.sha256)


class Preview(APIView):
    def get(self, request: Request, ws: str, name: str, version: int) -> Response:
        path = request.query_params.get("path")
        return Response(asdict(queries.preview(ws, name, version, path, actor=actor_of(request))))


def _shown(version: DatasetVersion) -> dict[str, Any]:
    return {**VersionOut(version).data, "files": [_entry(entry) for entry in version.files]}


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    return {"path": entry["path"], "sha256": entry["sha256"], "size": entry["size"]}
