"""zaffre experiment list"""

from __future__ import annotations

import argparse
from typing import Any

from zaffre.cli.common import age, noun, table, tell, verb, workspace_of


def add(nouns: Any) -> None:
    verbs = noun(nouns, "experiment", "Runs that belong together.")
    verb(verbs, "list", _list, "The experiments of the workspace.")


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/experiments")["experiments"]
    rows = [(one["name"], one.get("runs"), age(one.get("created")), one.get("description")) for one in found]
    heads = ("name", "runs", "created", "description")
    tell(options, {"experiments": found}, lambda: table(heads, rows, empty="There are none."))
    return 0
