"""zaffre node start, status: the agent of a compute target's node."""

from __future__ import annotations

import argparse
from typing import Any


def add(nouns: Any) -> None:
    from zaffre.agent import command

    text = "Let this machine work for a compute target."
    parser = nouns.add_parser("node", help=text, description=text)
    command.add_arguments(parser)
    parser.set_defaults(handle=_run)


def _run(options: argparse.Namespace) -> int:
    from zaffre.agent import command

    return command.run(options)
