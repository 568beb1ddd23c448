"""Placement and scaling as pure functions, on thousands of random arrivals with seeds."""

import random
import re
from dataclasses import dataclass, replace

import pytest
from django.utils import translation

from workspace.compute import words
from workspace.compute.placement import (
    AT_MAX,
    BELOW_MIN,
    COMING,
    GROWING,
    IDLE,
    LEAVING,
    NOTHING_FITS,
    PREPARING,
    READY,
    SHRINKING,
    STEADY,
    Capacity,
    Need,
    NodeView,
    Place,
    ScalingState,
    Used,
    capacity_of,
    could_fit,
    fits,
    free,
    reservations,
    wanted_nodes,
)

SEEDS = range(12)
HOLD = 120.0


# --- what fits --------------------------------------------------------------------------------------


def test_facts_of_old_and_new_agents_say_what_a_machine_has():
    assert capacity_of({"cpu": 4, "memory_gb": 15.5, "gpus": [{"name": "a"}, {"name": "b"}]}, 2) == Capacity(
        4.0, 15872, 2, 2
    )
    assert capacity_of({"gpus": 1, "labels": {"zone": "eu"}}, 0) == Capacity(0.0, 0, 1, 1, {"zone": "eu"})
    assert capacity_of({}, 3) == Capacity(slots=3)


def test_a_node_that_said_nothing_has_its_slots():
    place = Place("a", Capacity(slots=2))
    assert fits(Need(), place)
    assert not fits(Need(cpus=1), place)
    assert not fits(Need(), replace(place, used=Used(slots=2)))


def test_parts_of_a_processor_add_up():
    place = Place("a", Capacity(cpus=1, slots=1))
    for _ in range(10):
        assert fits(Need(cpus=0.1), place)
        place = replace(place, used=place.used.plus(Need(cpus=0.1)))
    assert not fits(Need(cpus=0.1), place)


def test_a_label_that_differs_keeps_a_run_away():
    place = Place("a", Capacity(labels={"zone": "eu"}))
    assert fits(Need(labels={"zone": "eu"}), place)
    assert not fits(Need(labels={"zone": "us"}), place)
    assert not fits(Need(labels={"disk": "fast"}), place)


# --- placement, simulated ---------------------------------------------------------------------------


@dataclass
class Going:
    need: Need
    nodes: list[str]
    until: float


@dataclass
class Pool:
    """Nodes that ask for work as real ones do: each takes the first that fits, unless it is kept free."""

    places: dict[str, Place]
    hold: float = HOLD

    def __post_init__(self) -> None:
        self.waiting: list[Need] = []
        self.going: list[Going] = []
        self.started: list[tuple[Need, float]] = []

    def ends(self, now: float) -> None:
        for one in [one for one in self.going if one.until <= now]:
            self.going.remove(one)
            for node in one.nodes:
                self.places[node] = replace(self.places[node], used=_minus(self.places[node].used, one.need))

    def ask(self, node: str, now: float, length: float) -> None:
        ranked = sorted(self.waiting, key=lambda need: (-need.priority, need.since, need.run))
        for at, need in enumerate(ranked):
            if fits(need, self.places[node]):
                aged = [one for one in ranked[:at] if now - one.since >= self.hold]
                if node in reservations(list(self.places.values()), aged, now=now, hold=self.hold):
                    return
                self.waiting.remove(need)
                self.places[node] = replace(self.places[node], used=self.places[node].used.plus(need))
                self.going.append(Going(need, [node], now + length))
                self.started.append((need, now))
                return

    def check(self) -> None:
        for place in self.places.values():
            slots = place.used.slots * place.capacity.cpus / place.capacity.slots
            assert place.used.cpus + slots <= place.capacity.cpus + 1e-6
            assert place.used.gpus <= place.capacity.gpus
            assert place.used.slots <= place.capacity.slots


def _minus(used: Used, need: Need) -> Used:
    return Used(
        max(0.0, used.cpus - need.cpus),
        used.memory_mb - need.memory_mb,
        used.gpus - need.gpus,
        used.slots - (0 if need.counted else 1),
    )


def _pool(chance: random.Random) -> Pool:
    sizes = [(4, 2), (8, 2), (16, 4)]
    nodes = {}
    for number in range(chance.randint(1, 4)):
        cpus, slots = chance.choice(sizes)
        nodes[f"n{number}"] = Place(
            f"n{number}", Capacity(cpus, cpus * 4096, chance.choice([0, 0, 2]), slots, {"zone": chance.choice("ab")})
        )
    return Pool(nodes)


