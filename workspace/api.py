"""Who am I, workspaces, and their members."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, once, parse
from workspace import founding, queries, services
from workspace.accounts.queries import user_of
from workspace.models import Membership


class WorkspaceIn(serializers.Serializer):
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(default="", allow_blank=True)


class WorkspacePatch(serializers.Serializer):
    name = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True)


class MemberIn(serializers.Serializer):
    username = serializers.CharField()
    role = serializers.CharField()


class RoleIn(serializers.Serializer):
    role = serializers.CharField()


class MineOut(serializers.Serializer):
    slug = serializers.CharField(source="workspace.slug")
    name = serializers.CharField(source="workspace.name")
    role = serializers.CharField()


class SettingsOut(serializers.Serializer):
    slug = serializers.CharField(source="workspace.slug")
    name = serializers.CharField(source="workspace.name")
    description = serializers.CharField(source="workspace.description")
    created = serializers.DateTimeField(source="workspace.created")
    role = serializers.CharField()


class MemberOut(serializers.Serializer):
    username = serializers.CharField(source="user.username")
    display_name = serializers.CharField(source="user.display_name")
    role = serializers.CharField()
    since = serializers.DateTimeField(source="created")


class Me(APIView):
    def get(self, request: Request) -> Response:
        user = user_of(actor_of(request))
        mine = queries.my_workspaces(actor=actor_of(request))
        shown = {"username": user.username, "display_name": user.display_name, "is_admin": user.is_superuser}
        return Response({"user": shown, "workspaces": MineOut(mine, many=True).data})


class Workspaces(APIView):
    def get(self, request: Request) -> Response:
        mine = queries.my_workspaces(actor=actor_of(request))
        return Response({"workspaces": MineOut(mine, many=True).data})

    def post(self, request: Request) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            workspace = founding.found_workspace(actor=actor_of(request), **parse(WorkspaceIn, request.data))
            return _settings(workspace.slug, request), 201

        return once(request, make)


class WorkspaceDetail(APIView):
    def get(self, request: Request, ws: str) -> Response:
        return Response(_settings(ws, request))

    def patch(self, request: Request, ws: str) -> Response:
        services.change_workspace(ws, actor=actor_of(request), **parse(WorkspacePatch, request.data))
        return Response(_settings(ws, request))

    def delete(self, request: Request, ws: str) -> Response:
        services.delete_workspace(ws, actor=actor_of(request))
        return Response(status=204)


class Members(APIView):
    def get(self, request: Request, ws: str) -> Response:
        members = queries.list_members(ws, actor=actor_of(request))
        return Response({"members": MemberOut(members, many=True).data})

    def post(self, request: Request, ws: str) -> Response:
        def make() -> tuple[dict[str, Any], int]:
            return _member(services.add_member(ws, actor=actor_of(request), **parse(MemberIn, request.data))), 201

        return once(request, make)


class MemberDetail(APIView):
    def patch(self, request: Request, ws: str, username: str) -> Response:
        role = parse(RoleIn, request.data)["role"]
        return Response(_member(services.change_role(ws, actor=actor_of(request), username=username, role=role)))

    def delete(self, request: Request, ws: str, username: str) -> Response:
        services.remove_member(ws, actor=actor_of(request), username=username)
        return Response(status=204)


def _settings(slug: str, request: Request) -> dict[str, Any]:
    return dict(SettingsOut(queries.read_settings(slug, actor=actor_of(request))).data)


def _member(member: Membership) -> dict[str, Any]:
    return dict(MemberOut(member).data)
