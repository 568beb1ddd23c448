"""The steps of an attempt as its run keeps them: by our clock, and what the node says of how long ago it was."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from runs import forms

MAX_NOTE = 500
MAX_STEPS = 40
#: Of a note as a code with its facts.
MAX_FACTS, MAX_TEXT, MAX_LIST = 8, 300, 5
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
            known["said"] = _kept(told.get("said"))
        known["note"] = forms.clean_text(str(told.get("note") or known.get("note") or ""), MAX_NOTE)
        if state != "running":
            known["ended"] = moment


def _kept(said: object) -> dict[str, Any] | None:
    """What a node said, as it may be stored: a few numbers and short texts."""
    if not isinstance(said, Mapping) or not isinstance(said.get("code"), str) or len(said) > MAX_FACTS:
        return None
    found = {forms.clean_text(str(name), 40): _fact(value) for name, value in said.items()}
    return {name: value for name, value in found.items() if value is not None}


def _fact(value: object) -> Any:
    if isinstance(value, bool | int):
        return max(-(2**53), min(int(value), 2**53))
    if isinstance(value, str):
        return forms.clean_text(value, MAX_TEXT)
    if isinstance(value, list):
        return [forms.clean_text(str(one), MAX_TEXT) for one in value[:MAX_LIST]]
    return None
