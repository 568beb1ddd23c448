"""Runs that wait: in which order they start, which of them fits a node, and why one has not started yet.

The thinking is in `workspace/compute/placement.py`; here are the rows that it thinks about. Callers have opened what
they ask for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs import using
from runs.models import Attempt, Run, Status
from workspace.compute import kinds
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.placement import (
    Capacity,
    Free,
    Need,
    Place,
    Used,
    could_fit,
    fits,
    free,
    has_labels,
    reservations,
)
from workspace.compute.placement import capacity_of as capacity_of_facts
from workspace.compute.queries import nodes_of, waits_for
from workspace.quotas.ledger import Ledger
from zaffre.protocol import DESIRED_RUN

#: Takes one of a node's slots: it does not say what it needs.
IN_SLOT = Q(cpus=0, memory_mb=0, gpus=0)
#: Runs that are looked at for those that a node is to be kept free for: more than there are nodes to keep.
LOOKED_AT = 50
#: Priority, then whose turn it is, then age.
ORDER = ("-priority", "turn", "id")
NEED = ("pk", "cpus", "memory_mb", "gpus", "wanted_labels", "nodes", "priority", "queued_at", "submitted_by_id")

NO_CAPACITY, NOTHING_FITS, WAITING_FOR_NODE = "no_capacity", "nothing_fits", "waiting_for_node"
STARTING, RETRY_PAUSE, QUOTA = "starting", "retry_pause", "quota"


def in_order(target_id: int) -> QuerySet[Run]:
    """The runs that may start on a target now, in the order in which they are to: ORDER."""
    ready = Q(not_before__isnull=True) | Q(not_before__lte=Now())
    rows = Run.objects.filter(ready, target=target_id, status=Status.QUEUED, desired=DESIRED_RUN)
    return rows.order_by(*ORDER)


def before(rows: QuerySet[Run], run: Run) -> QuerySet[Run]:
    """Those of `in_order` that come before this one."""
    same = Q(priority=run.priority)
    ahead = same & Q(turn__lt=run.turn) | same & Q(turn=run.turn, pk__lt=run.pk)
    return rows.filter(Q(priority__gt=run.priority) | ahead)


def place_with(node: Node, held: Sequence[Run]) -> Place:
    """The node with the runs of its live attempts. Exact only while its row is locked."""
    used = Used()
    for run in held:
        used = used.plus(need_of_run(run))
    return Place(node.pk, capacity_of_facts(node.facts, node.slots), used, node.name)


def places_of(nodes: Sequence[Node]) -> list[Place]:
    """Nodes with what their live attempts were given, in one statement. Exact only while their rows are locked."""
    held = Attempt.objects.filter(node__in=nodes, ended__isnull=True).values("node").annotate(**_SUMS)
    used = {row["node"]: _used(dict(row)) for row in held}
    return [
        Place(node.pk, capacity_of_facts(node.facts, node.slots), used.get(node.pk, Used()), node.name)
        for node in nodes
    ]


_SUMS = {
    "cpu_sum": Sum("run__cpus"),
    "memory_sum": Sum("run__memory_mb"),
    "gpu_sum": Sum("run__gpus"),
    "slot_sum": Count("pk", filter=Q(run__cpus=0, run__memory_mb=0, run__gpus=0)),
}


def _used(row: dict[str, Any]) -> Used:
    return Used(row["cpu_sum"] or 0.0, row["memory_sum"] or 0, row["gpu_sum"] or 0, row["slot_sum"] or 0)


def fitting(place: Place) -> Q | None:
    """Which runs could begin on this node now, as SQL; None when nothing could. The same as `placement.fits`."""
    left = free(place.capacity, place.used)
    counted = ~IN_SLOT & Q(cpus__lte=left.cpus, memory_mb__lte=left.memory_mb, gpus__lte=left.gpus)
    if left.slot:
        found = IN_SLOT | counted
    elif left.cpus < 0.001 and not left.memory_mb and not left.gpus:
        return None
    else:
        found = counted
    return found & Q(wanted_labels__contained_by=dict(place.capacity.labels))


def is_kept(place: Place, *, target_id: int, ahead_of: Run, within: Q) -> bool:
    """Whether the node is kept free for a run that comes before `ahead_of` and has waited too long for a gap.

    Only for runs `within` the limits: for others it would stand empty.
    """
    long_ago = Now() - timedelta(seconds=settings.HOLD_SECONDS)
    rows = before(in_order(target_id), ahead_of).filter(within, queued_at__lte=long_ago)
    waiting = [need_of(row) for row in rows.values(*NEED)[:LOOKED_AT]]
    if not waiting:
        return False
    places = places_of(list(nodes_of(target_id).filter(Q(online=True, draining__isnull=True) | Q(pk=place.id))))
    # All that were found have waited long enough.
    return place.id in reservations(places, waiting, now=0.0, hold=0.0)


def need_of(row: dict[str, Any]) -> Need:
    """What a run asks for, of its columns. `since` is left 0: who needs it has its own clock."""
    return Need(
        cpus=row["cpus"],
        memory_mb=row["memory_mb"],
        gpus=row["gpus"],
        labels=row["wanted_labels"],
        nodes=row["nodes"],
        run=row["pk"],
        priority=row["priority"],
        user=row["submitted_by_id"],
    )


def why(run: Run, *, now: datetime | None) -> dict[str, Any]:
    """{position, code, message} of a queued run: a word for programs and a sentence for people."""
    rows = Run.objects.filter(target=run.target_id, status=Status.QUEUED)
    position = 1 + before(rows, run).count()
    assert run.target is not None, "a run that waits has a target"
    here = here_of(run.target, yard_of(nodes_of(run.target.pk)), now, using.ledger_of(run.workspace))
    code, message = reason_of(run, here)
    if code == NO_CAPACITY and position > 1:
        told = ngettext("%(n)d run is before it.", "%(n)d runs are before it.", position - 1)
        message += " " + told % {"n": position - 1}
    return {"position": position, "code": code, "message": message}


#: The nodes of a target as `nodes_of` returns them, each with what is used of it.
Yard = Sequence[tuple[Node, Place]]


def yard_of(nodes: QuerySet[Node]) -> Yard:
    found = list(nodes)
    return list(zip(found, places_of(found), strict=True))


@dataclass(frozen=True)
class Here:
    """A target as reasons are made of it: its nodes, and what all of its runs wait for, if there is such a thing."""

    target: str
    yard: Yard
    itself: tuple[str, str] | None
    now: datetime | None
    ledger: Ledger
    #: How many nodes it may have: more of them come while runs wait. None where only people bring nodes.
    most: int | None = None


def here_of(target: ComputeTarget, yard: Yard, now: datetime | None, ledger: Ledger) -> Here:
    most = target.settings["max_nodes"] if target.kind == kinds.CLUSTER else None
    return Here(target.name, yard, waits_for(target), now, ledger, most)


def reason_of(run: Run, here: Here) -> tuple[str, str]:
    """(code, sentence) of what one queued run waits for. No statement."""
    if run.not_before and here.now and run.not_before > here.now:
        told = _("It is tried in %(seconds)d s.") % {"seconds": (run.not_before - here.now).total_seconds()}
        return RETRY_PAUSE, f"{run.reason} {told}"
    need = need_of_run(run)
    if here.most is not None and need.nodes > here.most:
        sizes = {"n": need.nodes, "target": here.target, "most": here.most}
        return NOTHING_FITS, _("It needs %(n)d nodes at once; %(target)s may have %(most)d at most.") % sizes
    if here.itself:
        return here.itself
    code, message = explain(need, here.yard, target=here.target, grows=here.most is not None)
    if code in (STARTING, NO_CAPACITY) and (excess := using.excess_of(here.ledger, need)):
        return QUOTA, using.in_words(excess)
    return code, message


def need_of_run(run: Run) -> Need:
    return need_of({key: getattr(run, key) for key in NEED})


def database_now() -> datetime:
    """The clock that wrote the times of runs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cast(datetime, cursor.fetchone()[0])


