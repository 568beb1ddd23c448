import contextlib
import faulthandler
import signal
import sys

from django.apps import AppConfig


class KernelConfig(AppConfig):
    name = "studio.kernel"
    label = "kernel"

    def ready(self) -> None:
        """`kill -USR2 <pid>` writes what each thread is doing into the log of a process that does not answer."""
        if sys.__stderr__ is not None:
            with contextlib.suppress(OSError, ValueError):  # it is no file
                faulthandler.register(signal.SIGUSR2, file=sys.__stderr__, all_threads=True)
