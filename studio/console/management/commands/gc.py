"""`manage.py gc`: remove files that nothing names any more."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from studio.console.names import NAMES
from studio.kernel import store


class Command(BaseCommand):
    help = (
        "Remove files that no snapshot, artifact, dataset or model has named for a day, and uploads that were given "
        "up. The studio does this by itself every hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--grace",
            type=float,
            default=settings.BLOB_GRACE_SECONDS,
            help="seconds since a file was first found to be named by nothing; below an hour, uploads may fail",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        done = store.collect(NAMES, grace=max(0.0, options["grace"]))
        if done is None:
            self.stdout.write("Another collection is at work.")
            return
        self.stdout.write(
            f"Removed {done.files} files ({done.size} bytes) and {done.staged} given-up uploads; "
            f"{done.unnamed} more are named by nothing since now."
        )
