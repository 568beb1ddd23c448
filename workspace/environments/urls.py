from django.urls import path

from workspace.environments import agent_api, api, views

_LIST = "workspaces/<str:ws>/environments"

api_routes = [
    path(_LIST, api.Environments.as_view(), name="environments"),
    path(f"{_LIST}/<str:name>", api.EnvironmentDetail.as_view(), name="environment"),
    path(f"{_LIST}/<str:name>/versions/<int:version>", api.VersionDetail.as_view(), name="environment_version"),
]

agent_routes = [
    path("environments/<int:version>/locks", agent_api.Locks.as_view(), name="environment_locks"),
    path("environments/<int:version>/locks/<str:sha256>", agent_api.Lock.as_view(), name="environment_lock"),
    path("environments/<int:version>/builds", agent_api.Builds.as_view(), name="environment_built"),
]

pages = [
    path("w/<str:ws>/environments", views.environments, name="environments"),
    path("w/<str:ws>/environments/new", views.register, name="environment_register"),
    path("w/<str:ws>/environments/<str:name>", views.environment, name="environment"),
]
