from django.apps import AppConfig


class LogsConfig(AppConfig):
    name = "runs.logs"
    label = "logs"
