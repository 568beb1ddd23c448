from django.apps import AppConfig


class KernelConfig(AppConfig):
    name = "studio.kernel"
    label = "kernel"
