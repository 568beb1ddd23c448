from django.apps import AppConfig


class ComputeConfig(AppConfig):
    name = "workspace.compute"
    label = "compute"