def _need(chance: random.Random, number: int, now: float) -> Need:
    kind = chance.random()
    need = Need(since=now, run=f"{number:06d}", priority=chance.choice([0, 0, 0, 0, 5]))
    if kind < 0.3:
        return need
    if kind < 0.4:
        return replace(need, gpus=1, cpus=1)
    return replace(need, cpus=chance.choice([0.5, 1, 1, 2, 3, 8, 16]), memory_mb=chance.choice([0, 1024, 8192]))


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_promised_twice_and_nobody_waits_for_ever(seed):
    """An endless stream of small runs, and big ones between them: each that can start, starts."""
    chance = random.Random(seed)
    pool, now, number = _pool(chance), 0.0, 0
    while now < 20_000:
        now += chance.expovariate(1 / 20)
        pool.ends(now)
        need = _need(chance, number, now)
        number += 1
        if any(could_fit(need, place.capacity) for place in pool.places.values()) and len(pool.waiting) < 40:
            pool.waiting.append(need)
        for node in chance.sample(sorted(pool.places), len(pool.places)):
            pool.ask(node, now, chance.uniform(10, 200))
            pool.check()
    arrived = len(pool.started) + len(pool.waiting)
    assert arrived > 300, "the simulation did something"
    while pool.waiting and now < 100_000:  # nothing new comes: all that wait are started
        now += 10
        pool.ends(now)
        for node in sorted(pool.places):
            pool.ask(node, now, 60)
            pool.check()
    assert pool.waiting == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_big_run_starts_although_small_ones_never_end_coming(seed):
    chance = random.Random(seed)
    pool = Pool({"a": Place("a", Capacity(8, slots=4)), "b": Place("b", Capacity(4, slots=2))})
    now, number = 0.0, 0
    big = Need(cpus=8, since=300.0, run="big")
    while not any(need.run == "big" for need, _ in pool.started):
        now += chance.expovariate(1 / 5)
        assert now < 300 + HOLD + 250, "by then all that ran on the big node has ended"
        pool.ends(now)
        pool.waiting = [need for need in pool.waiting if need.run == "big" or now - need.since < 60]
        pool.waiting.append(Need(cpus=1, since=now, run=f"s{number:06d}"))
        if number and now >= 300 and big not in pool.waiting:
            pool.waiting.append(big)
        number += 1
        for node in ("a", "b"):
            pool.ask(node, now, chance.uniform(50, 200))
            pool.check()


def test_without_keeping_nodes_free_the_same_big_run_waits_for_ever():
    """So that the test above is known to see the difference."""
    chance = random.Random(1)
    pool = Pool({"a": Place("a", Capacity(8, slots=4))}, hold=float("inf"))
    pool.waiting.append(Need(cpus=8, since=0.0, run="big"))
    pool.places["a"] = replace(pool.places["a"], used=Used(cpus=1))
    pool.going.append(Going(Need(cpus=1), ["a"], 50.0))
    now = 0.0
    for number in range(2000):
        now += 5
        pool.ends(now)
        pool.waiting.append(Need(cpus=1, since=now, run=f"s{number:06d}"))
        pool.ask("a", now, chance.uniform(50, 200))
    assert all(need.run != "big" for need, _ in pool.started)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_two_that_fit_the_same_place_the_higher_priority_starts_first(seed):
    chance = random.Random(seed)
    pool = Pool({"a": Place("a", Capacity(4, slots=2))})
    pool.waiting = [Need(cpus=1, since=float(at), run=f"{at:04d}", priority=chance.randint(-3, 3)) for at in range(60)]
    now = 100.0
    while pool.waiting:
        pool.ends(now)
        pool.ask("a", now, chance.uniform(5, 30))
        now += 1
    order = [(-need.priority, need.since) for need, _ in pool.started]
    assert order == sorted(order)


def test_the_node_that_is_nearest_to_empty_is_kept():
    places = [
        Place("a", Capacity(8, slots=4), Used(cpus=6)),
        Place("b", Capacity(8, slots=4), Used(cpus=2)),
        Place("c", Capacity(2, slots=1)),
    ]
    kept = reservations(places, [Need(cpus=8, run="x"), Need(cpus=8, run="y")], now=HOLD, hold=HOLD)
    assert {node: need.run for node, need in kept.items()} == {"b": "x", "a": "y"}
    assert reservations(places, [Need(cpus=8)], now=HOLD - 1, hold=HOLD) == {}
    assert reservations(places, [Need(cpus=2)], now=HOLD, hold=HOLD) == {}, "it has room already"
    gang = reservations(places, [Need(cpus=8, nodes=2, run="g")], now=HOLD, hold=HOLD)
    assert set(gang) == {"a", "b"}
    assert reservations(places, [Need(cpus=8, nodes=3)], now=HOLD, hold=HOLD) == {}, "there are only two like that"


# --- how many nodes ---------------------------------------------------------------------------------

SIZE = Capacity(4, 16384, 0, 1)


def state(**more) -> ScalingState:
    given = {"min_nodes": 0, "max_nodes": 4, "idle_seconds": 100, "nodes": [], "waiting": [], "now": 1000.0}
    return ScalingState(**{"node_capacity": SIZE, **given, **more})


def node(name: str, *, busy: bool = False, idle: float = 0, kind: str = READY, used: Used | None = None) -> NodeView:
    return NodeView(name, kind, busy, None if busy else 1000.0 - idle, SIZE, used)


