"""Signs of life: a node's greeting, its renewals, and how far an attempt has come."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from runs.models import Attempt, Run
from runs.services.closing import lock_own
from runs.services.ending import give_up
from runs.services.seats import meeting_of
from runs.services.telling import tell
from runs.services.warning import warn
from runs.states import PROGRESS, before
from runs.stepping import with_steps
from studio.kernel import db
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid
from studio.kernel.rows import change
from workspace.compute import services as compute
from workspace.compute.queries import log_is_wanted
from zaffre.protocol import (
    CANCEL_REQUESTED,
    DESIRED_KILL,
    FINALIZING,
    HELD_STATES,
    RUNNING,
)

Key = tuple[str, int]


def lease_of(*, launched: bool, retries_left: bool) -> float:
    """Seconds that an attempt is believed without a word.

    Short while something else may run in its place: its code has not started, or a retry is allowed. Long
    otherwise, so that a studio that is away for an upgrade kills no training of three days.
    """
    return settings.PATIENCE_SECONDS if launched and not retries_left else settings.LEASE_SECONDS


@transaction.atomic
def greet(*, actor: Actor, epoch: str, runs: Sequence[Key], facts: dict[str, Any]) -> dict[str, list[Key]]:
    """A new life of an agent says which attempts it really has; everything else it held is given up at once.

    Returns {keep, kill}: what goes on, and what the node must end because it is not its own any more.
    """
    node = compute.greet_node(actor=actor, epoch=epoch, facts=facts)
    present = _renewed(node.pk, runs)
    lost = Attempt.objects.filter(node_id=node.pk, ended__isnull=True).select_related("run")
    for attempt in lost.order_by("run_id"):
        if (attempt.run_id, attempt.no) not in runs:
            give_up(attempt, why=f"The node {node.name} came back without it.")
    return {"keep": [key for key in runs if key in present], "kill": [key for key in runs if key not in present]}


@transaction.atomic
def renew(
    *, actor: Actor, epoch: str, runs: Sequence[Key], load: dict[str, Any], said: object = "", shelf: object = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Extend the leases of a node's attempts; each answer says how long it is valid and what is wanted. Beside them
    what the node itself is asked for: `log`, whether somebody wants to read the end of the agent's own log, which comes
    as `said` with the next renewal, and `evict`, the digests of environments that are to go from its shelf. `shelf` is
    what it keeps of environments, where that changed.

    An attempt whose lease is over is renewed as well, as long as nobody gave it up. Raises Conflict
    `stale_epoch` when the agent has had another life since.
    """
    node = compute.note_node(actor=actor, epoch=epoch, load=load, said=said, shelf=shelf)
    present = _renewed(node.pk, runs)
    answers = [
        {"run": run, "attempt": no, **present.get((run, no), {"valid_for": 0, "desired": DESIRED_KILL})}
        for run, no in runs
    ]
    return answers, {"log": log_is_wanted(node), "evict": list(node.evicting)}


def _renewed(node_id: str, runs: Sequence[Key]) -> dict[Key, dict[str, Any]]:
    """Extend what is this node's and current; return {(run, attempt): {valid_for, desired}} of those."""
    # In the order of ids, as everywhere where several attempts are locked.
    held = (
        Attempt.objects.select_for_update(of=("self",), no_key=True)
        .filter(node_id=node_id, ended__isnull=True, run_id__in=[run for run, _ in runs])
        .filter(no=F("run__attempt_no"), run__status__in=HELD_STATES)
        .order_by("run_id")
    )
    wanted = ("desired", "max_retries", "retries_used", "nodes", "config")
    rows = held.select_related("run").only("run_id", "no", "launched", *(f"run__{name}" for name in wanted))
    answers: dict[Key, dict[str, Any]] = {}
    by_lease: dict[float, list[int]] = {}
    for row in rows:
        if (row.run_id, row.no) not in runs:
            continue
        lease = lease_of(launched=row.launched is not None, retries_left=_may_be_retried(row.run))
        by_lease.setdefault(lease, []).append(row.pk)
        answers[(row.run_id, row.no)] = {"valid_for": lease, "desired": row.run.desired}
    for lease, keys in by_lease.items():
        Attempt.objects.filter(pk__in=keys).update(lease_until=Now() + timedelta(seconds=lease), last_seen=Now())
    return answers


