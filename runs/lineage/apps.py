from django.apps import AppConfig


class LineageConfig(AppConfig):
    name = "runs.lineage"
    label = "lineage"
