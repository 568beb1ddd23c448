"""The life of one attempt: its steps in order, what they lead to, and their undoing in reverse."""

from __future__ import annotations

import logging
import signal
import time
from contextlib import suppress
from typing import Any, Dict, List, Optional

from zaffre.agent import contained, ranks
from zaffre.agent.door import DoorError
from zaffre.agent.job import Dropped, Ended, Job, Left, StepFailed
from zaffre.agent.notes import Said, in_english
from zaffre.agent.steps import CLOSING, WORK, Step

log = logging.getLogger("zaffre.agent")

_LAST_SECONDS = 10.0


def execute(job: Job) -> bool:
    """Carry an attempt to its end and tell the studio. False when it stays on disk for the next agent."""
    done: List[Step] = []
    try:
        if job.place.outcome is None:
            job.place.keep_outcome(_work(job, done))
        else:
            _begin(WORK[0](job), done)  # only the log is still to be sent
        for kind in CLOSING:
            _begin(kind(job), done)
    except Left:
        log.info("run %s stays for the next start", job.run)
        done[0].stop()
        return False
    except Dropped:
        job.drop()
        log.warning("run %s attempt %d is not ours any more; its code was ended", job.run, job.attempt)
    except Exception as error:
        # Nothing may hold a slot for ever: where this is not heard either, the studio misses the attempt.
        log.exception("run %s attempt %d cannot be carried on", job.run, job.attempt)
        job.drop()
        with suppress(DoorError):
            told = _outcome(job, reason="node_failed", message=f"The node could not go on: {error}.")
            job.door.call("POST", f"{job.address}/result", told, timeout=_LAST_SECONDS)
    _undo(done)
    job.place.remove()
    return True


def _work(job: Job, done: List[Step]) -> Dict[str, Any]:
    """Prepare and run; returns the outcome. Raises Dropped and Left."""
    try:
        for kind in WORK:
            if kind.again or not job.resumed:
                if not job.resumed and not job.launched:
                    job.check()
                _begin(kind(job), done)
            else:
                done.append(kind(job))  # an earlier agent started it, and we undo it
    except Ended:
        return _outcome(job, reason=job.stop_reason or "canceled", message="Stopped before its code was started.")
    except StepFailed as error:
        return _outcome(job, reason=error.code, message=str(error))
    except OSError as error:
        log.exception("run %s attempt %d", job.run, job.attempt)
        job.drop_code()
        return _outcome(job, reason="node_failed", message=f"The node could not go on: {error}.")
    return _told(job)


def _begin(step: Step, done: List[Step]) -> None:
    """Start a step and report it with its time; from now on it is to be undone."""
    job = step.job
    done.append(step)
    begun = time.monotonic()
    if step.name:
        job.teller.note(step.state, name=step.name, state="running", note="", seconds=0)
    try:
        step.start()
    except (StepFailed, Ended) as error:
        if isinstance(error, StepFailed):
            job.say(f"{error}\n")
        if step.name:
            _report(step, "failed" if isinstance(error, StepFailed) else "canceled", begun, str(error)[:500])
        raise
    if step.name:
        _report(step, "done", begun, in_english(step.said or {}), step.said)


def _report(step: Step, state: str, begun: float, note: str, said: Optional[Said] = None) -> None:
    seconds = round(time.monotonic() - begun, 3)
    step.job.teller.note(step.state, name=step.name, state=state, note=note, said=said, seconds=seconds)


def _undo(done: List[Step]) -> None:
    for step in reversed(done):
        try:
            step.stop()
        except Exception:
            log.exception("undoing %s of run %s", step.name or type(step).__name__, step.job.run)


def _told(job: Job) -> Dict[str, Any]:
    """The outcome of code that has run."""
    result = job.place.result or {}
    if not result.get("reason"):
        result = {**result, **contained.ending(job.place.launch, result.get("exit_code"), job.tail)}
    code, number = result.get("exit_code"), result.get("signal")
    # Not `job.stop_reason`: a wish that came when the code had ended by itself did not end it.
    reason: Optional[str] = result.get("reason")
    message: Optional[str] = result.get("message")
    failed_at: Optional[float] = None
    if reason == "fenced":
        reason, message = "lease_lost", "The node could not reach the studio in time, so it ended the code."
    elif reason is None and (failed := ranks.failure(job)) is not None:
        code, number, message, failed_at = (failed[name] for name in ("exit_code", "signal", "message", "at"))
        reason = "script_killed" if code is None else "script_failed"
    elif reason is None and number is not None:
        reason, message = "script_killed", f"The script was killed by signal {number} ({_signal_name(number)})."
    elif reason is None and code:
        reason, message = "script_failed", f"The script ended with exit code {code}."
    return _outcome(job, reason=reason, message=message, exit_code=code, number=number, failed_at=failed_at)


def _outcome(
    job: Job,
    *,
    reason: Optional[str],
    message: Optional[str],
    exit_code: Optional[int] = None,
    number: Optional[int] = None,
    failed_at: Optional[float] = None,
) -> Dict[str, Any]:
    found: Dict[str, Any] = {"exit_code": exit_code, "signal": number, "log_tail": job.tail()}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    if failed_at:
        found["failed_at"] = failed_at
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
