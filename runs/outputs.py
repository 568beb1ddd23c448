"""What the pages of outputs and images show beside a log and a file."""

from typing import Any

from django.http import QueryDict

from runs import children
from runs.artifacts.queries import list_log_files, total_of
from runs.logs.queries import list_logs
from runs.models import Run
from studio.kernel.actors import Actor

#: Logs of one page: files in logs/, and those of child runs.
MOST_LOGS = 100
MOST_CHILDREN = 50


def outputs(ws: str, run: Run, asked: QueryDict, *, actor: Actor) -> dict[str, Any]:
    """The list of logs and how much there is of files; which log or file is open stands in the address."""
    told = asked.get("attempt", "")
    number = int(told) if told.isdecimal() and len(told) < 9 else None
    logs = list_logs(ws, run.pk, actor=actor)
    present = number is None or number == run.attempt_no
    return {
        "logs": logs,
        "attempt": None if present else number,
        "log_files": list_log_files(ws, run.pk, actor=actor, most=MOST_LOGS),
        "below": children.list_children(ws, run.pk, actor=actor, limit=MOST_CHILDREN),
        "files": total_of(ws, run.pk, actor=actor),
    }