@transaction.atomic
def report_progress(
    run_id: str,
    *,
    actor: Actor,
    state: str,
    steps: Sequence[dict[str, Any]] = (),
    warnings: Sequence[str] = (),
) -> Run:
    """An attempt tells that it is in `state` now, and how its steps went; that renews its lease, too.
    `warnings` are for people.

    Returns the run with `.valid_for`, the seconds of its lease. Repeating is harmless; going back raises Conflict
    `backward`. Raises Conflict `stale_attempt` or `final` for an attempt that lost its run.
    """
    run = lock_own(run_id, actor=actor)
    if state not in PROGRESS:
        raise Invalid(f"An attempt is in one of {', '.join(PROGRESS)}, not {state[:40]!r}.", field="state")
    if actor.rank:  # how far the run is, its first node says
        run.valid_for = _heard(run, rank=actor.rank, launched=False)
        return run
    canceling = run.status == CANCEL_REQUESTED
    if not canceling and run.status not in before(state):
        raise Conflict(f"The run is {run.status} already, and not {state} again.", code="backward")
    changes: dict[str, Any] = {"steps": with_steps(run.steps, steps)} if steps else {}
    new = [text for text in warnings if warn(run.pk, text)]
    if not canceling and run.status != state:
        changes["status"] = state
    prepared = any(step["name"] == "data" and step["state"] == "done" for step in steps)
    # On several nodes it begins when all of them are ready (services/seats.py).
    launched = run.nodes == 1 and (state in (RUNNING, FINALIZING) or prepared)
    run.valid_for = _heard(run, rank=0, launched=launched)
    begins = {"started": "COALESCE(started, statement_timestamp())"} if state == RUNNING else {}
    if changes or begins:
        change(Run, run.pk, changes, **begins)
    if changes or begins or new:
        tell(run, changes.get("status", run.status))
    return run


def _heard(run: Run, *, rank: int, launched: bool) -> float:
    """Renew the lease of the present attempt; return its seconds.

    From the report that comes before the code starts (the node waits for our answer) a lost attempt costs a
    retry, and the lease is as long as that asks for: the code must not begin on the short one.
    """
    rows = Attempt.objects.filter(run=run.pk, no=run.attempt_no, rank=rank)
    started = launched or rows.filter(launched__isnull=False).exists()
    lease = lease_of(launched=started, retries_left=_may_be_retried(run))
    told = {"run": run.pk, "no": run.attempt_no, "rank": rank, "lease": timedelta(seconds=lease), "launched": launched}
    db.ask(_HEARD, told)
    return lease


_HEARD = """
UPDATE runs_attempt SET lease_until = statement_timestamp() + %(lease)s::interval, last_seen = statement_timestamp(),
    launched = CASE WHEN %(launched)s THEN COALESCE(launched, statement_timestamp()) ELSE launched END
WHERE run_id = %(run)s AND no = %(no)s AND rank = %(rank)s RETURNING id
"""


def _may_be_retried(run: Run) -> bool:
    """Whether something else may run in the place of a lost attempt: on several nodes also after a failed script."""
    return run.retries_used < run.max_retries or (run.nodes > 1 and bool(run.config.get("max_user_retries")))


@transaction.atomic
def rendezvous(run_id: str, *, actor: Actor, address: str, ports: Sequence[int]) -> dict[str, Any]:
    """A node of a run on several is ready and tells where it is reached; {ready, seats: [{rank, address, ports}],
    desired, valid_for}. Raises as `report_progress`."""
    run = lock_own(run_id, actor=actor)
    told = meeting_of(run, actor=actor, address=address, ports=ports)
    return {**told, "valid_for": _heard(run, rank=actor.rank, launched=False)}
