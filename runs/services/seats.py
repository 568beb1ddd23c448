"""Seats: the nodes that one attempt of a run has at the same time. docs/decisions/distributed.md has the whole.

A seat is a row of Attempt beside the one of the first node, with the same number and a rank of its own: it has its
node, token and lease, so renewing, fencing and giving up work as for any attempt. All seats of an attempt are reserved
in the claim of the first; the attempt ends when all have ended, and one that fails ends the others.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from runs import states, waiting
from runs.models import Attempt, Run, Status
from runs.services.closing import again, finish
from runs.services.telling import tell
from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.crypto import shared_secret
from studio.kernel.jobs import hint_pool
from workspace.audit.services import record
from workspace.compute.models import Node
from workspace.compute.placement import fits
from workspace.compute.queries import nodes_of
from zaffre.protocol import (
    CANCEL_REQUESTED,
    CANCELED,
    COMPLETED,
    DESIRED_CANCEL,
    FAILED,
    SYNC_TASK,
)

TIMEOUT, LOST, PREEMPTED = "timeout", "worker_lost", "preempted"
SCRIPT_FAILED, SAID_FAILED = "script_failed", "said_failed"
#: Why a run that is being ended will have failed, however its code ends.
DECIDED = (TIMEOUT, SAID_FAILED)
#: Ends that are the script's own, which a node reports.
SCRIPTS_OWN = (SCRIPT_FAILED, "script_killed")
#: What a node reports of a seat that it was told to end.
_ASKED_TO_END = "canceled"
_LOCK = 0x5EA7


# --- reserving -----------------------------------------------------------------------------------------------------


def line_up(target_id: int) -> None:
    """Let the claims of a target where runs wait for several nodes go one after the other from here on.

    Each of them locks its own node and then others: two at once would wait for each other. Call it before a node is
    locked, in the transaction of the claim.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, target_id])


def others_for(run: Run, lead: Node) -> list[Node] | None:
    """The nodes besides `lead` that have room for a seat of the run now, locked; None when there are too few."""
    wanted = run.nodes - 1
    if not wanted:
        return []
    need = waiting.need_of_run(run)
    rows = nodes_of(lead.target_id).filter(draining__isnull=True).exclude(pk=lead.pk)
    online = [node for node in rows if getattr(node, "online", False)]
    if len(online) < wanted:
        return None
    ids = [node.pk for node in online]
    locked = list(Node.objects.select_for_update(of=("self",)).filter(pk__in=ids, removed__isnull=True).order_by("pk"))
    free = {place.id for place in waiting.places_of(locked) if fits(need, place)}
    found = [node for node in locked if node.pk in free]
    return found[:wanted] if len(found) >= wanted else None


# --- meeting -------------------------------------------------------------------------------------------------------


def meet(run: Run, *, rank: int, address: str, ports: Sequence[int]) -> dict[str, Any]:
    """{ready, seats, secret}: a seat tells where it is reached; ready when all have, which begins the code everywhere.

    By the `secret` the nodes of this attempt know each other.

    The run's row is locked. What was told when all were there stays: code may have begun with it.
    """
    rows = seats_of(run)
    own = next(row for row in rows if row.rank == rank)
    if not _all_met(run, rows):
        own.meeting = {"address": address, "ports": list(ports)}
        Attempt.objects.filter(pk=own.pk).update(meeting=own.meeting)
        if _all_met(run, rows):
            # From now on a lost attempt costs a retry: the code may have begun.
            Attempt.objects.filter(run=run, no=run.attempt_no, ended__isnull=True).update(launched=Now())
            tell(run, run.status)
    ready = _all_met(run, rows)
    if not ready:
        return {"ready": False, "seats": []}
    secret = shared_secret(bound_to=f"attempt:{run.pk}:{run.attempt_no}")
    return {"ready": True, "seats": [{"rank": row.rank, **(row.meeting or {})} for row in rows], "secret": secret}


def _all_met(run: Run, rows: Sequence[Attempt]) -> bool:
    return len(rows) == run.nodes and all(row.meeting for row in rows)


def seats_of(run: Run) -> list[Attempt]:
    """The seats of the present attempt by rank."""
    return list(Attempt.objects.filter(run=run, no=run.attempt_no).select_related("node").order_by("rank"))


# --- ending --------------------------------------------------------------------------------------------------------


