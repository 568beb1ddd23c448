from django.urls import path

from registry.endpoints import agent_api, api, hot, views
from studio.kernel.hot import route

_LIST = "workspaces/<str:ws>/endpoints"
_ENDPOINT = f"{_LIST}/<str:name>"
_PAGE = "w/<str:ws>/endpoints"

hot_routes = [
    route("GET", "/agent/v1/replicas/<replica>/blobs/<sha256>", hot.get_blob),
    route("POST", "/agent/v1/replicas/<replica>/blobs/pack", hot.pack),
]

api_routes = [
    path(_LIST, api.Endpoints.as_view(), name="endpoints"),
    path(_ENDPOINT, api.EndpointDetail.as_view(), name="endpoint"),
    path(f"{_ENDPOINT}/deployments", api.Deployments.as_view(), name="deployments"),
    path(f"{_ENDPOINT}/keys", api.Keys.as_view(), name="endpoint_keys"),
]

agent_routes = [
    path("replicas/sync", agent_api.Sync.as_view(), name="replicas_sync"),
]

pages = [
    path(_PAGE, views.endpoints, name="endpoints"),
    path(f"{_PAGE}/deploy", views.deploy, name="endpoint_deploy"),
    path(f"{_PAGE}/<str:name>", views.endpoint, name="endpoint"),
    path(f"{_PAGE}/<str:name>/keys", views.regenerate, name="endpoint_regenerate"),
    path(f"{_PAGE}/<str:name>/delete", views.delete, name="endpoint_delete"),
]
