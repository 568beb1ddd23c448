"""Turns, simulated: people alternate, whatever one of them submits, cancels or cannot start."""

from dataclasses import dataclass, field

import pytest

from runs.turns import BROUGHT, brought_forward, serving, turn_of


@dataclass
class Queue:
    """A target with some slots, as the claim and the submit see it: (turn, age, person) of each run."""

    slots: int = 1
    waiting: list[tuple[int, int, str]] = field(default_factory=list)
    executing: list[tuple[int, int, str]] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)
    began: list[str] = field(default_factory=list)
    age: int = 0

    def serving(self) -> int:
        return serving([one[0] for one in self.executing], [one[0] for one in self.waiting])

    def submit(self, person: str, many: int = 1) -> None:
        for _ in range(many):
            own = [one[0] for one in self.waiting + self.executing if one[2] == person]
            self.age += 1
            self.waiting.append((turn_of(self.serving(), own), self.age, person))

    def start(self) -> None:
        for one in sorted(self.waiting):
            if one[2] not in self.stuck:
                self.waiting.remove(one)
                self.executing.append(one)
                self.began.append(one[2])
                return

    def work(self, runs: int, *, forward: bool = False) -> str:
        """So many runs begin, each when the oldest that executes has ended; whose they were, in their order."""
        before = len(self.began)
        for _ in range(runs):
            if len(self.executing) >= self.slots:
                self.executing.pop(0)
            self.start()
            if forward:
                self.bring_forward()
        return "".join(self.began[before:])

    def bring_forward(self) -> None:
        found = []
        for person in {one[2] for one in self.waiting}:
            own = sorted(one for one in self.waiting if one[2] == person)
            turns = brought_forward(self.serving(), [one[0] for one in own])
            found += [(turn, one[1], person) for turn, one in zip(turns, own, strict=True)]
        self.waiting = found


@pytest.mark.parametrize("slots", [1, 4])
def test_a_thousand_runs_of_one_hold_back_no_other(slots):
    queue = Queue(slots)
    queue.submit("a", 1000)
    queue.work(300)
    queue.submit("b")
    assert "b" in queue.work(2)
    queue.submit("b", 3)
    queue.submit("c", 3)
    assert sorted(queue.work(9)) == list("aaabbbccc")


def test_who_comes_again_and_again_does_not_pass_who_waits():
    queue = Queue()
    queue.submit("a", 100)
    queue.work(10)
    began = ""
    for _ in range(20):
        queue.submit("b")
        began += queue.work(1)
    assert 9 <= began.count("a") <= 11


def test_the_runs_of_one_keep_their_order():
    queue = Queue(2)
    for person in "abacabaabc":
        queue.submit(person)
    ages: dict[str, list[int]] = {}
    while queue.waiting:
        queue.work(1)
        ages.setdefault(queue.executing[-1][2], []).append(queue.executing[-1][1])
    assert all(own == sorted(own) for own in ages.values())


def test_an_empty_queue_forgets_who_had_how_many():
    queue = Queue()
    queue.submit("a", 50)
    queue.work(60)
    queue.executing.clear()
    queue.submit("b", 2)
    queue.submit("a", 2)
    assert queue.work(4) == "baba"


def test_canceled_runs_do_not_cost_their_person_their_turns():
    queue = Queue()
    queue.submit("a", 500)
    queue.work(1)
    queue.waiting = queue.waiting[-20:]
    queue.submit("b", 20)
    queue.bring_forward()
    assert queue.work(20, forward=True).count("a") == 10


def test_a_run_that_nothing_fits_does_not_stop_the_turns():
    queue = Queue(stuck={"x"})
    queue.submit("x")
    queue.submit("b", 200)
    queue.work(100)
    queue.executing.clear()  # in this moment nothing executes, and what waits longest never will
    queue.submit("c", 60)
    began = queue.work(60, forward=True)
    assert began.count("b") >= 25
    assert began.count("c") >= 25


def test_few_are_moved_at_once():
    turns = list(range(1000, 1000 + 2 * BROUGHT))
    moved = brought_forward(3, turns)
    assert moved[:BROUGHT] == list(range(4, 4 + BROUGHT))
    assert moved[BROUGHT:] == turns[BROUGHT:]
    assert brought_forward(3, [2, 3, 4, 9]) == [2, 3, 4, 7]
