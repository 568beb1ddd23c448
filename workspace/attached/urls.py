from django.urls import path

from workspace.attached import api, host_api, host_views, views

_API = "workspaces/<str:ws>/compute/<str:name>/attachment"
_TARGET = "workspaces/<str:ws>/compute/<str:name>"
_HOSTS = "w/<str:ws>/compute/<str:name>/hosts"
_PAGE = "w/<str:ws>/compute/<str:name>/machine"

api_routes = [
    path(_API, api.Attached.as_view(), name="attachment"),
    path(f"{_API}/confirm", api.Confirm.as_view(), name="attachment_confirm"),
    path(f"{_API}/again", api.Again.as_view(), name="attachment_again"),
    path(f"{_TARGET}/pool", host_api.Pool.as_view(), name="pool"),
    path(f"{_TARGET}/hosts", host_api.Hosts.as_view(), name="hosts"),
    path(f"{_TARGET}/hosts/<int:host>", host_api.HostDetail.as_view(), name="host"),
    path(f"{_TARGET}/hosts/<int:host>/confirm", host_api.Confirm.as_view(), name="host_confirm"),
    path(f"{_TARGET}/hosts/<int:host>/again", host_api.Again.as_view(), name="host_again"),
]

pages = [
    path("w/<str:ws>/compute-pool", host_views.new, name="pool_new"),
    path(_HOSTS, host_views.hosts, name="target_hosts"),
    path(f"{_HOSTS}/<str:verb>", host_views.change, name="hosts_change"),
    path(f"{_HOSTS}/<int:host>/<str:verb>", host_views.host, name="host_verb"),
    path("w/<str:ws>/compute-attach", views.attach, name="machine_attach"),
    path(_PAGE, views.machine, name="machine"),
    path(f"{_PAGE}/confirm", views.confirm, name="machine_confirm"),
    path(f"{_PAGE}/again", views.again, name="machine_again"),
    path(f"{_PAGE}/credential", views.credential, name="machine_credential"),
    path(f"{_PAGE}/detach", views.detach, name="machine_detach"),
    path(f"{_PAGE}/forget", views.forget, name="machine_forget"),
]
