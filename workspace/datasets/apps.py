from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "workspace.datasets"
    label = "datasets"
