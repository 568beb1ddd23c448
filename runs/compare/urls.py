from django.urls import path

from runs.compare import api, views

api_routes = [
    path("workspaces/<str:ws>/compare", api.Compare.as_view(), name="compare"),
    path("workspaces/<str:ws>/compare/code", api.CompareCode.as_view(), name="compare_code"),
]

pages = [
    path("w/<str:ws>/compare", views.compare, name="compare"),
    path("w/<str:ws>/compare/file", views.file, name="compare_file"),
]
