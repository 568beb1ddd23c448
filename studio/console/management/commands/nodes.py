"""`manage.py nodes`: the process that starts and stops nodes, and looks after machines over SSH."""

import os
import signal
from typing import Any

from django.core.management.base import BaseCommand

from studio.attached import Attached
from studio.machines import Machines


class Command(BaseCommand):
    help = "Keep nodes and attached machines as they are wanted. Several may run: one works, the others wait."

    def handle(self, *args: Any, **options: Any) -> None:
        machines, attached = Machines(), Attached()

        def stop(*_: object) -> None:
            machines.stop()
            attached.stop()

        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, stop)
        attached.start()
        machines.run()
        if not attached.ended():
            os._exit(0)
