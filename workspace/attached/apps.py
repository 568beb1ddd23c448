from importlib import import_module

from django.apps import AppConfig

from workspace.compute.providers import add_provider


class AttachedConfig(AppConfig):
    name = "workspace.attached"
    label = "attached"

    def ready(self) -> None:
        # Imported when it is asked for: it needs the models, and SSH.
        add_provider("ssh", lambda: import_module("workspace.attached.pool").Pool())
        words = import_module("workspace.attached.words")
        told = import_module("workspace.compute.words")
        for code in (words.NO_HOST, words.HOST_FAILED):
            told.add_sentence(code, words.of_hosts)
        told.add_sentence(told.MACHINE, words.of_machine)
