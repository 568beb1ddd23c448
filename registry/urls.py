from django.urls import path

from registry import api, views

_LIST = "workspaces/<str:ws>/models"
_VERSION = f"{_LIST}/<str:name>/versions/<int:version>"

api_routes = [
    path(_LIST, api.Models.as_view(), name="models"),
    path("workspaces/<str:ws>/model-versions", api.Versions.as_view(), name="model_versions"),
    path(f"{_LIST}/<str:name>", api.ModelDetail.as_view(), name="model"),
    path(f"{_LIST}/<str:name>/aliases/<str:alias>", api.Alias.as_view(), name="model_alias"),
    path(_VERSION, api.VersionDetail.as_view(), name="model_version"),
    path(f"{_VERSION}/files/<path:path>", api.File.as_view(), name="model_file"),
]

pages = [
    path("w/<str:ws>/models", views.models, name="models"),
    path("w/<str:ws>/models/register", views.register, name="model_register"),
    path("w/<str:ws>/models/<str:name>", views.model, name="model"),
    path("w/<str:ws>/models/<str:name>/delete", views.delete, name="model_delete"),
    path("w/<str:ws>/models/<str:name>/alias", views.alias, name="model_alias"),
]
