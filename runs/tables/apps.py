from django.apps import AppConfig


class TablesConfig(AppConfig):
    name = "runs.tables"
    label = "tables"
