from django.apps import AppConfig


class MetricsConfig(AppConfig):
    name = "runs.metrics"
    label = "metrics"
