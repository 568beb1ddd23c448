"""Which waiting run goes to which node, and how many nodes a cluster should have. Pure thinking, no database.

A node has slots for runs that ask for nothing, and processors, memory and GPUs for those that say what they need. A
run in a slot takes an equal share of the processors and the memory, so that the two kinds never promise the same
machine twice. docs/decisions/placement.md says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

#: Sums of parts of a processor are not exact.
_DUST = 1e-6
#: What a node with a container engine says of itself, beside its own labels.
CONTAINERS = {"containers": "yes"}
_ENGINES = {"podman", "docker", "nerdctl"}


@dataclass(frozen=True, slots=True)
class Need:
    """What a waiting run asks of each of its `nodes`. All 0 and no labels: it takes a slot anywhere.

    `since` is when it began to wait, in seconds of the same clock as the `now` of whoever asks.
    """

    cpus: float = 0.0
    memory_mb: int = 0
    gpus: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    nodes: int = 1
    since: float = 0.0
    run: str = ""
    priority: int = 0
    user: int | None = None

    @property
    def counted(self) -> bool:
        """Whether it says what it needs; else it takes one slot."""
        return bool(self.cpus or self.memory_mb or self.gpus)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a machine has. 0 processors or 0 memory: the node did not say."""

    cpus: float = 0.0
    memory_mb: int = 0
    gpus: int = 0
    slots: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Used:
    """What the runs of a node were given: `slots` counts those that asked for nothing."""

    cpus: float = 0.0
    memory_mb: int = 0
    gpus: int = 0
    slots: int = 0

    def __bool__(self) -> bool:
        return bool(self.cpus or self.memory_mb or self.gpus or self.slots)

    def plus(self, need: Need) -> "Used":
        """The same with one more run."""
        return Used(
            self.cpus + need.cpus,
            self.memory_mb + need.memory_mb,
            self.gpus + need.gpus,
            self.slots + (0 if need.counted else 1),
        )


