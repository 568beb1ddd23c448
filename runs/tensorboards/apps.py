from django.apps import AppConfig


class TensorboardsConfig(AppConfig):
    name = "runs.tensorboards"
    label = "tensorboards"