@pytest.mark.parametrize(
    ("given", "target", "release", "code"),
    [
        (state(), 0, (), STEADY),
        (state(min_nodes=2), 2, (), BELOW_MIN),
        (state(waiting=[Need(), Need(), Need()]), 3, (), GROWING),
        (state(waiting=[Need()] * 9), 4, (), GROWING),
        (state(waiting=[Need()] * 9, nodes=[node(n, busy=True) for n in "abcd"]), 4, (), AT_MAX),
        (state(waiting=[Need()], nodes=[node("a", kind=PREPARING)]), 1, (), COMING),
        (state(waiting=[Need(gpus=1)]), 0, (), NOTHING_FITS),
        (state(waiting=[Need(nodes=5)]), 0, (), NOTHING_FITS),
        (state(waiting=[Need(nodes=3)], nodes=[node("a")]), 3, (), GROWING),
        (state(nodes=[node("a", idle=99)]), 1, (), IDLE),
        (state(nodes=[node("a", idle=100), node("b", busy=True)]), 1, ("a",), SHRINKING),
        (state(min_nodes=1, nodes=[node("a", idle=100), node("b", idle=300)]), 1, ("b",), SHRINKING),
        (state(nodes=[node("a", idle=500)], waiting=[Need()]), 1, (), STEADY),
        (state(max_nodes=1, nodes=[node("a", busy=True), node("b"), node("c", idle=9)]), 1, ("c", "b"), "above_max"),
        # A machine that is still leaving is a machine.
        (state(max_nodes=1, nodes=[node("a", kind=LEAVING)], waiting=[Need()]), 0, (), AT_MAX),
        # Two runs of two processors fit one node of four.
        (state(waiting=[Need(cpus=2), Need(cpus=2)]), 1, (), GROWING),
        (state(waiting=[Need(cpus=2)], nodes=[node("a", busy=True, used=Used(cpus=2))]), 1, (), STEADY),
        (state(waiting=[Need(cpus=2)], nodes=[node("a", busy=True)]), 2, (), GROWING),
    ],
)
def test_how_many_nodes_and_why(given, target, release, code):
    found = wanted_nodes(given)
    assert (found.target, found.release, found.why["code"]) == (target, release, code)
    with translation.override("en"):
        told = words.sentence(found.why)
    with translation.override("ja"):
        assert told.endswith(".") and words.sentence(found.why).endswith("。")
    numbers = {str(value) for key, value in found.why.items() if key != "code" and value}
    assert numbers <= set(re.findall(r"[0-9]+", told)), "each number of the decision is told"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cluster_grows_serves_and_shrinks(seed):
    """Random arrivals for hours: never above the most, never below the least, everybody served, no to and fro."""
    chance = random.Random(seed)
    least, most = chance.choice([(0, 3), (1, 4), (2, 2), (0, 1)])
    idle_seconds, boot = chance.choice([30.0, 120.0]), chance.choice([5.0, 60.0])
    nodes: dict[str, dict] = {}
    waiting: list[Need] = []
    served = made = 0
    now = 0.0
    while now < 30_000:
        now += 2
        arriving = now < 20_000 and (now // 2000) % 2 == 0  # times of work, times of quiet
        if arriving and chance.random() < 0.05:
            waiting.append(Need(cpus=chance.choice([0, 1, 2, 4]), since=now))
        for name, one in list(nodes.items()):
            if one["ready"] <= now:
                one["runs"] = [(until, need) for until, need in one["runs"] if until > now]
            if one["leaving"] and one["leaving"] <= now:
                del nodes[name]
        for one in nodes.values():
            if one["ready"] > now or one["leaving"]:
                continue
            used = Used()
            for _, need in one["runs"]:
                used = used.plus(need)
            for need in list(waiting):
                if fits(need, Place("", SIZE, used)):
                    waiting.remove(need)
                    served += 1
                    used = used.plus(need)
                    one["runs"].append((now + chance.uniform(5, 60), need))
            one["used"] = used
            one["idle"] = None if one["runs"] else (one["idle"] if one["idle"] is not None else now)
        views = [
            NodeView(
                name,
                LEAVING if one["leaving"] else PREPARING if one["ready"] > now else READY,
                bool(one["runs"]),
                one["idle"],
                SIZE,
                one["used"],
            )
            for name, one in nodes.items()
        ]
        found = wanted_nodes(ScalingState(least, most, idle_seconds, views, waiting, now, SIZE))
        assert found.target <= most
        for name in found.release:
            assert not nodes[name]["runs"], "a busy node is not released"
            assert now - nodes[name]["idle"] >= idle_seconds, "nor one that was idle for a moment"
            nodes[name]["leaving"] = now + 10
        present = sum(not one["leaving"] for one in nodes.values())
        assert present + max(0, found.target - present) >= min(least, most - len(nodes) + present)
        assert not (found.release and found.target > present), "none goes while another one comes"
        for _ in range(found.target - present):
            made += 1
            nodes[f"n{made}"] = {"ready": now + boot, "runs": [], "used": Used(), "idle": None, "leaving": 0.0}
        assert len(nodes) <= most, "machines that leave count as well"
    assert waiting == []
    assert served > 200
    assert len(nodes) == least, "all that was idle has gone"
    assert made <= served + least, "a node comes for a run, never for nothing"
    assert free(SIZE, Used()).slot
