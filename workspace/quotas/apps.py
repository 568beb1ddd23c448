from django.apps import AppConfig


class QuotasConfig(AppConfig):
    name = "workspace.quotas"
    label = "quotas"
