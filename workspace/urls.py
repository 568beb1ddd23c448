from django.urls import path

from workspace import api, views

api_routes = [
    path("me", api.Me.as_view(), name="me"),
    path("workspaces", api.Workspaces.as_view(), name="workspaces"),
    path("workspaces/<str:ws>", api.WorkspaceDetail.as_view(), name="workspace"),
    path("workspaces/<str:ws>/members", api.Members.as_view(), name="members"),
    path("workspaces/<str:ws>/members/<str:username>", api.MemberDetail.as_view(), name="member"),
]

pages = [
    path("new", views.create, name="workspace_new"),
    path("w/<str:ws>/settings", views.settings, name="settings"),
    path("w/<str:ws>/settings/change", views.change, name="settings_change"),
    path("w/<str:ws>/settings/delete", views.delete, name="workspace_delete"),
    path("w/<str:ws>/members", views.add_member, name="member_add"),
    path("w/<str:ws>/members/<str:username>", views.change_member, name="member_change"),
]
