from django.urls import path

from workspace.datasets import api, views

_LIST = "workspaces/<str:ws>/datasets"
_VERSION = f"{_LIST}/<str:name>/versions/<int:version>"

api_routes = [
    path(_LIST, api.Datasets.as_view(), name="datasets"),
    path(f"{_LIST}/<str:name>", api.DatasetDetail.as_view(), name="dataset"),
    path(_VERSION, api.VersionDetail.as_view(), name="dataset_version"),
    path(f"{_VERSION}/preview", api.Preview.as_view(), name="dataset_preview"),
    path(f"{_VERSION}/files/<path:path>", api.File.as_view(), name="dataset_file"),
]

pages = [
    path("w/<str:ws>/data", views.datasets, name="datasets"),
    path("w/<str:ws>/data/<str:name>", views.dataset, name="dataset"),
    path("w/<str:ws>/data/<str:name>/delete", views.delete, name="dataset_delete"),
]
