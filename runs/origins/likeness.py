"""When two runs do the same work, and whether their numbers agree. Pure thinking."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zaffre.protocol import SYSTEM_PREFIX

#: What of a configuration decides the result. Where a run is carried out, how long it may take and how often it is
#: tried again do not.
DECIDES = ("script", "command", "arguments", "environment_variables", "node_count", "distribution")
#: Relative difference up to which two numbers are called close: sums in another order differ by less.
CLOSE = 1e-6
EQUAL, NEAR, DIFFERENT, MISSING = "equal", "close", "different", "missing"


def digest(*, snapshot: str, environment: str, inputs: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The SHA-256 of what decides a run's result: code, environment and data by their content, and the words.

    `snapshot` and `environment` are digests, `inputs` are {name: {version_id, mode}}.
    """
    told = {
        "snapshot": snapshot,
        "environment": environment,
        "inputs": {name: [one["version_id"], one.get("mode")] for name, one in inputs.items()},
        "config": {key: config[key] for key in DECIDES if config.get(key)},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Pair:
    """One metric in both runs: last values (None where it is not a number or not there), and the verdict."""

    key: str
    first: float | None
    second: float | None
    verdict: str

    @property
    def relative(self) -> float | None:
        """The difference as a part of the first value; None where that says nothing."""
        if self.first is None or self.second is None or not math.isfinite(self.first) or not self.first:
            return None
        return (self.second - self.first) / abs(self.first)


def compare(
    first: Mapping[str, Mapping[str, Any]], second: Mapping[str, Mapping[str, Any]], *, close: float = CLOSE
) -> list[Pair]:
    """The metrics of two runs by name, from their summaries; what the machine was doing is left out."""
    keys = sorted(key for key in {*first, *second} if not key.startswith(SYSTEM_PREFIX))
    pairs = []
    for key in keys:
        one, other = (_number((side.get(key) or {}).get("last")) for side in (first, second))
        if one is None and other is None:
            continue
        pairs.append(Pair(key, one, other, _verdict(one, other, close)))
    return pairs


def agrees(pairs: list[Pair]) -> bool | None:
    """Whether all numbers are equal or close; None when there is none to say it."""
    return all(pair.verdict in (EQUAL, NEAR) for pair in pairs) if pairs else None


def _verdict(one: float | None, other: float | None, close: float) -> str:
    if one is None or other is None:
        return MISSING
    if one == other or (math.isnan(one) and math.isnan(other)):
        return EQUAL
    return NEAR if math.isclose(one, other, rel_tol=close) else DIFFERENT


def _number(value: object) -> float | None:
    """A last value as summaries hold it: a number, or the name of one that is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None