def settle(run: Run, row: Attempt, *, message: str = "", log_tail: str = "") -> str:
    """What becomes of a run on several nodes when the seat `row` has ended; returns the state of the run.

    The run's row is locked and the seat's is written. The others are asked to end when this one failed; the run ends
    with the last of them.
    """
    rows = seats_of(run)
    row = next(one for one in rows if one.pk == row.pk)
    if _failed(row) and run.desired != DESIRED_CANCEL:
        run.desired, run.status = DESIRED_CANCEL, Status.CANCEL_REQUESTED
        Run.objects.filter(pk=run.pk).update(desired=DESIRED_CANCEL, status=CANCEL_REQUESTED)
        _name(run, row, message, log_tail)
        record(actor=SYSTEM, workspace=run.workspace, action="run.end_seats", target=run.pk, fields={"rank": row.rank})
    elif run.reason_code in SCRIPTS_OWN and _failed_first(row, rows):
        _name(run, row, message, log_tail)  # it had more files to send than the one that failed because of it
    left = [one for one in rows if one.ended is None]
    if not left:
        return _over(run, rows)
    tell(run, run.status)
    if run.desired == DESIRED_CANCEL:
        for _ in left:  # one hint reaches one node; the others hear it at their next renewal
            hint_pool(run.target_id or 0, SYNC_TASK)
    return run.status


def _failed(row: Attempt) -> bool:
    return bool(row.signal or row.exit_code or row.reason_code) and row.reason_code != _ASKED_TO_END


def _failed_first(row: Attempt, rows: Sequence[Attempt]) -> bool:
    """Whether its script failed before those of all others that did, whenever that was told."""
    ends = {one.pk: one.ended for one in rows if one.reason_code in SCRIPTS_OWN and one.ended is not None}
    return row.pk in ends and all(ends[row.pk] < end for pk, end in ends.items() if pk != row.pk)


def _name(run: Run, row: Attempt, message: str, log_tail: str) -> None:
    """This seat is why the run ends."""
    run.reason_code, run.reason = row.reason_code or SCRIPT_FAILED, _named(row, message)
    run.exit_code, run.signal, run.log_tail = row.exit_code, row.signal, log_tail
    names = ("reason_code", "reason", "exit_code", "signal", "log_tail")
    Run.objects.filter(pk=run.pk).update(**{name: getattr(run, name) for name in names})


def _named(row: Attempt, message: str) -> str:
    """The message with the node's name: `Rank 1 on node b exited with 3.`"""
    node = row.node.name if row.node else "?"
    if message.startswith("Rank "):
        head, _, rest = message.removeprefix("Rank ").partition(" ")
        return f"Rank {head} on node {node} {rest}"
    return f"Node {node} (number {row.rank} of the run): {message or 'it ended badly.'}"


def _over(run: Run, rows: Sequence[Attempt]) -> str:
    """All seats have ended."""
    code = run.reason_code if run.desired == DESIRED_CANCEL else ""
    if run.desired != DESIRED_CANCEL:
        return _done(run, finish(run, COMPLETED, exit_code=0, signal=None, reason_code="", reason=""))
    if not code:
        return _done(run, finish(run, CANCELED))
    if code in DECIDED:
        return _done(run, finish(run, FAILED))
    free = _free(run, rows, code)
    if free is not None:
        # A node that was given up may execute until its lease is over: only then has it ended its code by itself.
        after = max((row.lease_until for row in rows if row.reason_code == LOST), default=None)
        return again(run, code, free=free, pauses=_failures(run), why=run.reason, after=after)
    return _done(run, finish(run, FAILED))


def _done(run: Run, status: str) -> str:
    record(actor=SYSTEM, workspace=run.workspace, action="run.end", target=run.pk, fields={"status": status})
    return status


def _free(run: Run, rows: Sequence[Attempt], code: str) -> bool | None:
    """Whether another attempt would cost nothing; None when there is to be none."""
    if code in SCRIPTS_OWN:
        return True if _failures(run) <= ((run.config or {}).get("max_user_retries") or 0) else None
    if code not in states.RETRIED:
        return None
    if all(row.launched is None for row in rows):  # nobody's code has begun
        gone = Attempt.objects.filter(run=run, launched__isnull=True, reason_code=code).values("no").distinct().count()
        return True if gone <= states.FREE_RETRIES else None
    if code == PREEMPTED and run.max_retries:
        gone = Attempt.objects.filter(run=run, reason_code=PREEMPTED).values("no").distinct().count()
        return True if gone <= states.MOST_PREEMPTIONS else None
    return False if run.retries_used < run.max_retries else None


def _failures(run: Run) -> int:
    """How many attempts have failed by themselves."""
    return failed_attempts(run).values("no").distinct().count()


def failed_attempts(run: Run) -> QuerySet[Attempt]:
    """Ends that were the script's own."""
    return Attempt.objects.filter(run=run, reason_code__in=SCRIPTS_OWN)


def meeting_of(run: Run, *, actor: Actor, address: str, ports: Sequence[int]) -> dict[str, Any]:
    """`meet` for the code's own node, whose run `run` is locked; {ready, seats, desired}."""
    return {**meet(run, rank=actor.rank, address=address, ports=ports), "desired": run.desired}
