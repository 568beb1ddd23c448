from django.urls import path

from workspace.audit import api

api_routes = [path("workspaces/<str:ws>/audit", api.Audit.as_view(), name="audit")]
