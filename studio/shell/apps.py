from django.apps import AppConfig


class ShellConfig(AppConfig):
    name = "studio.shell"
    label = "shell"