def is_online(node: Node) -> bool:
    return bool(getattr(node, "online", False))


def explain(need: Need, yard: Yard, *, target: str, grows: bool = False) -> tuple[str, str]:
    """(code, sentence) of what such a run waits for; a target that `grows` brings the nodes that are missing."""
    able = [(node, place) for node, place in yard if could_fit(need, place.capacity)]
    if yard and not able:
        return NOTHING_FITS, nothing_fits(need, [place.capacity for _node, place in yard], target=target)
    taking = [place for node, place in able if is_online(node) and node.draining is None]
    if not taking and any(is_online(node) and node.draining is None for node, _place in yard):
        return WAITING_FOR_NODE, _("What it asks for has %(node)s, which is not online.") % {
            "node": ", ".join(sorted(node.name for node, _place in able)[:3])
        }
    if not taking:
        return WAITING_FOR_NODE, _("No node of %(target)s is online. It starts as soon as one is.") % {"target": target}
    room = sum(fits(need, place) for place in taking)
    if need.nodes > 1 and room < need.nodes:
        return _too_few(need, able=need.nodes if grows else len(able), online=len(taking), room=room, target=target)
    if room:
        return STARTING, _("A node of %(target)s takes it in a moment.") % {"target": target}
    if need.counted:
        return NO_CAPACITY, _("It asks for %(need)s, and what %(target)s has of it is busy.") % {
            "need": in_words(need),
            "target": target,
        }
    slots = sum(place.capacity.slots for place in taking)
    told = ngettext("The %(n)d slot of %(target)s is busy.", "All %(n)d slots of %(target)s are busy.", slots)
    return NO_CAPACITY, told % {"n": slots, "target": target}


