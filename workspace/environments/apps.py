from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    name = "workspace.environments"
    label = "environments"
