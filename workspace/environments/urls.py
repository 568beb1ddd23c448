from django.urls import path

from workspace.environments import api, views

_LIST = "workspaces/<str:ws>/environments"

api_routes = [
    path(_LIST, api.Environments.as_view(), name="environments"),
    path(f"{_LIST}/<str:name>", api.EnvironmentDetail.as_view(), name="environment"),
    path(f"{_LIST}/<str:name>/versions/<int:version>", api.VersionDetail.as_view(), name="environment_version"),
]

pages = [
    path("w/<str:ws>/environments", views.environments, name="environments"),
    path("w/<str:ws>/environments/new", views.register, name="environment_register"),
    path("w/<str:ws>/environments/<str:name>", views.environment, name="environment"),
]
