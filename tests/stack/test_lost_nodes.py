"""Nodes that die, freeze or come back: nothing is forgotten, and no run is ever executed twice at once."""

import signal
import sys
import time

import pytest

from tests.stack.nodes import REPORTING
from tests.stack.running import LEASE, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def submit(studio, witness, *, seconds: float, retries: int, lost: bool = False) -> str:
    """A run of REPORTING; one whose first attempt is to be `lost` does not end by itself before that, however slow."""
    arguments = [str(witness.path), str(seconds), *(["600"] if lost else [])]
    return studio.submit({"train.py": REPORTING}, arguments=arguments, max_retries=retries)


def expected_log(log: bytes) -> None:
    """Every numbered line once and in order, and the last line counts them."""
    lines = [line for line in log.decode().splitlines() if line.startswith(("line ", "DONE "))]
    numbers = [int(line.split()[1]) for line in lines[:-1]]
    assert lines[-1] == f"DONE after {len(numbers)}"
    assert numbers == list(range(len(numbers)))


def test_a_killed_machine_that_comes_back_fails_a_run_that_may_not_be_retried(studio, bring_node, witness):
    node = bring_node("a")
    run = submit(studio, witness, seconds=600, retries=0)
    until(lambda: witness.lives(1), "the first sign of the script")
    studio.wait_for_log(run, b"line 00020")
    node.kill_tree()
    until(lambda: studio.run(run)["reachable"] is False, "the silence is shown")
    node.start()
    done = studio.wait_for(run, "failed")
    assert done["reason"]["code"] == "worker_lost"
    assert b"line 00019" in studio.log(run)
    assert witness.attempts() == [1]
    works = studio.submit({"train.py": "print('next')"})
    studio.wait_for(works, "completed")


def test_a_machine_that_never_returns_gives_its_run_to_another(studio, bring_node, witness):
    first = bring_node("a")
    run = submit(studio, witness, seconds=5, retries=1, lost=True)
    until(lambda: witness.lives(1), "the first sign of the script")
    bring_node("b")
    first.kill_tree()
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 2
    assert witness.attempts() == [1, 2]
    witness.require_no_overlap()
    expected_log(studio.log(run))


def test_a_killed_agent_leaves_no_orphan_that_meets_its_successor(studio, bring_node, witness):
    first = bring_node("a")
    run = submit(studio, witness, seconds=5, retries=1, lost=True)
    until(lambda: witness.lives(1), "the first sign of the script")
    bring_node("b")
    killed = time.monotonic()
    first.kill_agent()
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 2
    witness.require_no_overlap()
    # The lease was renewed at most moments before the agent died; the watchdog ends the script within it.
    (last_sign,) = [last for (attempt, _), (_, last) in witness.spans().items() if attempt == 1]
    assert last_sign - killed <= LEASE + 0.5


def test_an_agent_that_restarts_takes_its_run_over(studio, bring_node, witness):
    node = bring_node("a")
    run = submit(studio, witness, seconds=12, retries=0)
    studio.wait_for_log(run, b"line 00020")
    node.kill_agent()
    node.start()
    studio.wait_for(run, "completed")
    assert len(witness.spans()) == 1
    expected_log(studio.log(run))


@pytest.mark.skipif(sys.platform != "linux", reason="freezing a tree by its folder reads /proc")
def test_a_frozen_machine_that_thaws_does_not_meet_its_successor(studio, bring_node, witness):
    first = bring_node("a")
    run = submit(studio, witness, seconds=20, retries=1, lost=True)
    until(lambda: witness.lives(1), "the first sign of the script")
    bring_node("b")
    first.signal_tree(signal.SIGSTOP)
    until(lambda: witness.lives(2), "the second attempt")
    first.signal_tree(signal.SIGCONT)
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 2
    expected_log(studio.log(run))
    # The thawed code may live for the moments until its watchdog has killed it, and is without effect.
    (old,) = [span for (attempt, _), span in witness.spans().items() if attempt == 1]
    (new,) = [span for (attempt, _), span in witness.spans().items() if attempt == 2]
    assert old[1] < new[1], "the thawed script lived on beside its successor"
