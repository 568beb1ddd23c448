"""`manage.py fsck`: read every stored file and name those that are not what they were."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from studio.console.names import NAMES
from studio.kernel import store


class Command(BaseCommand):
    help = "Check the SHA-256 of every stored file; name what is damaged or missing, and who owns it. Exit code 1 then."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--set-aside",
            action="store_true",
            help="move damaged files to blobs/damaged, so that whoever sends the same bytes again repairs them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for one in store.check(NAMES, set_aside=options["set_aside"]):
            count += 1
            self.stdout.write(f"{one.sha256} {one.what}: {'; '.join(one.named_by)}")
        self.stdout.write(f"{count} of the stored files are damaged." if count else "All stored files are whole.")
        if count:
            sys.exit(1)
