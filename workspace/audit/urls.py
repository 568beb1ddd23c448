from django.urls import path

from workspace.audit import api, views

api_routes = [path("workspaces/<str:ws>/audit", api.Audit.as_view(), name="audit")]

pages = [
    path("w/<str:ws>/activity", views.activity, name="activity"),
]
