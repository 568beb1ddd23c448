"""zaffre run reproduce: the same once more, and whether the numbers agree"""

from __future__ import annotations

import argparse
from typing import Any, Dict, Optional

from zaffre.cli.common import age, note, table, tell, verb, workspace_of


def add(verbs: Any) -> None:
    again = verb(verbs, "reproduce", _reproduce, "Run the same code, environment, data and words again.")
    again.add_argument("run", metavar="RUN", help="the id of the run")
    again.add_argument("--target", metavar="NAME", help="another compute target than the run had")
    again.add_argument("--close", type=float, default=1e-6, metavar="X", help="relative difference that still agrees")
    again.add_argument("--no-wait", action="store_true", help="submit it and return; its page compares the numbers")


def hint(run: Any) -> None:
    """Say so when an identical run completed before."""
    same = run.known.get("same_as")
    if same:
        note(f"An identical run completed {age(same['ended'])}: {same['name']} ({same['id']}).")
        note(f"If its result will do: zaffre run cancel {run.id}")


def _reproduce(options: argparse.Namespace) -> int:
    from zaffre import following
    from zaffre.core.run import Run

    made = Run.get(workspace_of(options), options.run).reproduce(options.target)
    if options.no_wait:
        tell(options, made.known, lambda: f"Submitted run {made.id}\n{made.get_portal_url()}")
        return 0
    note(f"Run {made.id} · {made.get_portal_url()}")
    found = following.follow(
        made.client, made.workspace.name, made.id, write=lambda _: None, note=lambda text: note(f"· {text}")
    )
    told = made.agreement(close=options.close)
    tell(options, told, lambda: _text(told))
    if found["status"] != "completed":
        note(f"zaffre: the new run is {found['status']}; see zaffre run logs {made.id}")
        return 1
    return 1 if told["agrees"] is False else 0


def _text(told: Dict[str, Any]) -> str:
    same = ", ".join(f"{what} {'the same' if yes else 'NOT THE SAME'}" for what, yes in told["same"].items())
    rows = [
        (one["key"], _number(one["first"]), _number(one["second"]), _part(one["relative"]), one["verdict"])
        for one in told["metrics"]
    ]
    heads = ("metric", told["other"]["name"], told["run"]["name"], "difference", "")
    verdict = {True: "The numbers agree.", False: "The numbers differ.", None: "There is nothing to compare."}
    return f"{same}\n\n{table(heads, rows, empty='No numbers were logged.')}\n\n{verdict[told['agrees']]}"


def _number(value: Optional[float]) -> str:
    return "–" if value is None else f"{value:.6g}"


def _part(value: Optional[float]) -> str:
    return "–" if value is None else "0" if value == 0 else f"{value:+.2e}"