def _too_few(need: Need, *, able: int, online: int, room: int, target: str) -> tuple[str, str]:
    """(code, sentence) of a run that needs several nodes at the same time, and finds fewer with room."""
    told = {"n": need.nodes, "target": target, "able": able, "online": online, "room": room}
    if able < need.nodes:
        return NOTHING_FITS, _("It needs %(n)d nodes at once; %(target)s has %(able)d that could take it.") % told
    if online < need.nodes:
        return WAITING_FOR_NODE, _("It needs %(n)d nodes at once; %(online)d of %(target)s are online.") % told
    return NO_CAPACITY, ngettext(
        "It needs %(n)d nodes at once; %(room)d of %(target)s is free.",
        "It needs %(n)d nodes at once; %(room)d of %(target)s are free.",
        room,
    ) % told


def nothing_fits(need: Need, capacities: Sequence[Capacity], *, target: str) -> str:
    """What is asked and the best that is there, for a run that none of these machines can ever take."""
    told = {"need": in_words(need), "target": target}
    labelled = [one for one in capacities if has_labels(one, need)]
    if not labelled:
        words = ", ".join(f"{key}={value}" for key, value in sorted(need.labels.items()))
        return _("It asks for %(labels)s; no node of %(target)s has that.") % {"labels": words, "target": target}
    best = Need(
        max(one.cpus for one in labelled),
        max(one.memory_mb for one in labelled),
        max(one.gpus for one in labelled),
    )
    short = {
        name: getattr(need, name) for name in ("cpus", "memory_mb", "gpus") if getattr(need, name) > getattr(best, name)
    }
    if not short:
        return _("It asks for %(need)s; no single node of %(target)s has all of it.") % told
    there = " ".join(_word(name, getattr(best, name)) for name in short) if len(short) == 1 else in_words(best)
    told = {"need": ", ".join(_word(name, value) for name, value in short.items()), "best": there, "target": target}
    return _("It asks for %(need)s; the largest node of %(target)s has %(best)s.") % told


def warnings_of(shown: dict[str, Any]) -> list[str]:
    """What to tell at once who submitted a run, as `runs.queries.run_in_full` shows it; not kept with the run."""
    queue = shown["queue"] or {}
    if queue.get("code") != NOTHING_FITS:
        return []
    return [f"{queue['message']} " + _("It waits until such a node is attached.")]


def in_words(need: Need) -> str:
    """What is asked for, such as "2 CPUs, 8 GB, 1 GPU, zone=eu"; "a slot" when nothing is."""
    words = [_word(name, getattr(need, name)) for name in ("cpus", "memory_mb", "gpus") if getattr(need, name)]
    words += [f"{key}={value}" for key, value in sorted(need.labels.items())]
    return ", ".join(words) or _("a slot")


def all_in_words(need: Need) -> str:
    """`in_words`, with the nodes that it needs at the same time."""
    each = in_words(need)
    return each if need.nodes < 2 else _("%(n)d nodes, on each %(each)s") % {"n": need.nodes, "each": each}


def left_in_words(left: Free, place: Place) -> str:
    """What a node has left, such as "1 slot, 2 CPUs, 8 GB"; "nothing" when it is full."""
    slots = place.capacity.slots - place.used.slots if left.slot else 0
    words = [ngettext("%(n)d slot", "%(n)d slots", slots) % {"n": slots}] if slots else []
    amounts = (("cpus", round(left.cpus, 2)), ("memory_mb", left.memory_mb), ("gpus", left.gpus))
    words += [_word(name, value) for name, value in amounts if value]
    return ", ".join(words) or _("nothing")


def _word(name: str, value: float) -> str:
    if name == "memory_mb":
        return f"{round(value / 1024, 1):g} GB" if value >= 1024 or not value else f"{value:g} MB"
    if name == "cpus":
        return ngettext("%(n)s CPU", "%(n)s CPUs", 1 if value == 1 else 2) % {"n": f"{value:g}"}
    return ngettext("%(n)d GPU", "%(n)d GPUs", int(value)) % {"n": value}
