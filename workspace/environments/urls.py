from django.urls import path

from workspace.environments import agent_api, api, views

_LIST = "workspaces/<str:ws>/environments"
_PAGE = "w/<str:ws>/environments/<str:name>"

api_routes = [
    path(_LIST, api.Environments.as_view(), name="environments"),
    path(f"{_LIST}/<str:name>", api.EnvironmentDetail.as_view(), name="environment"),
    path(f"{_LIST}/<str:name>/versions/<int:version>", api.VersionDetail.as_view(), name="environment_version"),
    path(f"{_LIST}/<str:name>/versions/<int:version>/lock", api.LockDetail.as_view(), name="environment_version_lock"),
    path(f"{_LIST}/<str:name>/diff", api.Comparison.as_view(), name="environment_diff"),
    path(f"{_LIST}/<str:name>/builds", api.Builds.as_view(), name="environment_builds"),
    path(f"{_LIST}/<str:name>/builds/<str:build>", api.BuildDetail.as_view(), name="environment_build"),
    path(f"{_LIST}/<str:name>/builds/<str:build>/cancel", api.BuildCancel.as_view(), name="environment_build_cancel"),
]

agent_routes = [
    path("builds/sync", agent_api.Sync.as_view(), name="builds_sync"),
    path("environments/<int:version>/locks", agent_api.Locks.as_view(), name="environment_locks"),
    path("environments/<int:version>/locks/<str:sha256>", agent_api.Lock.as_view(), name="environment_lock"),
    path("environments/<int:version>/builds", agent_api.Builds.as_view(), name="environment_built"),
]

pages = [
    path("w/<str:ws>/environments", views.environments, name="environments"),
    path("w/<str:ws>/environments/new", views.register, name="environment_register"),
    path(_PAGE, views.environment, name="environment"),
    path(f"{_PAGE}/packages", views.packages, name="environment_packages"),
    path(f"{_PAGE}/builds", views.builds, name="environment_builds"),
    path(f"{_PAGE}/builds/start", views.start_build, name="environment_build_start"),
    path(f"{_PAGE}/builds/<str:build>", views.build, name="environment_build"),
    path(f"{_PAGE}/builds/<str:build>/cancel", views.cancel_build, name="environment_build_cancel"),
    path(f"{_PAGE}/used", views.used, name="environment_used"),
    path(f"{_PAGE}/diff", views.diff, name="environment_diff"),
]
