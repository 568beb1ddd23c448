"""workspaces/<ws>/snapshots."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.snapshots import queries, services
from runs.snapshots.shapes import snapshot_out
from studio.kernel import blobs
from studio.kernel.api import actor_of, json_body, parse
from studio.kernel.downloads import Download


class SnapshotIn(serializers.Serializer):
    # Entries are judged by the service: a serializer for each of 2000 would take longer than all the rest.
    files = serializers.ListField(child=serializers.DictField())


class Snapshots(APIView):
    def post(self, request: Request, ws: str) -> Response:
        body = parse(SnapshotIn, json_body(request))
        snapshot = services.create_snapshot(ws, actor=actor_of(request), files=body["files"])
        return Response(snapshot_out(snapshot), status=200 if snapshot.unchanged else 201)


class SnapshotDetail(APIView):
    def get(self, request: Request, ws: str, snapshot: str) -> Response:
        found = queries.get_snapshot(ws, snapshot, actor=actor_of(request))
        shown: dict[str, Any] = {**snapshot_out(found), "files": found.files}
        return Response(shown)


class Zip(APIView):
    def get(self, request: Request, ws: str, snapshot: str) -> Download:
        packed = queries.pack(ws, snapshot, actor=actor_of(request))
        return Download(packed.pieces, path=packed.name, size=packed.size)


class File(APIView):
    def get(self, request: Request, ws: str, snapshot: str, path: str) -> Download:
        entry = queries.get_file(ws, snapshot, path, actor=actor_of(request))
        return Download(blobs.read(entry["sha256"]), path=path, size=entry["size"], sha256=entry["sha256"])
