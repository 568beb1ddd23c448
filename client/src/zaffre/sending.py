"""Sending batches of what was logged. Of one that the studio refuses, what it named is left out and the rest sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple, Type, TypeVar

from zaffre.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from zaffre.transport import Client

_ANSWER_SECONDS = 10.0
#: Codes of a 409 that mean: this attempt no longer owns its run.
_FENCING = frozenset({"stale_attempt", "final"})
#: A batch in which more than this is wrong is let go.
MOST_WRONG = 100

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def salvaged(
    batch: Dict[str, Any],
    send: Callable[[Dict[str, Any]], T],
    refused: Type[E],
    details: Callable[[E], Mapping[str, Any]],
    known: Optional[E] = None,
) -> Tuple[Optional[T], List[E]]:
    """(the answer of `send(batch)`, refusals of what was left out of it); no answer when nothing was left.

    `details(error)` names what is wrong as {field, index} or {field, key}; `known` is a refusal of the whole batch that
    the caller has already. Raises a refusal that names nothing, or the last one of too many. The id of the batch stays:
    of one that is refused nothing was kept.
    """
    wrong: List[E] = []
    while True:
        try:
            if known is not None:
                raise known
            return send(batch), wrong
        except refused as error:
            known = None
            less = without(batch, details(error))
            if less is None or len(wrong) >= MOST_WRONG:
                raise
            wrong.append(error)
            batch = less
            if not any(value for name, value in batch.items() if name != "batch"):
                return None, wrong


def without(batch: Dict[str, Any], details: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """The batch without what a refusal names; None when it names nothing of it."""
    name = details.get("field")
    held = batch.get(name) if isinstance(name, str) else None
    if isinstance(held, list):
        at = details.get("index")
        if isinstance(at, int) and 0 <= at < len(held):
            return {**batch, str(name): held[:at] + held[at + 1 :]}
    elif isinstance(held, dict) and held:
        key = details.get("key")
        if key is None:
            return {**batch, str(name): {}}
        if key in held:
            return {**batch, str(name): {one: value for one, value in held.items() if one != key}}
    return None


def send_batch(client: Client, address: str, body: bytes) -> Tuple[Dict[str, Any], List[Refused]]:
    """Send the body of a batch once, which may be repeated: (answer, refusals of what was left out of it).

    Raises Refused when all of it is refused, Unreachable.
    """

    def send(content: bytes) -> Dict[str, Any]:
        answer = client.call(
            "POST",
            address,
            make_body=lambda: content,
            headers={"Content-Type": "application/json"},
            patience=0,
            timeout=_ANSWER_SECONDS,
        ).json()
        return answer if isinstance(answer, dict) else {}

    try:
        return send(body), []
    except Refused as error:
        found, wrong = salvaged(
            json.loads(body),
            lambda less: send(json.dumps(less).encode()),
            Refused,
            lambda refusal: refusal.details,
            known=error,
        )
        return found or {}, wrong


def fences(error: Refused) -> bool:
    """True when the caller has lost its right to the run it speaks for."""
    return error.status in (401, 404) or (error.status == 409 and error.code in _FENCING)


def resend(client: Client, address: str, spool: Path) -> int:
    """Send what an earlier process left in `spool`; returns the number of batches.

    What is refused stays there and does not keep the others. Raises the first Refused at the end, Unreachable.
    """
    files = sorted(spool.glob("*.json")) if spool.is_dir() else []
    refused: List[Refused] = []
    for path in files:
        try:
            send_batch(client, f"{address}/metrics", path.read_bytes())
        except Refused as error:
            if fences(error):
                raise
            refused.append(error)
        else:
            unlink(path)
    remove_empty(spool)
    if refused:
        raise refused[0]
    return len(files)


def unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        return


def remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
