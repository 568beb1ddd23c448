from django.apps import AppConfig


class BinConfig(AppConfig):
    name = "runs.bin"
    label = "bin"
