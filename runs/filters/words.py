"""What can be compared: kinds of keys, attributes, operators, states in both words, and what a wrong word meant."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from zaffre.protocol import (
    CANCEL_REQUESTED,
    CANCELED,
    COMPLETED,
    FAILED,
    FINALIZING,
    NOT_STARTED,
    PREPARING,
    QUEUED,
    RUNNING,
    STARTING,
)

#: {word before the dot: kind}.
KINDS = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("property", "properties"), "property"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
#: The usual word of each kind that has keys of its own.
PLURALS = {"metric": "metrics", "param": "params", "tag": "tags", "property": "properties"}
#: {attribute of a run: what its values are}. Times are milliseconds since 1970, lengths seconds.
RUN_ATTRIBUTES: Mapping[str, str] = {
    "name": "text",
    "status": "status",
    "experiment": "text",
    "user": "text",
    "created": "time",
    "started": "time",
    "ended": "time",
    "duration": "length",
    "target": "text",
    "environment": "text",
    "number": "number",
    "kind": "text",
    "parent": "text",
    "description": "text",
    "reason": "text",
    "attempt": "number",
    "exit_code": "number",
    "id": "text",
    "run_id": "text",
    "run_name": "text",
    "user_id": "text",
    "start_time": "time",
    "end_time": "time",
    "lifecycle_stage": "text",
    "artifact_uri": "text",
}
ALIASES = {
    "Run ID": "run_id",
    "Run Name": "run_name",
    "run name": "run_name",
    "Created": "created",
    "Status": "status",
}
OF_DATASETS = ("name", "digest", "context")
COMPARED = ("=", "!=", "<", "<=", ">", ">=")
_SETS = ("IN", "NOT IN")
_NULLS = ("IS NULL", "IS NOT NULL")
_PATTERNS = ("LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE")
REGEX = ("~", "!~")
#: {what the values are: the operators}.
OPERATORS = {
    "number": (*COMPARED, *_SETS, *_NULLS),
    "time": (*COMPARED, *_NULLS),
    "length": (*COMPARED, *_NULLS),
    "status": ("=", "!=", *_SETS, *_PATTERNS, *_NULLS),
    "text": ("=", "!=", *_SETS, *_PATTERNS, *REGEX, *_NULLS),
    # A parameter is a text that may look like a number.
    "loose": (*COMPARED, *_SETS, *_PATTERNS, *REGEX, *_NULLS),
}
#: {our state: MLflow's word}.
STATES = {
    NOT_STARTED: "SCHEDULED",
    QUEUED: "SCHEDULED",
    STARTING: "RUNNING",
    PREPARING: "RUNNING",
    RUNNING: "RUNNING",
    FINALIZING: "RUNNING",
    CANCEL_REQUESTED: "RUNNING",
    COMPLETED: "FINISHED",
    FAILED: "FAILED",
    CANCELED: "KILLED",
}


def values_of(kind: str, key: str, attributes: Mapping[str, str]) -> str:
    """What the values of a field are: number, time, length, status, text, or loose."""
    if kind == "attribute":
        return attributes[key]
    return {"metric": "number", "dataset": "text"}.get(kind, "loose")


def guessed(name: str) -> str:
    """What the values of an attribute are, by its name."""
    if name.removesuffix("_ms").endswith(("_time", "_timestamp")) or name in ("timestamp", "created"):
        return "time"
    return "number" if name == "version_number" else "text"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, None when none is near."""
    small = {name.lower(): name for name in known}
    found = get_close_matches(word[:100].lower(), list(small), n=1, cutoff=0.6)
    return small[found[0]] if found else None


def is_state(word: str) -> bool:
    return word in STATES.values() or word.lower() in STATES


def states(op: str, value: object, *, theirs: bool) -> tuple[str, ...]:
    """Our states that fit. In capitals a word is MLflow's, else ours.

    `theirs`: patterns are held against MLflow's words only, as its own server does.
    """
    if isinstance(value, tuple):
        chosen = {state for one in value for state in _named(str(one))}
        return tuple(state for state in STATES if (state in chosen) == (op == "IN"))
    if op in {"=", "!="}:
        named = _named(str(value))
        return tuple(state for state in STATES if (state in named) == (op == "="))
    plain = op.removeprefix("NOT ")
    pieces = re.sub("%+", "%", str(value))
    pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pieces)
    flags = (re.IGNORECASE if plain == "ILIKE" else re.NOFLAG) | re.DOTALL
    words = {state: [word] if theirs else [state, word] for state, word in STATES.items()}
    fits = {state for state in STATES if any(re.fullmatch(pattern, one, flags) for one in words[state])}
    return tuple(state for state in STATES if (state in fits) == (plain == op))


def _named(word: str) -> set[str]:
    of_theirs = {state for state, theirs in STATES.items() if theirs == word}
    return of_theirs or {word.lower()} & set(STATES)
