"""What a run's page tells of its course: the phases with their times, what it waits for, why it failed.

Pure thinking on a run as doors show it, no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.utils.translation import gettext as _

from runs import notes
from zaffre.protocol import CANCEL_REQUESTED, CANCELED, FAILED, FINAL_STATES, QUEUED, RUNNING, STARTING, STEPS

#: Runs that an estimate is made of, and fewer that say too little.
LIKE_IT, FEWEST = 5, 2


@dataclass(frozen=True)
class Phase:
    """`kind` is done, now, failed, or empty for what is still to come."""

    name: str
    kind: str
    since: Any = None
    until: Any = None
    note: str = ""


def phases(run: Mapping[str, Any]) -> list[Phase]:
    """The phases in their order, with those that are still to come while the run goes on."""
    final = run["status"] in FINAL_STATES
    if run["kind"] != "script":
        end = run["ended"] if final else None
        return [Phase("running", _ended(run["status"]) if final else "now", run["started"], end)]
    steps = {step["name"]: step for step in run["steps"] if isinstance(step, Mapping) and step.get("name")}
    found: list[Phase] = []
    for name in (*STEPS, *(one for one in steps if one not in STEPS)):
        if name == QUEUED and run.get("queued_at"):
            found.append(_queued(run, steps))
        elif name in steps:
            found.append(_step(run, steps[name]))
        elif not final and name != QUEUED:
            found.append(Phase(name, ""))
    return found


def _queued(run: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]]) -> Phase:
    begun = sorted(str(step["started"]) for step in steps.values() if step.get("started"))
    if begun:
        return Phase(QUEUED, "done", run["queued_at"], begun[0])
    if run["status"] in FINAL_STATES:
        return Phase(QUEUED, _ended(run["status"]), run["queued_at"], run["ended"])
    return Phase(QUEUED, "now" if run["status"] in (QUEUED, STARTING) else "done", run["queued_at"])


def _step(run: Mapping[str, Any], step: Mapping[str, Any]) -> Phase:
    kind = "now" if step.get("started") and not step.get("ended") else ""
    if step.get("state") == "failed" or (
        # The script's own failure: the node did its step well, so the step itself does not say it.
        step["name"] == RUNNING and run["status"] == FAILED and (run["exit_code"] or run["signal"])
    ):
        kind = "failed"
    elif step.get("state") in ("done", "completed"):
        kind = "done"
    elif step.get("state") == CANCELED:
        kind = "stopped"
    return Phase(step["name"], kind, step.get("started"), step.get("ended"), notes.in_words(step))


def _ended(status: str) -> str:
    return {FAILED: "failed", CANCELED: "stopped"}.get(status, "done")


def present(found: Sequence[Phase]) -> Phase | None:
    """The phase that goes on."""
    return next((one for one in found if one.kind == "now"), None)


def waits_for(run: Mapping[str, Any], now: Phase | None, *, node: str | None, grace: float) -> str:
    """One sentence on what the run is doing or waiting for; empty when it has ended."""
    if run["status"] in FINAL_STATES:
        return ""
    if run["status"] == CANCEL_REQUESTED:
        return _("The script was asked to end. After %(seconds)d s it is killed; its outputs are kept.") % {
            "seconds": grace
        }
    if run["status"] == QUEUED:
        return str((run.get("queue") or {}).get("message") or _("It waits for a node."))
    if run["kind"] != "script":
        return _("A process elsewhere carries it on: the run ends when that process says so.")
    told = {"node": node or _("A node"), "environment": run["environment"] or ""}
    words = {
        "snapshot": _("%(node)s fetches the code that it does not have yet."),
        "environment": _("%(node)s provides the environment %(environment)s: built once, then kept for the next run."),
        "data": _("%(node)s fetches the files of the inputs that it does not have yet."),
        "running": _("The script runs on %(node)s."),
        "outputs": _("%(node)s sends what the script left in outputs/."),
    }
    return words.get(now.name if now else "", _("%(node)s has taken it and begins.")) % told


def estimate(took: Sequence[float], elapsed: float) -> dict[str, Any] | None:
    """{percent, left, usual} of a script by what runs like it took, in seconds; None when too few did."""
    if len(took) < FEWEST:
        return None
    usual = median(took)
    if usual <= 0:
        return None
    return {
        "percent": min(99, int(100 * elapsed / usual)),
        "left": max(0.0, usual - elapsed),
        "usual": usual,
        "runs": len(took),
    }


def about(seconds: float) -> str:
    """A duration for people who look at a clock: 40 s, 8 min, 2.5 h."""
    if seconds < 90:
        return _("%(n)d s") % {"n": max(1, round(seconds))}
    if seconds < 5400:
        return _("%(n)d min") % {"n": round(seconds / 60)}
    return _("%(n).1f h") % {"n": seconds / 3600}


def failure(run: Mapping[str, Any]) -> dict[str, str] | None:
    """{cause, advice} of a run that failed: what happened in a word, and what to do about it."""
    if run["status"] != FAILED:
        return None
    code = (run["reason"] or {}).get("code") or ""
    memory = _("Often the machine ran out of memory: look at the memory under Metrics, and use less or another target.")
    known = {
        "script_failed": (
            _("The script failed"),
            _("Read the error, correct the script and submit again. What was written to outputs/ is kept."),
        ),
        "script_killed": (_("The script was killed by a signal"), memory),
        "said_failed": (_("It was said to have failed"), _("The words of whoever said so are above.")),
        "snapshot_failed": (
            _("The code could not be fetched"),
            _("Submit again. If it stays, the store of the studio may be damaged: an administrator runs fsck."),
        ),
        "environment_failed": (
            _("The environment could not be made"),
            _("The log says which package was not found or did not fit. Correct the environment and submit again."),
        ),
        "data_failed": (
            _("An input could not be fetched"),
            _("See that the dataset's version is still there and that the node has space on its disk."),
        ),
        "launch_failed": (
            _("The script could not be started"),
            _("See that the script's path is right and that the environment has the Python that it needs."),
        ),
        "worker_lost": (
            _("The node was lost"),
            _("Look at the machine under Compute. A run with retries is tried again by itself."),
        ),
        "lease_lost": (
            _("The node was cut off and ended the script"),
            _("Look at the network between the node and the studio. A run with retries is tried again by itself."),
        ),
        "preempted": (_("The node was stopped"), _("Submit again, with retries so that it goes on elsewhere.")),
        "supervisor_lost": (_("The process that watched the script was killed"), memory),
        "node_failed": (_("The node itself failed"), _("Look at the machine and its disk, then submit again.")),
        "out_of_memory": (
            _("It needed more memory than it asked for"),
            _("Ask for more memory with Clone & edit, or let the script use less: smaller batches, fewer workers."),
        ),
        "too_many_processes": (
            _("It wanted too many processes"),
            _("See that the script does not start processes or threads without end, then submit again."),
        ),
        "timeout": (
            _("It took longer than its limit"),
            _("Give it more time with Clone & edit, or let the script save its progress and go on from there."),
        ),
        "submitter_gone": (_("Who submitted it may not run it any more"), _("Let a member submit it again.")),
        "input_gone": (_("A dataset was deleted while it waited"), _("Choose another version with Clone & edit.")),
        "secret_gone": (_("A secret that it names was deleted"), _("Restore it in the key vault, then submit again.")),
        "parent_ended": (_("The run above it ended first"), _("Look at why that one ended.")),
    }
    cause, advice = known.get(code, (_("It failed"), _("Read the log, correct what it says and submit again.")))
    return {"cause": cause, "advice": advice, "code": code}
