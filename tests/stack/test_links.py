"""The wire between node and studio is cut, clogged, lossy or slow (R-06, R-07, R-19, R-21, R-22 of the promises)."""

import time

import pytest

from tests.stack.links import Link, other_host
from tests.stack.running import LEASE, until
from tests.stack.test_lost_nodes import expected_log, submit

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def test_a_cut_shorter_than_the_lease_changes_nothing(studio, bring_node, witness, link):
    bring_node("a", url=link.url)
    run = submit(studio, witness, seconds=14, retries=1)
    until(lambda: witness.lives(1), "the first sign of the script")
    for _ in range(2):
        link.set("refuse")
        time.sleep(0.4 * LEASE)
        link.set("pass")
        time.sleep(1.5)
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 1 and len(witness.spans()) == 1
    expected_log(studio.log(run))


@pytest.mark.parametrize("mode", ["refuse", "swallow"])
def test_a_cut_longer_than_the_lease_ends_the_code_before_another_begins(studio, bring_node, witness, link, mode):
    bring_node("a", url=link.url)
    run = submit(studio, witness, seconds=5, retries=1, lost=True)
    studio.wait_for_log(run, b"line 00010")
    bring_node("b")
    link.set(mode)
    cut = time.monotonic()
    done = studio.wait_for(run, "completed")
    assert (done["attempt"], witness.attempts()) == (2, [1, 2])
    witness.require_no_overlap()
    (last_sign,) = [last for (attempt, _), (_, last) in witness.spans().items() if attempt == 1]
    assert last_sign - cut <= LEASE + 0.5
    told = studio.log(run)
    link.set("pass")
    time.sleep(2)
    assert studio.log(run) == told, "the attempt that was cut off still wrote"
    expected_log(told)


def test_a_machine_whose_cable_is_pulled_stops_its_code_and_serves_again(studio, bring_node, witness):
    with other_host() as host:
        wire = Link(studio.port, host=host.near)
        try:
            bring_node("far", url=wire.url, words=tuple(host.words))
            run = submit(studio, witness, seconds=5, retries=1, lost=True)
            studio.wait_for_log(run, b"line 00010")
            near = bring_node("near")
            host.cut()
            assert studio.wait_for(run, "completed")["attempt"] == 2
            witness.require_no_overlap()
            near.kill_tree()
            host.mend()
            after = studio.submit({"train.py": "print('the cable is back')"})
            studio.wait_for(after, "completed")
        finally:
            wire.close()


def test_a_lossy_and_a_slow_wire_are_no_crash(studio, bring_node, witness, link):
    bring_node("a", url=link.url)
    run = submit(studio, witness, seconds=3 * LEASE, retries=1)
    until(lambda: witness.lives(1), "the first sign of the script")
    link.loss = 0.4
    time.sleep(LEASE)
    link.loss, link.delay = 0.0, 0.05 * LEASE
    time.sleep(LEASE)
    link.delay = 0.0
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 1 and len(witness.spans()) == 1
    expected_log(studio.log(run))


def test_a_node_that_is_never_heard_after_its_claim_is_given_up_all_the_same(studio, bring_node, witness, link):
    bring_node("a", url=link.url)
    link.set("cut")  # the claim arrives, its answer and all that follows do not
    run = submit(studio, witness, seconds=1, retries=1)
    until(lambda: studio.run(run)["attempt"] == 1, "the claim")
    link.set("refuse")
    bring_node("b")
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 2 and witness.attempts() == [2], "the first attempt never began its code"


def test_the_absence_of_the_studio_ends_only_what_another_may_repeat(studio, bring_node, tmp_path, link):
    from tests.stack.nodes import Witness

    bring_node("a", url=link.url)
    stays, again = Witness(tmp_path / "stays"), Witness(tmp_path / "again")
    once = submit(studio, stays, seconds=3 * LEASE, retries=0)
    twice = submit(studio, again, seconds=3, retries=1, lost=True)
    until(lambda: stays.lives(1) and again.lives(1), "the first signs of both")
    time.sleep(2)
    link.set("refuse")
    time.sleep(2 * LEASE)
    link.set("pass")
    assert studio.wait_for(once, "completed")["attempt"] == 1
    assert len(stays.spans()) == 1
    assert studio.wait_for(twice, "completed")["attempt"] == 2
    again.require_no_overlap()
    expected_log(studio.log(once))


def test_a_wrong_clock_of_a_node_changes_nothing(studio, bring_node, tmp_path, witness):
    # The node's Python is told another time than ours: a day ahead, by whatever it asks.
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "sitecustomize.py").write_text(
        "import time\n_true = time.time\ntime.time = lambda: _true() + 86400\n"
        "_ns = time.time_ns\ntime.time_ns = lambda: _ns() + 86400 * 10**9\n"
    )
    bring_node("a", env={"PYTHONPATH": str(tmp_path / "wrong")})
    run = submit(studio, witness, seconds=2 * LEASE, retries=1)
    done = studio.wait_for(run, "completed")
    assert done["attempt"] == 1
    assert done["created"] <= done["started"] <= done["ended"]
    expected_log(studio.log(run))


def test_a_node_of_an_unknown_protocol_is_refused_with_the_one_that_is_needed(studio):
    told = studio.ask("POST", "/agent/v1/nodes/hello", {"epoch": "x", "runs": []}, headers={"Zaffre-Protocol": "99"})
    assert told.status == 426 and told.json["error"]["code"]
