"""zaffre run show, wait, cancel, update, resend, delete, restore, archive, tensorboard, export-tensorboard, and the
verbs of run_submit.py, run_list.py and run_files.py"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Dict

from zaffre.cli import placing, reproduce, run_files, run_list, run_submit
from zaffre.cli.common import (
    age,
    amount,
    facts,
    note,
    noun,
    one_run,
    pairs,
    span,
    sure,
    table,
    tell,
    verb,
    workspace_of,
)
from zaffre.errors import UserErrorException
from zaffre.protocol import SYSTEM_PREFIX
from zaffre.transport import segment

SILENT = "does not respond; its script may still be running. Give it up without waiting: zaffre run give-up RUN"


def add(nouns: Any) -> None:
    verbs = noun(nouns, "run", "Run code on a compute target, and look at what it does.")
    run_submit.add(verbs)
    run_list.add(verbs)
    run_files.add(verbs)
    one_run(verb(verbs, "show", _show, "All that is known of a run."))
    one_run(verb(verbs, "wait", _wait, "Wait for the end of a run, in silence; fails when it did not complete."))
    one_run(verb(verbs, "cancel", _cancel, "Ask a run to end."))
    update = one_run(verb(verbs, "update", _update, "Change the name, the description or the tags of a run."))
    update.add_argument("--name", help="what it is called")
    update.add_argument("--description", metavar="TEXT", help="in Markdown")
    update.add_argument("--add-tag", action="append", metavar="NAME=VALUE", help="or another value; repeat it")
    update.add_argument("--remove-tag", action="append", metavar="NAME")
    update.add_argument("--add-property", action="append", metavar="NAME=VALUE", help="which then stays as it is")
    placing.add_to_run(verbs)
    one_run(verb(verbs, "resend", _resend, "Send points of an interactive run that could not be sent before."))
    board = one_run(verb(verbs, "tensorboard", _tensorboard, "Show its event files in a TensorBoard here."))
    board.add_argument("--port", type=int, default=6006)
    board.add_argument(
        "--local-directory", metavar="DIR", help="where its files are kept (default: a temporary folder)"
    )
    export = one_run(verb(verbs, "export-tensorboard", _export, "Write the metrics of a run as event files."))
    export.add_argument("to", metavar="DIR", help="the folder that gets one folder for each run")
    export.add_argument("--no-children", action="store_true", help="without the runs below it")
    delete = one_run(verb(verbs, "delete", _delete, "Put a run and what is below it into the recycle bin."))
    delete.add_argument("--forever", action="store_true", help="remove it from the bin, too: it cannot be restored")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    reproduce.add(verbs)
    one_run(verb(verbs, "restore", _restore, "Take a deleted run out of the recycle bin."))
    archive = one_run(verb(verbs, "archive", _archive, "Hide a run from the lists; it stays as it is."))
    archive.add_argument("--undo", action="store_true", help="show it again")


# --- looking -----------------------------------------------------------------------------------------------


def _wait(options: argparse.Namespace) -> int:
    from zaffre import following
    from zaffre.core.run import failure_text

    run = _run(options)
    found = following.wait(run.client, run.workspace.name, run.id)
    if found["status"] == "failed":
        note(f"zaffre: {failure_text(found)}")
    tell(options, found, lambda: f"Run {run.id} is {found['status']}.")
    return 0 if found["status"] == "completed" else 1


def _update(options: argparse.Namespace) -> int:
    added = pairs(options.add_tag, "--add-tag")
    changes: Dict[str, Any] = {"name": options.name, "description": options.description}
    changes["tags"] = {**dict.fromkeys(options.remove_tag or []), **added} or None
    changes["properties"] = pairs(options.add_property, "--add-property") or None
    changes = {key: value for key, value in changes.items() if value is not None}
    if not changes:
        raise UserErrorException("Nothing to change was named.", hint="Give --add-tag stage=done.", code="usage")
    run = _run(options)
    found = run.client.patch(f"{run.workspace.path}/runs/{segment(run.id)}", changes)
    tags = ", ".join(f"{key}={value}" for key, value in found["tags"].items())
    tell(options, found, lambda: f"{found['name']}: {tags or 'no tags'}")
    return 0


def _run(options: argparse.Namespace) -> Any:
    from zaffre.core.run import Run

    return Run.get(workspace_of(options), options.run)


def _show(options: argparse.Namespace) -> int:
    found = _run(options).known
    tell(options, found, lambda: _facts(found))
    return 0


def _facts(found: Dict[str, Any]) -> str:
    reason = found.get("reason") or {}
    config = found.get("config") or {}
    words = config.get("command") or [config.get("script"), *(config.get("arguments") or [])]
    metrics = found.get("metrics") or {}
    shown = facts(
        [
            ("run", found["id"]),
            ("name", found.get("name")),
            ("experiment", f"{found['experiment']} #{found['number']}"),
            ("status", found["status"]),
            ("node", SILENT if found.get("reachable") is False else None),
            ("reason", reason.get("message")),
            ("waits", _waits(found.get("queue") or {})),
            ("warnings", " | ".join(found.get("warnings") or [])),
            ("exit code", found.get("exit_code")),
            ("script", " ".join(str(word) for word in words if word)),
            ("target", found.get("target")),
            ("environment", found.get("environment")),
            ("inputs", ", ".join(_input(name, given) for name, given in (found.get("inputs") or {}).items())),
            ("git", _commit(found.get("git") or {})),
            ("submitted", f"{age(found.get('created'))} by {found.get('submitted_by')}"),
            ("took", span(found.get("started"), found.get("ended"))),
            ("attempt", found.get("attempt")),
            ("tags", ", ".join(f"{key}={value}" for key, value in (found.get("tags") or {}).items())),
            ("page", found.get("url")),
        ]
    )
    rows = [
        (key, *(_number(one.get(part)) for part in ("last", "min", "max")), one.get("count"))
        for key, one in metrics.items()
        if not key.startswith(SYSTEM_PREFIX)
    ]
    return f"{shown}\n\n{table(('metric', 'last', 'lowest', 'highest', 'count'), rows, empty='')}".rstrip()


def _waits(queue: Dict[str, Any]) -> str:
    """The place of a run that waits, and why."""
    place, message = queue.get("position"), str(queue.get("message") or "")
    return f"number {place} in the line. {message}".strip() if place else message


def _commit(git: Dict[str, Any]) -> str:
    """The commit that the code was at."""
    if not git.get("commit"):
        return ""
    at = f"{git.get('branch') or ''} @ {str(git['commit'])[:8]}".strip()
    return f"{at}, with changes that no commit holds" if git.get("dirty") else at


def _number(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _input(name: str, given: Dict[str, Any]) -> str:
    return f"{name}={given['dataset']}:{given['version']}"


def _cancel(options: argparse.Namespace) -> int:
    run = _run(options)
    run.cancel()
    tell(options, run.known, lambda: f"Run {run.id} is {run.known['status'].replace('_', ' ')}.")
    return 0


def _resend(options: argparse.Namespace) -> int:
    from zaffre.recorder import spool_of
    from zaffre.sending import resend

    run = _run(options)
    count = resend(run.client, run.address, spool_of(run.id))
    told = f"Sent {count} batches of {run.id}." if count else f"Nothing of {run.id} is left to send."
    tell(options, {"run": run.id, "batches": count}, lambda: told)
    return 0


def _delete(options: argparse.Namespace) -> int:
    run = _run_of_any_kind(options)
    freed = run.client.get(f"{run.address}/freed")
    size = amount(freed["bytes"])
    if options.forever:
        sure(options, f"Deleting {run.id} for good, which frees {size},")
    run.delete(forever=options.forever)
    told = f"{run.id} is gone for good; {size} are freed."
    if not options.forever:
        told = f"{run.id} is in the recycle bin; it frees {size} in the end. To undo: zaffre run restore {run.id}"
    tell(options, {"run": run.id, "forever": options.forever, "freed": freed}, lambda: told)
    return 0


def _restore(options: argparse.Namespace) -> int:
    run = _run_of_any_kind(options)
    run.restore()
    tell(options, run.known, lambda: f"{run.id} is back.")
    return 0


def _archive(options: argparse.Namespace) -> int:
    run = _run_of_any_kind(options)
    run.archive(not options.undo)
    tell(options, run.known, lambda: f"{run.id} is {'shown again' if options.undo else 'archived'}.")
    return 0


def _run_of_any_kind(options: argparse.Namespace) -> Any:
    """By its id alone: a deleted run cannot be read."""
    from zaffre.core.experiment import Experiment
    from zaffre.core.run import Run

    return Run(Experiment(workspace_of(options), ""), options.run)


def _tensorboard(options: argparse.Namespace) -> int:
    import threading

    from zaffre.tensorboard import Tensorboard

    board = Tensorboard([_run(options)], local_root=options.local_directory, port=options.port)
    try:
        url = board.start()
        tell(options, {"run": options.run, "url": url}, lambda: f"TensorBoard shows {options.run} at {url}")
        sys.stdout.flush()
        note("Interrupt (Ctrl-C) to end it.")
        threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    finally:
        board.stop()
    return 0


def _export(options: argparse.Namespace) -> int:
    from zaffre.tensorboard.export import export_to_tensorboard

    export_to_tensorboard(_run(options), options.to, recursive=not options.no_children)
    told = f"Wrote the metrics of {options.run} below {options.to}. Look at them: tensorboard --logdir {options.to}"
    tell(options, {"run": options.run, "folder": options.to}, lambda: told)
    return 0
