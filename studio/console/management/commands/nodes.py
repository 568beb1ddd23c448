"""`manage.py nodes`: the process that starts and stops the nodes of clusters and instances."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from studio.machines import Machines


class Command(BaseCommand):
    help = "Keep the machines of nodes as they are wanted. Several may run: one works, the others wait."

    def handle(self, *args: Any, **options: Any) -> None:
        machines = Machines()
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, machines.stop)
        machines.run()
