from django.urls import path

from workspace import api

api_routes = [
    path("me", api.Me.as_view(), name="me"),
    path("workspaces", api.Workspaces.as_view(), name="workspaces"),
    path("workspaces/<str:ws>", api.WorkspaceDetail.as_view(), name="workspace"),
    path("workspaces/<str:ws>/members", api.Members.as_view(), name="members"),
    path("workspaces/<str:ws>/members/<str:username>", api.MemberDetail.as_view(), name="member"),
]
