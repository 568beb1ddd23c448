from django.apps import AppConfig


class AttachedConfig(AppConfig):
    name = "workspace.attached"
    label = "attached"
