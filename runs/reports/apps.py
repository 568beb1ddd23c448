from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "runs.reports"
    label = "reports"
