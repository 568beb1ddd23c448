"""zaffre workspace list"""

from __future__ import annotations

import argparse
from typing import Any

from zaffre.cli.common import login_of, noun, table, tell, verb


def add(nouns: Any) -> None:
    verbs = noun(nouns, "workspace", "Where teams keep what is theirs.")
    verb(verbs, "list", _list, "Your workspaces.")


def _list(options: argparse.Namespace) -> int:
    from zaffre.transport import Client

    login = login_of(options)
    found = Client(login.url, login.token, patience=5).get("/api/v1/workspaces")
    rows = [
        ("*" if one["slug"] == login.workspace else "", one["slug"], one["name"], one["role"])
        for one in found["workspaces"]
    ]
    tell(options, found, lambda: table(("", "slug", "name", "role"), rows, empty="You are a member of none."))
    return 0
