"""Claiming: one node gets one attempt of each run. Whoever commits first has it; nobody else can start it."""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from runs import using, waiting
from runs.models import Attempt, Run, Status
from runs.services import seats, secrets
from runs.services.orders import order_of
from runs.services.telling import tell
from studio.kernel import crypto, db, tokens
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, Unauthenticated
from studio.kernel.events import publish
from studio.kernel.ids import ulid
from studio.kernel.rows import Rows, change, insert
from workspace.access import authorize, can
from workspace.audit.services import record
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.placement import Place
from workspace.compute.queries import nodes_of
from workspace.datasets.models import DatasetVersion
from workspace.environments import queries as environments
from workspace.models import Workspace
from zaffre.protocol import HELD_STATES, QUEUED, LimitsSpec, RunSpec

MAX_NONCE = 64
#: Runs that one claim gives.
MOST_AT_ONCE = 32
#: Runs that one claim ends because they must not start: the node's other calls wait for its lock meanwhile.
MOST_TURNED_AWAY = 100
_OF_RUN = ("workspace", "experiment", "snapshot", "environment_version__environment", "submitted_by")
_OF_ATTEMPT = tuple(f"run__{name}" for name in _OF_RUN)


def claim_runs(*, actor: Actor, nonce: str, run_id: str = "", ticket: str = "", most: int = 1) -> list[RunSpec]:
    """Give the node attempts of up to `most` runs that are to start next and have room on it, in the queue's order.

    Empty when nothing waits or nothing has room. A hint names the run that it was about, with its ticket: that one, or
    what comes before it. A repeat with the same nonce gets the same answer, as far as the attempts live: the first
    one may have been lost on the way. Raises Conflict `taken` for a hint that is over or leads to nothing, Forbidden
    for anybody but a node.
    """
    if actor.kind != "node":
        raise Forbidden("Only nodes claim runs.")
    nonce = nonce[:MAX_NONCE] or ulid()
    seen = _look(actor, nonce, run_id)
    if run_id and not (seen.ticket and ticket and hmac.compare_digest(seen.ticket, tokens.hash_secret(ticket))):
        if not seen.held:
            raise Conflict("This run is not to be claimed: it was taken, canceled or hinted at anew.", code="taken")
        most = 0
    if not (seen.held or seen.line):
        return []
    with transaction.atomic():
        found = _claim(actor, nonce, seen, most=min(most, len(seen.line)))
    if run_id and not found:
        raise Conflict("This node has no room for what waits.", code="taken")
    return found


@dataclass(frozen=True)
class _Seen:
    """What a claim sees before it locks anything: most of them find nothing, and are over with this."""

    #: Attempts of the node that this claim may be about: a repeat, or a seat that was reserved.
    held: bool
    #: The runs that may start, in their order, no more than are given at once; whether any needs several nodes.
    line: list[str]
    gangs: bool
    #: The hash of the ticket of the run that the hint was about, while it waits.
    ticket: str | None


def _look(actor: Actor, nonce: str, run_id: str) -> _Seen:
    values = {"node": actor.node_id, "target": actor.target_id, "nonce": nonce, "run": run_id.replace("\0", "")}
    return _Seen(*db.ask(_LOOK, {**values, "most": MOST_AT_ONCE})[0])


# The state is spelt out as in the condition of the index `runs_waiting`: for a parameter the planner would not take it.
_READY = """
FROM runs_run WHERE target_id = %(target)s AND status = 'queued' AND desired = 'run'
AND (not_before IS NULL OR not_before <= now())
"""
_LOOK = f"""
SELECT
    EXISTS (
        SELECT FROM runs_attempt
        WHERE node_id = %(node)s AND ended IS NULL AND (nonce = %(nonce)s OR (rank > 0 AND nonce = ''))
    ),
    ARRAY(SELECT id {_READY} ORDER BY priority DESC, turn, id LIMIT %(most)s),
    EXISTS (SELECT {_READY} AND nodes > 1),
    (SELECT ticket_hash {_READY} AND id = %(run)s)
"""  # noqa: S608 - constants in another


def _claim(actor: Actor, nonce: str, seen: _Seen, *, most: int) -> list[RunSpec]:
    if seen.gangs:
        seats.line_up(actor.target_id or 0)
    node = _lock_node(actor)
    authorize(node.target.workspace, actor=actor, action="node.claim")
    held = _held(node)
    current = [one for one in held if one.no == one.run.attempt_no and one.run.status in HELD_STATES]
    if known := [one for one in current if one.nonce == nonce]:
        return [_spec(_whole(one)) for one in known]
    # One that was reserved for this node and that it has not taken up yet.
    if seat := next((one for one in current if one.rank and not one.nonce), None):
        return [_spec(_whole(_take(seat, nonce)))]
    most = most if node.draining is None else 0
    place = waiting.place_with(node, [one.run for one in held])
    begun = [_begin(*one, node, nonce) for one in _pick(node, place, most, seen)]
    return [_spec(attempt) for attempt in begun]


