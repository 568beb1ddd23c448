"""zaffre run logs, monitor-logs, download, download-logs, code: what a run printed, its files and its code"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from zaffre.cli import run_submit
from zaffre.cli.common import one_run, tell, verb, workspace_of


def add(verbs: Any) -> None:
    logs = one_run(verb(verbs, "logs", _logs, "What a run printed."))
    logs.add_argument("--follow", action="store_true", help="go on until it ends")
    logs.add_argument("--attempt", type=int, metavar="N", help="an earlier attempt")
    monitor = one_run(verb(verbs, "monitor-logs", _logs, "As logs --follow: until the run ends."))
    monitor.set_defaults(follow=True, attempt=None)
    download = one_run(verb(verbs, "download", _download, "Fetch the files of a run."))
    download.add_argument("--prefix", default="", help="only files whose path begins so")
    download.add_argument("--to", default=".", metavar="DIR")
    text = "Fetch what a run printed, as std_log.txt, and its files in logs/."
    everything = one_run(verb(verbs, "download-logs", _download_logs, text))
    everything.add_argument("--to", "-d", "--output-dir", default=".", metavar="DIR")
    code = one_run(verb(verbs, "code", _code, "Fetch the code that a run was submitted with."))
    code.add_argument("--to", metavar="DIR", help="(default: a folder that is named by the snapshot)")


def _run(options: argparse.Namespace) -> Any:
    from zaffre.core.run import Run

    return Run.get(workspace_of(options), options.run)


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


def _download(options: argparse.Namespace) -> int:
    return _told(options, _run(options).download_files(options.prefix, options.to))


def _download_logs(options: argparse.Namespace) -> int:
    return _told(options, _run(options).get_all_logs(options.to))


def _told(options: argparse.Namespace, paths: Any) -> int:
    tell(options, {"run": options.run, "files": paths}, lambda: "\n".join(paths) or "There are no such files.")
    return 0


def _code(options: argparse.Namespace) -> int:
    folder = _run(options).restore_snapshot(path=options.to)
    tell(options, {"run": options.run, "folder": folder}, lambda: f"The code of {options.run} is in {folder}.")
    return 0
