from django.apps import AppConfig


class OriginsConfig(AppConfig):
    name = "runs.origins"
    label = "origins"