def _lock_node(actor: Actor) -> Node:
    # The lock makes the claims of one node wait for each other, so that its slots are counted right.
    for node, target, workspace in _NODE.ask(node=actor.node_id):
        node.target, target.workspace = target, workspace
        return node
    raise Unauthenticated("This node was removed.")


_NODE = Rows(
    """
    SELECT {columns} FROM compute_node node
    JOIN compute_computetarget target ON target.id = node.target_id
    JOIN workspace_workspace workspace ON workspace.id = target.workspace_id
    WHERE node.id = %(node)s AND node.removed IS NULL FOR UPDATE OF node
    """,
    {
        "node": (Node, ("name", "facts", "slots", "draining", "target")),
        "target": (ComputeTarget, ("workspace",)),
        "workspace": (Workspace, ("slug",)),
    },
)


def _held(node: Node) -> list[Attempt]:
    """The node's live attempts: which this claim is about, and what they take of the node."""
    held = []
    for attempt, run in _HELD.ask(node=node.pk):
        attempt.run = run
        held.append(attempt)
    return held


_HELD = Rows(
    """
    SELECT {columns} FROM runs_attempt attempt JOIN runs_run run ON run.id = attempt.run_id
    WHERE attempt.node_id = %(node)s AND attempt.ended IS NULL ORDER BY attempt.id
    """,
    {
        "attempt": (Attempt, ("run", "no", "rank", "nonce", "node")),
        "run": (Run, ("status", "attempt_no", *(name.removesuffix("_id") for name in waiting.NEED if name != "pk"))),
    },
)


def _whole(attempt: Attempt) -> Attempt:
    return Attempt.objects.select_related(*_OF_ATTEMPT).get(pk=attempt.pk)


def _take(seat: Attempt, nonce: str) -> Attempt:
    """The node takes up what was reserved for it; its lease begins now."""
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    Attempt.objects.filter(pk=seat.pk).update(nonce=nonce, lease_until=lease, last_seen=Now())
    return seat


def _pick(node: Node, place: Place, most: int, seen: _Seen) -> Iterator[tuple[Run, list[Node]]]:
    """The waiting runs that have room on this node, each locked, with the other nodes that it takes.

    No more once the node is full or kept free. Runs on several nodes are left out where none was seen: their claims
    go one after the other (`seats.line_up`). The caller begins each before it asks for the next.
    """
    ledger = using.ledger_of(node.target.workspace, locked=True)
    rows = waiting.in_order(node.target_id)
    rows = rows if seen.gangs else rows.filter(nodes=1)
    found = turned_away = 0
    while found < most and turned_away < MOST_TURNED_AWAY:
        if (fitting := waiting.fitting(place)) is None:
            return
        within = using.allowed(ledger, node.pk)
        # Rows that another node is claiming in this moment are skipped, not waited for.
        fit = rows.filter(fitting, within).select_for_update(skip_locked=True).values_list("pk", flat=True)
        run_id = next(iter(fit[:1]), None)
        if run_id is None:
            return
        run = order_of(run_id)
        if (refusal := _refusal(run)) is not None:
            _turn_away(run, *refusal)
            turned_away += 1
            continue
        first = seen.line[found : found + 1] == [run.pk]  # nothing that waits is before it
        if not first and waiting.is_kept(place, target_id=node.target_id, ahead_of=run, within=within):
            return
        others = seats.others_for(run, node)
        if others is None or not using.permits(ledger, run, [node, *others]):
            # Too few nodes at once, or more than a limit permits: what comes after it may pass, until it waited too
            # long.
            rows, turned_away = rows.exclude(pk=run.pk), turned_away + 1
            continue
        yield run, others
        found += 1
        if found == 1 < most:
            most = min(most, _share(node))
        place = replace(place, used=place.used.plus(waiting.need_of_run(run)))
        ledger = ledger and using.ledger_of(node.target.workspace, locked=True)


def _share(node: Node) -> int:
    """How many runs the node may take at once, with the one that it has just taken: others are there for the rest."""
    nodes = sum(waiting.is_online(one) for one in nodes_of(node.target_id).filter(draining__isnull=True))
    return ceil((waiting.in_order(node.target_id).count() + 1) / nodes) if nodes > 1 else MOST_AT_ONCE


