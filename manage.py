#!/usr/bin/env python3
"""`manage.py up` and `manage.py dev` start the whole studio; anything else is a Django command."""

import os
import sys


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in {"up", "dev"}:
        # The supervisor must not load Django: it would cost its start a second, and its environment is for others.
        from studio.stack.up import main as up  # noqa: PLC0415

        raise SystemExit(up(reload=command == "dev"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
