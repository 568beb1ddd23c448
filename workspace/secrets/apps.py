from django.apps import AppConfig


class SecretsConfig(AppConfig):
    name = "workspace.secrets"
    label = "secrets"
