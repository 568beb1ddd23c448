"""`manage.py secrets`: the key ring behind the secrets of all workspaces."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio.kernel import keyring
from studio.kernel.actors import SYSTEM
from studio.kernel.errors import Unavailable
from studio.kernel.keyring import BadRing
from workspace.secrets import queries, services


class Command(BaseCommand):
    help = "Keys that encrypt what people keep in key vaults: list them, add one, change to another one."

    def add_arguments(self, parser: CommandParser) -> None:
        words = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        words.add_parser("keys", help="which keys there are, which one encrypts, and how many values each holds")
        add = words.add_parser("add-kek", help="put a new random key into the ring's file; it encrypts nothing yet")
        add.add_argument("id")
        text = "encrypt with another key of the ring, and put everything under it; the studio goes on meanwhile"
        rotate = words.add_parser("rotate-kek", help=text)
        rotate.add_argument("--to", required=True, metavar="ID", help="a key of the ring")
        rotate.add_argument(
            "--check", action="store_true", help="change nothing; end with 1 while another key is still needed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            {"keys": self._keys, "add-kek": self._add, "rotate-kek": self._rotate}[options["verb"]](options)
        except BadRing as problem:
            raise CommandError(f"The key ring: {problem}") from None
        except Unavailable as problem:
            raise CommandError(" ".join(filter(None, [problem.message, problem.hint]))) from None

    def _keys(self, options: dict[str, Any]) -> None:
        ring, used = keyring.read(), queries.count_by_key(actor=SYSTEM)
        for name in sorted({*ring.keys, *used}):
            state = "encrypts" if name == ring.active else "reads" if name in ring.keys else "MISSING"
            self.stdout.write(f"{name:<24} {state:<10} {used.get(name, 0)} values")

    def _add(self, options: dict[str, Any]) -> None:
        keyring.add(options["id"])
        self.stdout.write(
            f"The ring has a key {options['id']}. Keep a copy of the ring apart from the backups of the database, "
            f"then: manage.py secrets rotate-kek --to {options['id']}"
        )

    def _rotate(self, options: dict[str, Any]) -> None:
        to = options["to"]
        if options["check"]:
            self._check(to)
            return
        if not keyring.activate(to):
            raise CommandError(f"ZAFFRE_ACTIVE_KEK names another key: set it to {to} for every process first.")
        done = services.rewrap_all(to, actor=SYSTEM)
        self.stdout.write(f"{done} values were put under {to}.")
        self._check(to)

    def _check(self, to: str) -> None:
        left = {name: number for name, number in queries.count_by_key(actor=SYSTEM).items() if name != to}
        if keyring.read().active != to:
            raise CommandError(f"{keyring.read().active} still encrypts: manage.py secrets rotate-kek --to {to}")
        if left:
            told = ", ".join(f"{name} ({number} values)" for name, number in sorted(left.items()))
            raise CommandError(f"Still needed besides {to}: {told}. Run manage.py secrets rotate-kek --to {to} again.")
        self.stdout.write(f"Everything is under {to}: no other key of the ring is needed for it any more.")
