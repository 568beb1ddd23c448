"""What the pages of outputs and images show beside a log and a file."""

from typing import Any

from django.http import QueryDict

from runs import children
from runs.artifacts.queries import list_log_files, list_pictures, total_of
from runs.logs.queries import list_logs
from runs.models import Run
from runs.seatlist import failed_rank, log_of, process_logs
from studio.kernel.actors import Actor
from zaffre.protocol import IMAGE

#: Logs of one page: files in logs/, and those of child runs.
MOST_LOGS = 100
MOST_CHILDREN = 50
#: Names of logged images, and files with pictures, of one page.
MOST_NAMES = 60
MOST_PICTURES = 60


def outputs(ws: str, run: Run, asked: QueryDict, *, actor: Actor) -> dict[str, Any]:
    """The list of logs and how much there is of files; which log or file is open stands in the address."""
    told = asked.get("attempt", "")
    number = int(told) if told.isdecimal() and len(told) < 9 else None
    logs = list_logs(ws, run.pk, actor=actor)
    present = number is None or number == run.attempt_no
    failed = failed_rank(run)
    below = children.list_children(ws, run.pk, actor=actor, limit=MOST_CHILDREN)
    return {
        "logs": logs,
        "merged": bool(below) and asked.get("merged") == "1",
        "attempt": None if present else number,
        "log_files": [*process_logs(ws, run, actor=actor), *list_log_files(ws, run.pk, actor=actor, most=MOST_LOGS)],
        "failed_log": "" if failed is None else log_of(failed),
        "below": below,
        "files": total_of(ws, run.pk, actor=actor),
    }


def images(ws: str, run: Run, asked: QueryDict, *, actor: Actor) -> dict[str, Any]:
    """Logged images by their names, and the files that are pictures: a page of each, those with a part of a name."""
    text = asked.get("q", "").replace("\0", "")[:250]
    after = {name: asked.get(name, "").replace("\0", "") for name in ("name", "path")}
    # The run's row sums each name up: how often it was logged, and what was logged last.
    held = {key: told for key, told in run.metrics.items() if told.get("kind") == IMAGE}
    names = sorted(key for key in held if text.lower() in key.lower() and key > after["name"])
    # What was logged lies in images/ and is shown by its name already.
    files = list_pictures(
        ws,
        run.pk,
        actor=actor,
        text=text,
        after=after["path"],
        most=MOST_PICTURES + 1,
        beside="images/" if held else "",
    )
    return {
        "asked": text,
        "logged_images": [{"key": key, **held[key]} for key in names[:MOST_NAMES]],
        "next_name": names[MOST_NAMES - 1] if len(names) > MOST_NAMES else "",
        "pictures": files[:MOST_PICTURES],
        "next_path": files[MOST_PICTURES - 1].path if len(files) > MOST_PICTURES else "",
        "continued": bool(after["name"] or after["path"]),
    }
