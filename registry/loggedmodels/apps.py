from django.apps import AppConfig


class LoggedModelsConfig(AppConfig):
    name = "registry.loggedmodels"
    label = "loggedmodels"
