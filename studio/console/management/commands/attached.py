"""`manage.py attached`: the process that looks after machines over SSH."""

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from studio.attached import Attached


class Command(BaseCommand):
    help = "Keep agents on attached machines. Several may run: one works, the others wait."

    def handle(self, *args: Any, **options: Any) -> None:
        work = Attached()
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, work.stop)
        asyncio.run(work.run())