def _refusal(run: Run) -> tuple[str, str, str] | None:
    """(final state, code, reason) of a run that must not start although it was accepted; None when it may."""
    user = run.submitted_by
    if (
        user is None
        or not user.is_active
        or not can(run.workspace, actor=user.as_actor(), action="run.submit", role=getattr(run, "submitter_role", None))
    ):
        reason = "Whoever submitted this run may not run code in this workspace any more, so it was not started."
        return Status.CANCELED, "submitter_gone", reason
    wanted = {given["version_id"]: f"{given['dataset']}:{given['version']}" for given in run.inputs.values()}
    if wanted and (
        gone := wanted.keys() - set(DatasetVersion.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    ):
        names = ", ".join(sorted(wanted[pk] for pk in gone))
        return Status.FAILED, "input_gone", f"The dataset {names} was deleted while the run waited."
    return secrets.refusal(run)


def _turn_away(run: Run, status: str, code: str, reason: str) -> None:
    Run.objects.filter(pk=run.pk, status=QUEUED).update(status=status, reason_code=code, reason=reason, ended=Now())
    tell(run, status)


def _begin(run: Run, others: Sequence[Node], node: Node, nonce: str) -> Attempt:
    no = run.attempt_no + 1
    moment = timezone.now()
    waited = {"name": "queued", "state": "done", "started": _iso(run.queued_at), "ended": _iso(moment), "note": ""}
    told = {"status": Status.STARTING, "attempt_no": no, "ticket_hash": "", "not_before": None, "started": None}
    change(Run, run.pk, {**told, "steps": [waited]})
    attempt = _seat(run, no, node, nonce=nonce, rank=0)
    for rank, other in enumerate(others, start=1):
        _seat(run, no, other, nonce="", rank=rank)
    if others:
        publish(f"pool.{run.target_id}", run=run.pk)  # their long polls bring them here
    run.attempt_no = no
    actor = Actor(kind="node", name=node.name, node_id=node.pk)
    record(actor=actor, workspace=run.workspace, action="run.claim", target=run.pk, fields={"attempt": no})
    tell(run, Status.STARTING)
    return attempt


def _seat(run: Run, no: int, node: Node, *, nonce: str, rank: int) -> Attempt:
    token_id = ulid()
    text, kept = tokens.new("run", token_id)
    attempt = Attempt(
        run=run,
        no=no,
        rank=rank,
        node=node,
        nonce=nonce,
        token_id=token_id,
        secret_hash=kept,
        sealed_token=crypto.seal(text, bound_to=_place(run.pk, no)),
    )
    lease = f"statement_timestamp() + interval '{float(settings.LEASE_SECONDS)} seconds'"
    insert(attempt, lease_until=lease, last_seen="statement_timestamp()")
    return attempt


def _place(run_id: str, no: int) -> str:
    return f"attempt:{run_id}:{no}"


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None


def _spec(attempt: Attempt) -> RunSpec:
    run = attempt.run
    environment = run.environment_version
    assert run.snapshot is not None and environment is not None, "a queued run has code and an environment"
    versions = DatasetVersion.objects.in_bulk([given["version_id"] for given in run.inputs.values()])
    return RunSpec(
        run=run.pk,
        attempt=attempt.no,
        token=crypto.unseal(attempt.sealed_token, bound_to=_place(run.pk, attempt.no)),
        valid_for=settings.LEASE_SECONDS,
        workspace=run.workspace.slug,
        experiment=run.experiment.name,
        name=run.name,
        config=run.config,
        snapshot={"id": run.snapshot.pk, "files": run.snapshot.files},
        environment=environments.as_spec(environment),
        inputs={
            name: {
                "dataset": given["dataset"],
                "version": given["version"],
                "files": versions[given["version_id"]].files,
                "single_file": versions[given["version_id"]].single_file,
            }
            for name, given in run.inputs.items()
        },
        desired=run.desired,
        secrets=secrets.of_attempt(run, attempt),
        limits=_limits(run),
        seat={"rank": attempt.rank, "node_count": run.nodes} if run.nodes > 1 else {},
        log={"head": settings.LOG_HEAD_BYTES, "tail": settings.LOG_TAIL_BYTES},
        # On several nodes each leaves files of its own, before all have ended.
        finish=run.nodes == 1,
    )


def _limits(run: Run) -> LimitsSpec:
    """What the attempt may use: what it asked for, and no GPU that it did not. A run in a slot is not limited."""
    if not (run.cpus or run.memory_mb or run.gpus):
        return LimitsSpec()
    found = LimitsSpec(gpus=run.gpus)
    if run.cpus:
        found["cpus"] = run.cpus
    if run.memory_mb:
        found["memory_mb"] = run.memory_mb
    return found
