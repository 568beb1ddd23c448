"""zaffre run list, show, logs, cancel, update, download, resend, delete, restore, archive, tensorboard,
export-tensorboard, and the verbs of run_submit.py"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Dict

from zaffre.cli import placing, reproduce, run_submit
from zaffre.cli.common import (
    age,
    amount,
    facts,
    note,
    noun,
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


def add(nouns: Any) -> None:
    verbs = noun(nouns, "run", "Run code on a compute target, and look at what it does.")
    run_submit.add(verbs)
    listing = verb(verbs, "list", _list, "The newest runs.")
    listing.add_argument("--experiment")
    listing.add_argument("--status")
    listing.add_argument("--filter", metavar="TEXT", help="such as: metrics.loss < 0.5 and not params.model = 'mlp'")
    listing.add_argument("--limit", type=int, default=20)
    listing.add_argument("--archived", action="store_true", help="those that were put away")
    _one(verb(verbs, "show", _show, "All that is known of a run."))
    logs = _one(verb(verbs, "logs", _logs, "What a run printed."))
    logs.add_argument("--follow", action="store_true", help="go on until it ends")
    logs.add_argument("--attempt", type=int, metavar="N", help="an earlier attempt")
    _one(verb(verbs, "cancel", _cancel, "Ask a run to end."))
    update = _one(verb(verbs, "update", _update, "Change the tags of a run."))
    update.add_argument("--add-tag", action="append", metavar="NAME=VALUE", help="or another value; repeat it")
    update.add_argument("--remove-tag", action="append", metavar="NAME")
    placing.add_to_run(verbs)
    download = _one(verb(verbs, "download", _download, "Fetch the files of a run."))
    download.add_argument("--prefix", default="", help="only files whose path begins so")
    download.add_argument("--to", default=".", metavar="DIR")
    _one(verb(verbs, "resend", _resend, "Send points of an interactive run that could not be sent before."))
    board = _one(verb(verbs, "tensorboard", _tensorboard, "Show its event files in a TensorBoard here."))
    board.add_argument("--port", type=int, default=6006)
    board.add_argument(
        "--local-directory", metavar="DIR", help="where its files are kept (default: a temporary folder)"
    )
    export = _one(verb(verbs, "export-tensorboard", _export, "Write the metrics of a run as event files."))
    export.add_argument("to", metavar="DIR", help="the folder that gets one folder for each run")
    export.add_argument("--no-children", action="store_true", help="without the runs below it")
    delete = _one(verb(verbs, "delete", _delete, "Put a run and what is below it into the recycle bin."))
    delete.add_argument("--forever", action="store_true", help="remove it from the bin, too: it cannot be restored")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    reproduce.add(verbs)
    _one(verb(verbs, "restore", _restore, "Take a deleted run out of the recycle bin."))
    archive = _one(verb(verbs, "archive", _archive, "Hide a run from the lists; it stays as it is."))
    archive.add_argument("--undo", action="store_true", help="show it again")


def _one(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("run", metavar="RUN", help="the id of the run")
    return parser


# --- looking -----------------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(
        f"{space.path}/runs",
        experiment=options.experiment,
        status=options.status,
        filter=options.filter,
        archived=1 if options.archived else None,
        limit=options.limit,
    )
    rows = [
        (
            one["id"],
            one["name"],
            one["experiment"],
            one["status"],
            age(one["created"]),
            span(one["started"], one["ended"]),
        )
        for one in found["runs"]
    ]
    heads = ("id", "name", "experiment", "status", "created", "took")
    tell(options, found, lambda: table(heads, rows, empty="There are no runs yet."))
    return 0


def _update(options: argparse.Namespace) -> int:
    added = pairs(options.add_tag, "--add-tag")
    if not added and not options.remove_tag:
        raise UserErrorException("Nothing to change was named.", hint="Give --add-tag stage=done.", code="usage")
    run = _run(options)
    changes: Dict[str, Any] = {**dict.fromkeys(options.remove_tag or []), **added}
    found = run.client.patch(f"{run.workspace.path}/runs/{segment(run.id)}", {"tags": changes})
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
            ("reason", reason.get("message")),
            ("warnings", " | ".join(found.get("warnings") or [])),
            ("exit code", found.get("exit_code")),
            ("script", " ".join(str(word) for word in words if word)),
            ("target", found.get("target")),
            ("environment", found.get("environment")),
            ("inputs", ", ".join(_input(name, given) for name, given in (found.get("inputs") or {}).items())),
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


def _number(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _input(name: str, given: Dict[str, Any]) -> str:
    return f"{name}={given['dataset']}:{given['version']}"


def _logs(options: argparse.Namespace) -> int:
    run = _run(options)
    if options.follow:
        return run_submit.follow(options, run)
    query = {"attempt": options.attempt} if options.attempt else {}
    if options.json:
        answer = run.client.call("GET", f"{run.address}/log", query=query)
        tell(options, {"run": run.id, "log": answer.body.decode("utf-8", "replace")}, lambda: "")
        return 0
    out = getattr(sys.stdout, "buffer", None)
    if out is None:
        sys.stdout.write(run.client.call("GET", f"{run.address}/log", query=query).body.decode("utf-8", "replace"))
    else:
        run.client.call("GET", f"{run.address}/log", query=query, stream_to=out.write)
        out.flush()
    return 0


def _cancel(options: argparse.Namespace) -> int:
    run = _run(options)
    run.cancel()
    tell(options, run.known, lambda: f"Run {run.id} is {run.known['status'].replace('_', ' ')}.")
    return 0


def _download(options: argparse.Namespace) -> int:
    paths = _run(options).download_files(options.prefix, options.to)
    tell(options, {"run": options.run, "files": paths}, lambda: "\n".join(paths) or "There are no such files.")
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
