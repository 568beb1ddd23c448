from django.urls import path

from workspace.datasets import api

_LIST = "workspaces/<str:ws>/datasets"
_VERSION = f"{_LIST}/<str:name>/versions/<int:version>"

api_routes = [
    path(_LIST, api.Datasets.as_view(), name="datasets"),
    path(f"{_LIST}/<str:name>", api.DatasetDetail.as_view(), name="dataset"),
    path(_VERSION, api.VersionDetail.as_view(), name="dataset_version"),
    path(f"{_VERSION}/preview", api.Preview.as_view(), name="dataset_preview"),
    path(f"{_VERSION}/files/<path:path>", api.File.as_view(), name="dataset_file"),
]
