"""Points that the script could not send: the SDK leaves each batch as one JSON file in the spool folder.

A file `<anything>.json` holds the body of a metrics request, with its batch id: sending it again is harmless. A
folder that is named by a run holds those of a child run which the script began.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Optional

from zaffre.agent.disk import read_json
from zaffre.agent.door import Refused, Stopped
from zaffre.agent.job import Dropped, Left
from zaffre.protocol import AGENT, RUN_ID_PATTERN

if TYPE_CHECKING:
    from pathlib import Path

    from zaffre.agent.job import Job

_MOST_FILES, _MOST_CHILDREN = 100_000, 10_000
_RUN = re.compile(RUN_ID_PATTERN + r"\Z")


def resend_points(job: Job) -> int:
    """Send the batches in the order of their names; returns how many were taken. What is refused is let go."""
    try:
        found = sorted(job.place.spool.iterdir())
    except FileNotFoundError:
        return 0
    sent = 0
    for folder in [path for path in found if _RUN.match(path.name) and _is_folder(path)][:_MOST_CHILDREN]:
        sent += _resend(job, folder, f"{AGENT}/runs/{folder.name}/metrics")
    return sent + _resend(job, job.place.spool, None)


def _resend(job: Job, folder: Path, child: Optional[str]) -> int:
    sent = 0
    for path in sorted(path for path in folder.iterdir() if path.suffix == ".json")[:_MOST_FILES]:
        body = read_json(path) if path.is_file() and not path.is_symlink() else None
        if isinstance(body, dict):
            try:
                if child is None:
                    job.ask("POST", "/metrics", body)
                else:  # a child that has ended is not a reason to end its parent
                    job.door.insist("POST", child, body, until=job.over, patience=float("inf"))
                sent += 1
            except Refused:
                pass  # one bad batch must not keep the others, nor the result
            except Stopped:
                raise (Dropped if job.dropped.is_set() else Left) from None
        path.unlink(missing_ok=True)
    return sent


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
