"""The nodes and processes of a run as its page lists them."""

import re
from typing import Any

from django.utils.translation import gettext as _

from runs.artifacts.models import Artifact
from runs.artifacts.queries import list_log_files
from runs.models import Attempt, Run
from studio.kernel.actors import Actor
from zaffre.protocol import CANCEL_REQUESTED, FAILED

#: Where each process of a run writes; the node sends it while it grows.
LOGS = "user_logs/"
#: How a reason begins that names a process (services/seats.py, and the node for a run on one).
_RANK = re.compile(r"Rank (\d{1,9}) ")
MOST_FILES = 1000


def process_logs(ws: str, run: Run, *, actor: Actor) -> list[Artifact]:
    """What the processes of the run printed, a file of each; empty for a run of one process."""
    if not (run.config or {}).get("distribution"):
        return []
    return list_log_files(ws, run.pk, actor=actor, most=MOST_FILES, folder=LOGS)


def failed_rank(run: Run) -> int | None:
    """The process that the run's reason names; None where it names none."""
    named = _RANK.match(run.reason) if run.status in (FAILED, CANCEL_REQUESTED) else None
    return int(named[1]) if named else None


def log_of(rank: int) -> str:
    """The file of a process."""
    return f"{LOGS}std_log_process_{rank}.txt"


def seats(ws: str, run: Run, *, actor: Actor) -> list[dict[str, Any]]:
    """[{rank, node, state, word, exit, processes: [{rank, path, failed}]}]
    of the present attempt; empty for a run of one process that nobody joins. Two statements."""
    told = (run.config or {}).get("distribution")
    if not told or not run.attempt_no:
        return []
    held = {file.path for file in process_logs(ws, run, actor=actor)}
    count = int(told.get("processes_per_node") or 1)
    rows = Attempt.objects.filter(run=run, no=run.attempt_no).select_related("node").order_by("rank")
    found, failed = [], failed_rank(run)
    for row in rows:
        ranks = range(row.rank * count, (row.rank + 1) * count)
        paths = [(rank, log_of(rank)) for rank in ranks]
        state, word = _state(row)
        found.append(
            {
                "rank": row.rank,
                "node": row.node.name if row.node else "",
                "state": state,
                "word": word,
                "exit": _exit(row),
                "processes": [
                    {"rank": rank, "path": path if path in held else "", "failed": rank == failed}
                    for rank, path in paths
                ],
            }
        )
    return found


def _state(row: Attempt) -> tuple[str, str]:
    """(state that colours it, word)."""
    if row.ended is None:
        if not row.nonce:
            return "queued", _("reserved")
        return ("running", _("running")) if row.launched else ("preparing", _("preparing"))
    if row.reason_code == "canceled":
        return "canceled", _("ended")
    return ("failed", _("failed")) if row.exit_code or row.signal or row.reason_code else ("completed", _("completed"))


def _exit(row: Attempt) -> str:
    if row.signal:
        return _("signal %(number)d") % {"number": row.signal}
    return "" if row.exit_code is None else str(row.exit_code)
