from django.urls import path

from runs.queues import api, views

_RUN = "workspaces/<str:ws>/runs/<str:run>"

api_routes = [
    path("workspaces/<str:ws>/compute/<str:name>/queue", api.Queue.as_view(), name="target_queue"),
    path("workspaces/<str:ws>/quotas", api.Quotas.as_view(), name="quotas"),
    path(f"{_RUN}/priority", api.Priority.as_view(), name="run_priority"),
    path(f"{_RUN}/give-up", api.GiveUp.as_view(), name="run_give_up"),
]

pages = [
    path("w/<str:ws>/usage", views.usage, name="usage"),
    path("w/<str:ws>/compute/<str:name>/queue", views.queue, name="target_queue"),
    path("w/<str:ws>/runs/<str:run>/priority", views.prioritize, name="run_prioritize"),
    path("w/<str:ws>/runs/<str:run>/give-up", views.give_up, name="run_give_up"),
]
