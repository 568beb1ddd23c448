from django.urls import path

from workspace.secrets import api, views

_API = "workspaces/<str:ws>/secrets"
_PAGE = "w/<str:ws>/keyvault"

api_routes = [
    path(_API, api.Secrets.as_view(), name="secrets"),
    path(f"{_API}/<str:name>", api.SecretDetail.as_view(), name="secret"),
    path(f"{_API}/<str:name>/value", api.Value.as_view(), name="secret_value"),
    path(f"{_API}/<str:name>/restore", api.Restore.as_view(), name="secret_restore"),
]

pages = [
    path(_PAGE, views.secrets, name="keyvault"),
    path(f"{_PAGE}/-/new", views.create, name="secret_create"),
    path(f"{_PAGE}/<str:name>", views.secret, name="secret"),
    path(f"{_PAGE}/<str:name>/change", views.change, name="secret_change"),
    path(f"{_PAGE}/<str:name>/delete", views.delete, name="secret_delete"),
    path(f"{_PAGE}/<str:name>/restore", views.restore, name="secret_restore"),
]
