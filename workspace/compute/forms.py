"""What machines say of themselves, made safe to keep and to show: known words only, plain values, bounded."""

import math
from collections.abc import Mapping
from typing import Any

MAX_NAME = 80
MAX_WORD = 120
MAX_SLOTS = 256
MAX_LOG = 20_000
#: Above any machine of today; a bigger number is a mistake or a joke.
_MOST = 1e9

MAX_GPUS = 64
MAX_LABELS = 32
MAX_LIST = 16

_WORDS = ("python", "platform", "version", "address")
_NUMBERS = ("cpu", "memory_gb", "disk_free_gb", "slots")
_LISTS = ("pythons", "engines")
#: What a word that is none of these means is unknown, and unknown is not safe.
_CHOICES = {"isolation": ("none", "uid", "bubblewrap"), "limits": ("none", "rlimit", "cgroup1", "cgroup2")}
_LOADS = ("cpu", "memory", "gpu", "disk")


def clean_node_name(name: object) -> str:
    """The name of a node on one line, cut to 80 characters; `node` when nothing is left of it."""
    return line_of(name, MAX_NAME) or "node"


def clean_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What an agent reported about its machine. Unknown words and values that are not plain are left out.

    Always there: `slots`, `gpus` [{name, memory_gb}], `pythons`, `engines`, `labels`, `isolation`, `limits`.
    """
    kept: dict[str, Any] = {}
    for key in _NUMBERS:
        number = _number(facts.get(key))
        if number is not None:
            kept[key] = number
    for key in _WORDS:
        word = line_of(facts.get(key), MAX_WORD)
        if word:
            kept[key] = word
    for key in _LISTS:
        kept[key] = [word for word in (line_of(one, MAX_WORD) for one in _list(facts.get(key), MAX_LIST)) if word]
    for key, choices in _CHOICES.items():
        kept[key] = found if (found := facts.get(key)) in choices else "none"
    kept["gpus"] = [_gpu(one) for one in _list(facts.get("gpus"), MAX_GPUS) if isinstance(one, Mapping)]
    kept["labels"] = _labels(facts.get("labels"))
    kept["slots"] = slots_of(facts)
    return kept


def clean_load(load: Mapping[str, Any]) -> dict[str, float]:
    """How busy a machine says it is: shares from 0, which may be over 1."""
    found = {key: _number(load.get(key)) for key in _LOADS}
    return {key: round(min(float(value), 1000.0), 3) for key, value in found.items() if value is not None}


def clean_log(text: object) -> str:
    """The end of an agent's log, as it may be stored and shown: without NULs, at most some kilobytes."""
    kept = text[-MAX_LOG:] if isinstance(text, str) else ""
    return kept.encode("utf-8", "replace").decode().replace("\0", " ")


def slots_of(facts: Mapping[str, Any]) -> int:
    """How many runs a machine takes at the same time: 1 to 256."""
    slots = _number(facts.get("slots"))
    return max(1, min(int(slots or 1), MAX_SLOTS))


def _list(value: object, most: int) -> list[Any]:
    return value[:most] if isinstance(value, list) else []


def _gpu(told: Mapping[str, Any]) -> dict[str, str | int | float]:
    return {"name": line_of(told.get("name"), MAX_WORD) or "GPU", "memory_gb": _number(told.get("memory_gb")) or 0}


def _labels(told: object) -> dict[str, str]:
    if not isinstance(told, Mapping):
        return {}
    pairs = [(line_of(key, MAX_WORD), line_of(value, MAX_WORD)) for key, value in list(told.items())[:MAX_LABELS]]
    return {key: value for key, value in pairs if key}


def _number(value: object) -> int | float | None:
    # A bool is an int for Python, and no number for us.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is converted: an int of a thousand digits does not fit a float.
    if not -1 < value < _MOST or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return max(value, 0)


def line_of(value: object, most: int) -> str:
    """A text on one line, without what cannot be printed, cut to `most` characters; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in value[: most * 4]).strip()[:most].strip()


def posted_settings(kind: str, form: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a page's form holds for this kind, as `kinds.clean_settings` takes them."""
    words = {
        "cluster": ("provider", "min_nodes", "max_nodes", "idle_seconds_before_scaledown", "priority"),
        "instance": ("provider", "idle_minutes"),
    }.get(kind, ())
    found: dict[str, Any] = {word: form[word] for word in words if word in form}
    if kind == "instance" and "time_zone" in form:
        found["schedule"] = {word: form.get(word, "") for word in ("start", "stop", "time_zone")}
    size = {word: form[word] for word in ("cpus", "memory_gb", "slots") if word in form}
    return found | ({"node": size} if size and words else {})


def posted_tags(form: Mapping[str, str]) -> dict[str, str]:
    """The tags of a page's form: one on each line, `name=value`; the value may be missing."""
    lines = [line.strip() for line in form.get("tags", "").splitlines()]
    pairs = [line.partition("=") for line in lines if line]
    return {name.strip(): value.strip() for name, _, value in pairs}
