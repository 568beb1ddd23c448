"""Points that the script could not send: the SDK leaves each batch as one JSON file in the spool folder.

A file `<anything>.json` holds the body of a metrics request, with its batch id: sending it again is harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zaffre.agent.disk import read_json
from zaffre.agent.door import Refused

if TYPE_CHECKING:
    from zaffre.agent.job import Job

_MOST_FILES = 100_000


def resend_points(job: Job) -> int:
    """Send the batches in the order of their names; returns how many were taken. What is refused is let go."""
    sent = 0
    try:
        names = sorted(path for path in job.place.spool.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return 0
    for path in names[:_MOST_FILES]:
        body = read_json(path) if path.is_file() and not path.is_symlink() else None
        if isinstance(body, dict):
            try:
                job.ask("POST", "/metrics", body)
                sent += 1
            except Refused:
                pass  # one bad batch must not keep the others, nor the result
        path.unlink(missing_ok=True)
    return sent
