"""The steps of an attempt as its run keeps them: by our clock, and what the node says of how long ago it was."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from runs import forms, notes

MAX_NOTE = 500
MAX_STEPS = 40
#: Reports wait a moment to travel together; anything older is a clock that is wrong.
MOST_AGO = 3600.0


def with_steps(steps: Sequence[dict[str, Any]], told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """`steps` after those that were `told`, each {name, state, note, said, ago}: a known name is one step."""
    kept = [dict(step) for step in steps]
    for one in told:
        _tell(kept, one)
    return kept


def _tell(kept: list[dict[str, Any]], told: dict[str, Any]) -> None:
    name, state = forms.clean_text(str(told.get("name", "")), 40), forms.clean_text(str(told.get("state", "")), 20)
    ago = min(float(told.get("ago") or 0), MOST_AGO)
    moment = (timezone.now() - timedelta(seconds=ago)).isoformat()
    known = next((step for step in kept if step["name"] == name), None)
    if known is None and len(kept) < MAX_STEPS:
        known = {"name": name, "started": moment, "ended": None}
        kept.append(known)
    if known is not None:
        known["state"] = state
        if told.get("note"):
            known["said"] = notes.kept(told.get("said"))
        known["note"] = forms.clean_text(str(told.get("note") or known.get("note") or ""), MAX_NOTE)
        if state != "running":
            known["ended"] = moment
