from django.urls import path

from workspace.webhooks import api, views

_API = "workspaces/<str:ws>/webhooks"
_PAGE = "w/<str:ws>/webhooks"

api_routes = [
    path(_API, api.Webhooks.as_view(), name="webhooks"),
    path(f"{_API}/<str:webhook>", api.WebhookDetail.as_view(), name="webhook"),
    path(f"{_API}/<str:webhook>/test", api.WebhookTest.as_view(), name="webhook_test"),
    path(f"{_API}/<str:webhook>/deliveries", api.Deliveries.as_view(), name="webhook_deliveries"),
]

pages = [
    path(_PAGE, views.webhooks, name="webhooks"),
    path(f"{_PAGE}/new", views.create, name="webhook_create"),
    path(f"{_PAGE}/<str:webhook>", views.webhook, name="webhook"),
    path(f"{_PAGE}/<str:webhook>/change", views.change, name="webhook_change"),
    path(f"{_PAGE}/<str:webhook>/test", views.test, name="webhook_test"),
    path(f"{_PAGE}/<str:webhook>/delete", views.delete, name="webhook_delete"),
]
