from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "workspace.webhooks"
    label = "webhooks"
