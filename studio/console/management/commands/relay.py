"""`manage.py relay`: the process that sends the outbox and gives up lost leases."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from studio.relay import Relay


class Command(BaseCommand):
    help = "Send the outbox, give up lost leases, repeat hints. Several may run: one works, the others wait."

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay()
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, relay.stop)
        relay.run()
