"""zaffre run submit, submit-script"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from zaffre.cli import reproduce
from zaffre.cli.common import note, pairs, parse_time, span, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.protocol import BACKENDS, DISTRIBUTIONS

if TYPE_CHECKING:
    from zaffre.core.runconfig import RunConfiguration


def add(verbs: Any) -> None:
    submit = verb(
        verbs, "submit", _submit, "Send a folder and run a script of it: zaffre run submit … -- train.py --epochs 3"
    )
    submit.add_argument("--experiment", required=True, help="made by its first run")
    _of_both(submit, source="--source", target="--target")
    submit.add_argument("--environment", metavar="NAME[:V]", help="default: the node's own Python")
    submit.add_argument("--input", action="append", metavar="NAME=DATASET[:V]", help="give data to the script")
    submit.add_argument("--env", action="append", metavar="NAME=VALUE", help="a variable of the script")
    submit.add_argument(
        "--secret", action="append", metavar="[VARIABLE=]NAME", help="a secret of the key vault as a variable"
    )
    submit.add_argument("--max-retries", type=int, metavar="N", help="new attempts after a lost node")
    submit.add_argument("--max-user-retries", type=int, metavar="N", help="new attempts after a script that failed")
    submit.add_argument("--max-duration", type=int, metavar="SECONDS", help="stop it after this time")
    submit.add_argument("--cpus", type=float, metavar="N", help="processors that it needs on a node")
    submit.add_argument("--memory", type=float, metavar="GB", help="memory that it needs on a node")
    submit.add_argument("--gpus", type=int, metavar="N", help="graphics processors that it needs on a node")
    submit.add_argument("--label", action="append", metavar="NAME=VALUE", help="only on nodes with this label")
    submit.add_argument("--priority", type=int, metavar="N", help="before others of the queue, from -100 to 100")
    submit.add_argument("--nodes", type=int, metavar="N", help="nodes that it needs at the same time")
    submit.add_argument(
        "--distribution",
        metavar="KIND[:BACKEND]",
        help=f"how its processes find each other: {', '.join(DISTRIBUTIONS)} (pytorch: {' or '.join(BACKENDS)})",
    )
    submit.add_argument("--processes", type=int, metavar="N", help="processes on each node")
    submit.add_argument("--command", action="store_true", help="the words are a command, not a script of the folder")
    submit.add_argument("--save", metavar="NAME", help="keep all of this beside the code, for -c NAME the next time")
    submit.add_argument("--follow", action="store_true", help="show its log until it ends")
    submit.set_defaults(takes_script=True)
    old = verb(
        verbs,
        "submit-script",
        _submit_script,
        "As az ml run submit-script: run a script as a saved run configuration says, and follow it.",
    )
    old.add_argument("-e", "--experiment-name", required=True, dest="experiment", help="made by its first run")
    _of_both(old, source="--source-directory", target="--ct")
    old.add_argument("-d", "--conda-dependencies", metavar="FILE", help="a conda file with the packages")
    old.add_argument("-t", "--output-metadata-file", metavar="FILE", help="write the ids of the run as JSON")
    old.add_argument("--async", action="store_true", dest="at_once", help="do not wait for its end")
    old.add_argument("words", nargs=argparse.REMAINDER, metavar="SCRIPT …", help="the script and its arguments")
    old.set_defaults(takes_script=True)


def _of_both(parser: argparse.ArgumentParser, *, source: str, target: str) -> None:
    parser.add_argument("-c", "--run-configuration-name", "--config", dest="config", metavar="NAME", help=(
        "begin with NAME.runconfig of the folder's .zaffre or .azureml"))  # fmt: skip
    names = (target,) if target == "--target" else (target, "--target")
    parser.add_argument(*names, dest="target", help="the compute target (default: local)")
    parser.add_argument(source, dest="source", default=".", metavar="DIR", help="the folder that is sent (default: .)")
    parser.add_argument("--tag", action="append", metavar="NAME=VALUE")
    parser.add_argument("--name", help="what the run is called")


def _submit(options: argparse.Namespace) -> int:
    config = _begun_with(options)
    _what(config, list(options.script or []), as_command=options.command)
    for name, given in (
        ("target", options.target),
        ("environment", options.environment),
        ("max_retries", options.max_retries),
        ("max_user_retries", options.max_user_retries),
        ("max_run_duration_seconds", options.max_duration),
        ("priority", options.priority),
        ("node_count", options.nodes),
    ):
        if given is not None:
            setattr(config, name, given)
    config.secrets += options.secret or []
    config.inputs.update(pairs(options.input, "--input"))
    config.environment_variables.update(pairs(options.env, "--env"))
    _resources(config, options)
    _distribution(config, options)
    return _send(options, config, wait=options.follow)


def _submit_script(options: argparse.Namespace) -> int:
    config = _begun_with(options)
    words = [*(options.words or []), *(options.script or [])]
    _what(config, words, as_command=False)
    if options.target:
        config.target = options.target
    if options.conda_dependencies:
        config.environment = _environment_of(Path(options.conda_dependencies))
    return _send(options, config, wait=not options.at_once, metadata=options.output_metadata_file)


def _begun_with(options: argparse.Namespace) -> "RunConfiguration":
    from zaffre.core.runconfig import RunConfiguration

    return RunConfiguration.load(options.source, options.config) if options.config else RunConfiguration()


def _what(config: "RunConfiguration", words: List[str], *, as_command: bool) -> None:
    """The words after our own: they replace what the run configuration says."""
    if not words:
        if config.script or config.command:
            return
        raise UserErrorException(
            "What shall run?", hint="zaffre run submit --experiment first -- train.py --epochs 3", code="usage"
        )
    config.script, config.command, config.arguments = None, None, []
    if as_command:
        config.command = words
        return
    if words[0] in ("python", "python3") and len(words) > 1:
        words = words[1:]
    config.script, config.arguments = words[0], list(words[1:])


def _resources(config: "RunConfiguration", options: argparse.Namespace) -> None:
    asked = {"cpus": options.cpus, "memory_gb": options.memory, "gpus": options.gpus}
    labels = pairs(options.label, "--label")
    config.need({name: value for name, value in asked.items() if value is not None})
    if labels:
        config.need({"labels": {**config.resources.get("labels", {}), **labels}})


def _distribution(config: "RunConfiguration", options: argparse.Namespace) -> None:
    if options.distribution is None and options.processes is None:
        return
    kind, _, backend = (options.distribution or "multiprocess").partition(":")
    if kind not in DISTRIBUTIONS or (backend and (kind != "pytorch" or backend not in BACKENDS)):
        raise UserErrorException(
            f"--distribution {options.distribution}: it is one of {', '.join(DISTRIBUTIONS)}, or pytorch:gloo.",
            code="usage",
        )
    from zaffre.core.runconfig_body import distribution_of

    before = {} if options.distribution else dict(distribution_of(config)[1] or {})
    told: Dict[str, Any] = {**before, **({"kind": kind} if options.distribution or not before else {})}
    if backend:
        told["backend"] = backend
    told["processes_per_node"] = options.processes or 1
    config.distribution = told


def _environment_of(file: Path) -> Any:
    """The environment that a conda file describes, named by what is in it when it is registered."""
    from zaffre.core.runconfig_file import environment_of_conda

    return environment_of_conda(file)


def _send(
    options: argparse.Namespace, config: "RunConfiguration", *, wait: bool, metadata: Optional[str] = None
) -> int:
    from zaffre.core.experiment import Experiment
    from zaffre.core.script_run_config import ScriptRunConfig

    config.tags.update(pairs(options.tag, "--tag"))
    for told in config.ignored():
        note(f"zaffre: {told}")
    if getattr(options, "save", None):
        note(f"Saved {config.save(options.source, options.save)}")
    made = ScriptRunConfig(options.source, run_config=config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told above, as lines for people
        run = Experiment(workspace_of(options), options.experiment).submit(made, display_name=options.name)
    for text in () if wait else run.known.get("warnings") or ():  # who follows is told them on the way
        note(f"zaffre: warning: {text}")
    reproduce.hint(run)
    if metadata:
        told_ids = {"run_id": run.id, "experiment_name": options.experiment, "workspace": run.workspace.name}
        Path(metadata).expanduser().write_text(json.dumps(told_ids, indent=2) + "\n", encoding="utf-8")
    if wait:
        note(f"Run {run.id} · {run.get_portal_url()}")
        return follow(options, run)
    tell(options, run.known, lambda: f"Submitted run {run.id}\n{run.get_portal_url()}")
    return 0


def follow(options: argparse.Namespace, run: Any) -> int:
    """Show the log until the end: on stderr with --json, so that stdout holds one document."""
    from zaffre import following
    from zaffre.core.run import failure_text

    out = sys.stderr if options.json else sys.stdout

    def write(text: str) -> None:
        out.write(text.encode(out.encoding or "utf-8", "replace").decode(out.encoding or "utf-8", "replace"))
        out.flush()

    try:
        found = following.follow(
            run.client, run.workspace.name, run.id, write=write, note=lambda text: note(f"· {text}")
        )
    except KeyboardInterrupt:
        note(f"\nThe run goes on. To end it: zaffre run cancel {run.id}")
        raise
    took = span(found.get("started"), found.get("ended"))
    if found["status"] == "failed":
        reason = failure_text({**found, "log_tail": ""})  # the log was just shown
        note(f"zaffre: {reason}")
    else:
        note(f"· {found['status']}" + (f" in {took}" if took and parse_time(found.get("ended")) else ""))
    if options.json:
        tell(options, found, lambda: "")
    return 0 if found["status"] == "completed" else 1
