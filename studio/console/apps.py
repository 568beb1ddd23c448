from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "studio.console"
    label = "console"