@dataclass(frozen=True, slots=True)
class Free:
    """What is left of a node: for a run that says what it needs, and whether a slot is to be had."""

    cpus: float
    memory_mb: int
    gpus: int
    slot: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A node as placement sees it."""

    id: str
    capacity: Capacity
    used: Used = Used()
    name: str = ""


def capacity_of(facts: Mapping[str, Any], slots: int) -> Capacity:
    """What a node said of its machine; what it did not say counts as nothing."""
    gpus, labels, engines = facts.get("gpus"), facts.get("labels"), facts.get("engines")
    own = dict(labels) if isinstance(labels, Mapping) else {}
    if isinstance(engines, list) and _ENGINES & {one for one in engines if isinstance(one, str)}:
        own |= CONTAINERS
    return Capacity(
        cpus=float(facts.get("cpu") or 0),
        memory_mb=int(float(facts.get("memory_gb") or 0) * 1024),
        gpus=len(gpus) if isinstance(gpus, list) else int(gpus or 0),
        slots=max(1, slots),
        labels=own,
    )


def free(capacity: Capacity, used: Used) -> Free:
    """What is left when the runs in slots take their shares."""
    cpu_share, memory_share = capacity.cpus / capacity.slots, capacity.memory_mb / capacity.slots
    cpus = capacity.cpus - used.cpus - used.slots * cpu_share
    memory = capacity.memory_mb - used.memory_mb - used.slots * memory_share
    # A megabyte that rounding cost must not cost a slot.
    room = cpus > cpu_share - _DUST and memory > memory_share - 1
    return Free(
        cpus=max(0.0, cpus) + _DUST,
        memory_mb=max(0, int(memory + _DUST)),
        gpus=max(0, capacity.gpus - used.gpus),
        slot=used.slots < capacity.slots and room,
    )


def has_labels(capacity: Capacity, need: Need) -> bool:
    return all(capacity.labels.get(key) == value for key, value in need.labels.items())


def fits(need: Need, place: Place) -> bool:
    """Whether the run could begin on this node now."""
    left = free(place.capacity, place.used)
    if not has_labels(place.capacity, need):
        return False
    if not need.counted:
        return left.slot
    return need.cpus <= left.cpus and need.memory_mb <= left.memory_mb and need.gpus <= left.gpus


def could_fit(need: Need, capacity: Capacity) -> bool:
    """Whether the run could begin on such a node if nothing else ran there."""
    return fits(need, Place("", capacity))


def reservations(places: Sequence[Place], waiting: Sequence[Need], *, now: float, hold: float) -> dict[str, Need]:
    """{node: the run that it is kept free for}, of runs that have waited `hold` seconds and fit nowhere yet.

    `waiting` in their order: the first one chooses first. A node that is kept takes nothing that comes after that run,
    so that its runs end one by one until there is room; else small runs that fit into every gap would keep a big one
    waiting for ever. Each run keeps the nodes where least is missing: they only empty, so the choice stays.
    """
    kept: dict[str, Need] = {}
    for need in waiting:
        open_to_it = [place for place in places if place.id not in kept and could_fit(need, place.capacity)]
        if len(open_to_it) < need.nodes or sum(fits(need, place) for place in open_to_it) >= need.nodes:
            continue
        if now - need.since >= hold:
            nearest = sorted(open_to_it, key=lambda place: (_missing(need, place), place.id))
            kept |= {place.id: need for place in nearest[: need.nodes]}
    return kept


def _missing(need: Need, place: Place) -> float:
    """How far the node is from having room: 0 has it, 1 would have to become empty."""
    if fits(need, place):
        return 0.0
    left, capacity = free(place.capacity, place.used), place.capacity
    if not need.counted:
        need = Need(capacity.cpus / capacity.slots, int(capacity.memory_mb / capacity.slots))
    parts = [
        (need.cpus - left.cpus) / capacity.cpus if capacity.cpus else 0.0,
        (need.memory_mb - left.memory_mb) / capacity.memory_mb if capacity.memory_mb else 0.0,
        (need.gpus - left.gpus) / capacity.gpus if capacity.gpus else 0.0,
    ]
    return max(*parts, _DUST)


# --- how many nodes a cluster should have -----------------------------------------------------------
# Nodes are added for runs that wait and find no room, and released when they had no work for a while. A node that is
# busy, or that a waiting run is about to use, is never released; machines that are still leaving count as there.

#: States of a node: it was asked for and comes up; it takes runs; it goes away after its last run; nobody hears of it.
PREPARING, READY, LEAVING, LOST = "preparing", "ready", "leaving", "lost"

BELOW_MIN, ABOVE_MAX = "below_min", "above_max"
GROWING, AT_MAX, COMING, NOTHING_FITS = "growing", "at_max", "coming", "nothing_fits"
SHRINKING, IDLE, STEADY = "shrinking", "idle", "steady"


@dataclass(frozen=True, slots=True)
class NodeView:
    """A machine of the cluster. `idle_since` is None while it is busy; `used` tells what of a busy one is left."""

    id: str
    state: str
    busy: bool
    idle_since: float | None
    capacity: Capacity
    used: Used | None = None


@dataclass(frozen=True, slots=True)
class ScalingState:
    """All that the decision is made of. `waiting` in the order in which the runs are to start; times in seconds."""

    min_nodes: int
    max_nodes: int
    idle_seconds: float
    nodes: Sequence[NodeView]
    waiting: Sequence[Need]
    now: float
    node_capacity: Capacity


@dataclass(frozen=True, slots=True)
class Decision:
    """`target` nodes are wanted, leaving ones not counted; those of `release` are to go.

    `why` is {code, and the numbers that belong to it}: words.py makes sentences of it.
    """

    target: int
    release: tuple[str, ...]
    why: Mapping[str, Any]


@dataclass(slots=True)
class _Plan:
    """What a try to place all waiting runs found."""

    added: int = 0
    short: int = 0  # runs that wait although all that may be added is added
    impossible: int = 0  # runs that no node of this cluster can ever take
    needed: frozenset[str] = frozenset()  # nodes of today that waiting runs are about to use


def wanted_nodes(state: ScalingState) -> Decision:
    """Decide how many nodes there should be. More than `max_nodes` machines never come out of it."""
    usable = [node for node in state.nodes if node.state in (PREPARING, READY)]
    most_added = max(0, state.max_nodes - len(state.nodes))
    plan = _plan(state, usable, most_added)
    floor = min(state.min_nodes, state.max_nodes)
    added = min(most_added, max(plan.added, floor - len(usable)))
    release = _released(state, usable, plan.needed, floor)
    why = _why(state, usable, plan, added, len(release))
    return Decision(len(usable) - len(release) + added, release, why)


def _plan(state: ScalingState, usable: Sequence[NodeView], most_added: int) -> _Plan:
    """Put every waiting run on a node of today or a new one, in their order: the first that fits."""
    places = {
        node.id: Place(node.id, node.capacity, node.used or Used())
        for node in usable
        if not node.busy or node.used is not None
    }
    plan, needed = _Plan(), set[str]()
    for need in state.waiting:
        new_fits = could_fit(need, state.node_capacity)
        today = sum(could_fit(need, node.capacity) for node in usable)
        if need.nodes > (state.max_nodes if new_fits else today):
            plan.impossible += 1
            continue
        found = [key for key, place in places.items() if fits(need, place)][: need.nodes]
        while new_fits and len(found) < need.nodes and plan.added < most_added:
            plan.added += 1
            found.append(f"new {plan.added}")
            places[found[-1]] = Place(found[-1], state.node_capacity)
        plan.short += len(found) < need.nodes
        for key in found:
            places[key] = replace(places[key], used=places[key].used.plus(need))
        needed.update(found)
    plan.needed = frozenset(needed)
    return plan


def _released(state: ScalingState, usable: Sequence[NodeView], needed: frozenset[str], floor: int) -> tuple[str, ...]:
    """Nodes without work: at once where there are too many, else after their time; the longest idle first."""
    idle = sorted((node for node in usable if not node.busy), key=lambda node: (_idle_since(node, state.now), node.id))
    if above := max(0, len(usable) - state.max_nodes):
        idle.sort(key=lambda node: (node.id in needed, node.state == PREPARING))
        return tuple(node.id for node in idle[:above])
    tired = [
        node.id
        for node in idle
        if node.state == READY
        and node.id not in needed
        and state.now - _idle_since(node, state.now) >= state.idle_seconds
    ]
    return tuple(tired[: max(0, len(usable) - floor)])


def _idle_since(node: NodeView, now: float) -> float:
    return now if node.idle_since is None else node.idle_since


def _why(state: ScalingState, usable: Sequence[NodeView], plan: _Plan, added: int, released: int) -> dict[str, Any]:
    waiting, preparing = len(state.waiting) - plan.impossible, sum(node.state == PREPARING for node in usable)
    idle = sum(node.state == READY and not node.busy for node in usable)
    most, seconds = state.max_nodes, state.idle_seconds
    if len(usable) > most:
        return {"code": ABOVE_MAX, "most": most, "above": len(usable) - most}
    if plan.short and added == 0:
        return {"code": AT_MAX, "waiting": waiting, "most": most}
    if plan.added and added:
        return {"code": GROWING, "waiting": waiting, "added": added}
    if added:
        return {"code": BELOW_MIN, "least": state.min_nodes, "added": added}
    if released:
        return {"code": SHRINKING, "released": released, "seconds": seconds}
    if plan.impossible == len(state.waiting) > 0:
        return {"code": NOTHING_FITS, "asking": plan.impossible}
    if waiting and preparing:
        return {"code": COMING, "waiting": waiting, "preparing": preparing}
    if waiting:
        return {"code": STEADY, "waiting": waiting}
    if idle and len(usable) > state.min_nodes:
        return {"code": IDLE, "idle": idle, "seconds": seconds}
    return {"code": STEADY, "waiting": 0}
