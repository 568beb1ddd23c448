from django.urls import path

from workspace.attached import api, views

_API = "workspaces/<str:ws>/compute/<str:name>/attachment"
_PAGE = "w/<str:ws>/compute/<str:name>/machine"

api_routes = [
    path(_API, api.Attached.as_view(), name="attachment"),
    path(f"{_API}/confirm", api.Confirm.as_view(), name="attachment_confirm"),
    path(f"{_API}/again", api.Again.as_view(), name="attachment_again"),
]

pages = [
    path("w/<str:ws>/compute-attach", views.attach, name="machine_attach"),
    path(_PAGE, views.machine, name="machine"),
    path(f"{_PAGE}/confirm", views.confirm, name="machine_confirm"),
    path(f"{_PAGE}/again", views.again, name="machine_again"),
    path(f"{_PAGE}/credential", views.credential, name="machine_credential"),
    path(f"{_PAGE}/detach", views.detach, name="machine_detach"),
    path(f"{_PAGE}/forget", views.forget, name="machine_forget"),
]
