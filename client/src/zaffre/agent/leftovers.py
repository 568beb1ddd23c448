"""Points that the script could not send: the SDK leaves each batch as one JSON file in the spool folder.

A file `<anything>.json` holds the body of a metrics request, with its batch id: sending it again is harmless. A
folder that is named by a run holds those of a child run which the script began.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence

from zaffre.agent.disk import read_json
from zaffre.agent.door import Refused, Stopped, Unreachable
from zaffre.agent.job import Dropped, Left
from zaffre.protocol import AGENT, RUN_ID_PATTERN
from zaffre.sending import salvaged

if TYPE_CHECKING:
    from pathlib import Path

    from zaffre.agent.job import Job

_MOST_FILES, _MOST_CHILDREN = 100_000, 10_000
_RUN = re.compile(RUN_ID_PATTERN + r"\Z")


@dataclass
class Told:
    """What the studio said about the batches: how many it took, and what it did not keep."""

    batches: int = 0
    lost: int = 0
    #: Why, once a code.
    problems: Dict[str, str] = field(default_factory=dict)

    def note(self, answer: Any, wrong: Sequence[Refused]) -> None:
        self.batches += 1
        for error in wrong:
            self.lost += 1
            self.problems.setdefault(error.code, str(error))
        try:
            found = answer.json() if answer is not None else {}
        except (AttributeError, Unreachable):
            return
        if isinstance(found, dict) and found.get("refused"):
            self.lost += int(found["refused"])
            self.problems.setdefault(str(found.get("code")), str(found.get("message")))


def resend_points(job: Job) -> Told:
    """Send the batches in the order of their names. What is refused is let go."""
    told = Told()
    try:
        found = sorted(job.place.spool.iterdir())
    except FileNotFoundError:
        return told
    for folder in [path for path in found if _RUN.match(path.name) and _is_folder(path)][:_MOST_CHILDREN]:
        _resend(job, folder, f"{AGENT}/runs/{folder.name}/metrics", told)
    _resend(job, job.place.spool, None, told)
    return told


def _resend(job: Job, folder: Path, child: Optional[str], told: Told) -> None:
    def send(body: Dict[str, Any]) -> Any:
        if child is None:
            return job.ask("POST", "/metrics", body)
        # a child that has ended is not a reason to end its parent
        return job.door.insist("POST", child, body, until=job.over, patience=float("inf"))

    for path in sorted(path for path in folder.iterdir() if path.suffix == ".json")[:_MOST_FILES]:
        body = read_json(path) if path.is_file() and not path.is_symlink() else None
        if isinstance(body, dict):
            try:
                told.note(*salvaged(body, send, Refused, lambda error: error.details))
            except Refused as error:  # one bad batch must not keep the others, nor the result
                if not error.fences:
                    told.problems.setdefault(error.code, str(error))
            except Stopped:
                raise (Dropped if job.dropped.is_set() else Left) from None
        path.unlink(missing_ok=True)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
