"""Runs on several nodes: all seats at once or none, one end for all, and who may still write."""

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from runs.models import Attempt, Run
from runs.services import reap
from studio.kernel import blobs
from studio.kernel.actors import SYSTEM
from tests.runs.control.conftest import WS, FakeCode, FakeNode

TWO = {"node_count": 2, "distribution": {"kind": "pytorch", "backend": "gloo"}}
FAILED = {
    "reason": "script_failed",
    "message": "Rank 1 exited with 3.\nTraceback (most…)\nValueError: x",
}


@pytest.fixture
def both(join) -> tuple[FakeNode, FakeNode]:
    return join("a"), join("b")


def claimed(both) -> tuple[FakeCode, FakeCode]:
    """The code of both seats, the first node's first."""
    specs = [node.claim() for node in both]
    assert [spec["seat"] for spec in specs] == [{"rank": 0, "node_count": 2}, {"rank": 1, "node_count": 2}]
    return FakeCode(specs[0]), FakeCode(specs[1])


def met(*codes: FakeCode) -> None:
    for at, code in enumerate(codes):
        told = code.post("rendezvous", address=f"10.0.0.{at}", ports=[4000 + at]).json()
        assert told["ready"] is (at == len(codes) - 1)


def running(both) -> tuple[FakeCode, FakeCode]:
    first, second = claimed(both)
    met(first, second)
    for code in (first, second):
        code.start()
    return first, second


def silence(run, **which) -> None:
    Attempt.objects.filter(run=run, ended__isnull=True, **which).update(
        lease_until=timezone.now() - timedelta(hours=1), last_seen=timezone.now() - timedelta(hours=1)
    )


@pytest.mark.parametrize(
    "config",
    [
        {"node_count": 0},
        {"node_count": 257},
        {"distribution": {"kind": "pigeons"}},
        {"distribution": {"kind": "pytorch", "backend": "mpi"}},
        {"distribution": {"kind": "pytorch", "processes_per_node": 0}},
        {"node_count": 2, "distribution": {"kind": "tensorflow", "parameter_servers": 2}},
        {"distribution": "pytorch"},
    ],
)
def test_what_cannot_be_meant_is_refused(carl, config):
    answer = carl.try_submit(**config)
    assert answer.status_code == 422, answer.content


@pytest.mark.parametrize(
    ("word", "near"), [("process_count_per_node", "processes_per_node"), ("bakend", "backend"), ("pigeons", None)]
)
def test_a_field_that_no_distribution_has_is_refused_with_the_nearest(carl, word, near):
    answer = carl.try_submit(distribution={"kind": "pytorch", word: 2})
    assert answer.status_code == 422, answer.content
    told = answer.json()["error"]
    assert (f"Did you mean '{near}'?" in told["message"]) is (near is not None)
    assert word in told["message"] and "It takes backend, kind, parameter_servers, processes_per_node." in told["hint"]


def test_all_seats_are_reserved_at_once_or_none(carl, both, join):
    run = carl.submit(**TWO)
    a, b = both
    blockers = [b.claim() for _ in range(2) if carl.submit(priority=1)]
    assert a.ask().status == 204
    shown = carl.look(run)["queue"]
    assert (shown["code"], "needs 2 nodes at once; 1 of local is free" in shown["message"]) == ("no_capacity", True)
    assert not Attempt.objects.filter(run=run).exists()
    assert FakeCode(blockers[0]).end().status_code == 200
    spec = a.claim()
    assert spec["run"] == run.pk
    assert list(Attempt.objects.filter(run=run).order_by("rank").values_list("node__name", flat=True)) == ["a", "b"]
    carl.submit()
    assert b.claim()["seat"]["rank"] == 1, "the reserved seat comes before what waits"
    assert b.ask().status == 204, "and it is busy room"


def test_a_small_run_passes_a_gang_that_does_not_fit_yet(carl, node):
    gang = carl.submit(**TWO)
    small = carl.submit()
    assert node.claim()["run"] == small.pk
    assert "2 nodes at once; local has 1" in carl.look(gang)["queue"]["message"]


def test_code_begins_when_all_are_ready_and_each_knows_the_others(carl, both):
    run = carl.submit(**TWO)
    first, second = claimed(both)
    assert first.post("rendezvous", address="10.0.0.1", ports=[1]).json()["ready"] is False
    assert not Attempt.objects.filter(run=run, launched__isnull=False).exists()
    told = second.post("rendezvous", address="10.0.0.2", ports=[2]).json()
    seats = [{"rank": 0, "address": "10.0.0.1", "ports": [1]}, {"rank": 1, "address": "10.0.0.2", "ports": [2]}]
    assert (told["ready"], told["seats"]) == (True, seats)
    again = first.post("rendezvous", address="10.9.9.9", ports=[9]).json()
    assert again["seats"] == seats, "what the others may have begun with stays"
    assert again["secret"] == told["secret"], "by which they know each other"
    assert Attempt.objects.filter(run=run, launched__isnull=False).count() == 2
    assert first.post("rendezvous", address="x", ports=[]).status_code == 422


def test_each_attempt_has_a_secret_of_its_own_that_nobody_else_is_told(carl, both):
    secrets = []
    for _ in range(2):
        run = carl.submit(**TWO)
        first, second = claimed(both)
        met(first, second)
        secrets.append(first.post("rendezvous", address="10.0.0.0", ports=[4000]).json()["secret"])
        assert secrets[-1] not in json.dumps(carl.look(run))
        first.end()
        second.end()
    assert len(set(secrets)) == 2
    assert all(len(secret) == 64 for secret in secrets)


def test_the_run_is_complete_when_the_last_of_its_nodes_is(carl, both):
    run = carl.submit(**TWO)
    first, second = running(both)
    assert first.end().json() == {"status": "running"}
    assert both[1].renew(second.spec).json()["runs"][0]["desired"] == "run"
    assert second.end().json() == {"status": "completed"}
    assert carl.look(run)["status"] == "completed"


def test_one_that_fails_ends_the_others_and_is_named(carl, both, browser):
    run = carl.submit(**TWO)
    first, second = running(both)
    for rank, code in enumerate((first, second)):
        content = blobs.put([b"it says"], workspace_id=Run.objects.get(pk=run.pk).workspace_id)[0]
        file = {"path": f"user_logs/std_log_process_{rank}.txt", "sha256": content, "size": 7}
        assert code.post("artifacts", files=[file]).status_code == 200
    assert second.end(3, **FAILED).json() == {"status": "cancel_requested"}
    assert both[0].renew(first.spec).json()["runs"][0]["desired"] == "cancel"
    assert first.end(None, reason="canceled").json() == {"status": "failed"}
    shown = carl.look(run)
    assert shown["reason"]["code"] == "script_failed"
    assert shown["reason"]["message"].startswith("Rank 1 on node b exited with 3.\nTraceback")
    assert (shown["exit_code"], shown["log_tail"]) == (3, "the end")
    for tab, link in (("", r"rank (\d)"), ("/outputs", r'std_log_process_(\d)\.txt"><span>[^<]*</span>')):
        page = browser("rio").get(f"/w/lab/runs/{run.pk}{tab}").content.decode()
        assert re.findall(link, page) == ["0", "1"], "both are there"
        assert re.findall(rf"{link}(?:</a>)? *<span class=\"pill bad\">failed</span>", page) == ["1"]


@pytest.mark.parametrize(("ago", "named"), [(60, "Rank 0 on node a exited with 1."), (10, "Rank 1 on node b")])
def test_the_one_that_failed_first_is_named_though_it_says_so_later(carl, both, ago, named):
    run = carl.submit(**TWO)
    first, second = running(both)
    second.end(3, ago=30, **FAILED)
    late = {"reason": "script_failed", "message": "Rank 0 exited with 1.\nKeyError: y"}
    assert first.end(1, ago=ago, **late).json() == {"status": "failed"}
    shown = carl.look(run)
    assert shown["reason"]["message"].startswith(named)
    assert shown["exit_code"] == (1 if ago == 60 else 3)


def test_who_failed_first_is_not_asked_of_a_run_that_somebody_canceled(carl, both):
    run = carl.submit(**TWO)
    first, second = running(both)
    second.end(3, **FAILED)
    carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    assert first.end(1, reason="script_failed", message="Rank 0 exited with 1.", ago=60).json() == {
        "status": "canceled"
    }
    assert "Canceled by" in carl.look(run)["reason"]["message"]


def test_a_failed_gang_is_tried_again_as_was_asked_for(carl, both):
    run = carl.submit(max_user_retries=1, **TWO)
    first, second = running(both)
    second.end(3, **FAILED)
    assert first.end(None, reason="canceled").json() == {"status": "queued"}
    run.refresh_from_db()
    assert (run.desired, run.retries_used) == ("run", 0)
    Run.objects.filter(pk=run.pk).update(not_before=None)
    first, second = running(both)
    assert first.spec["attempt"] == 2
    second.end(3, **FAILED)
    assert first.end(None, reason="canceled").json() == {"status": "failed"}


def test_a_cancel_ends_all_and_no_other_attempt_follows(carl, both):
    run = carl.submit(max_user_retries=3, **TWO)
    first, second = running(both)
    second.end(3, **FAILED)
    carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    assert first.end(None, reason="canceled").json() == {"status": "canceled"}


def test_cancel_waits_for_every_node(carl, both):
    run = carl.submit(**TWO)
    first, second = running(both)
    carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    for node, code in zip(both, (first, second), strict=True):
        assert node.renew(code.spec).json()["runs"][0]["desired"] == "cancel"
    assert first.end(None, reason="canceled").json() == {"status": "cancel_requested"}
    assert second.end(None, reason="canceled").json() == {"status": "canceled"}
    assert carl.look(run)["status"] == "canceled"


def test_a_seat_that_is_not_taken_up_gives_the_attempt_up_at_no_cost(carl, both):
    run = carl.submit(**TWO)
    first = FakeCode(both[0].claim())
    silence(run, rank=1)
    reap(actor=SYSTEM)
    assert both[0].renew(first.spec).json()["runs"][0]["desired"] == "cancel"
    assert first.end(None, reason="canceled").json() == {"status": "queued"}
    run.refresh_from_db()
    assert (run.retries_used, run.reason_code) == (0, "worker_lost")


def test_a_lost_node_fails_the_run_and_is_named(carl, both):
    run = carl.submit(**TWO)
    first, _ = running(both)
    silence(run, rank=1)
    reap(actor=SYSTEM)
    assert first.end(None, reason="canceled").json() == {"status": "failed"}
    shown = carl.look(run)["reason"]
    assert (shown["code"], "Node b" in shown["message"], "lost" in shown["message"]) == ("worker_lost", True, True)


def test_a_node_that_is_silent_while_the_others_end_is_not_waited_for_for_an_hour(carl, both, settings):
    run = carl.submit(**TWO)
    first, second = running(both)
    first.end(3, **FAILED)
    silent = timezone.now() - timedelta(seconds=settings.LEASE_SECONDS + 1)
    Attempt.objects.filter(run=run, rank=1).update(last_seen=silent)
    reap(actor=SYSTEM)
    assert carl.look(run)["status"] == "failed"
    assert second.progress("running").status_code in {401, 409}


def test_a_lost_attempt_is_fenced_on_every_node(carl, both):
    run = carl.submit(max_retries=1, **TWO)
    first, second = running(both)
    silence(run)
    reap(actor=SYSTEM)
    run.refresh_from_db()
    assert (run.status, run.retries_used) == ("queued", 1)
    Run.objects.filter(pk=run.pk).update(not_before=None)
    again = claimed(both)
    assert again[0].spec["attempt"] == 2
    for old in (first, second):
        assert old.progress("running").json()["error"]["code"] == "stale_attempt"
        assert old.post("rendezvous", address="x", ports=[1]).json()["error"]["code"] == "stale_attempt"
    held = both[1].renew(second.spec, again[1].spec).json()["runs"]
    assert [one["desired"] for one in held] == ["kill", "run"]


def test_a_node_that_comes_back_without_its_seat_ends_it(carl, both):
    carl.submit(**TWO)
    first, _ = running(both)
    assert both[1].hello().status_code == 200
    assert both[0].renew(first.spec).json()["runs"][0]["desired"] == "cancel"


def test_progress_of_the_others_is_not_that_of_the_run(carl, both):
    run = carl.submit(**TWO)
    first, second = claimed(both)
    assert second.progress("preparing", "environment").status_code == 200
    assert [step["name"] for step in carl.look(run)["steps"]] == ["queued"]
    assert first.progress("preparing", "snapshot").status_code == 200
    assert carl.look(run)["status"] == "preparing"


def test_two_nodes_that_ask_at_once_do_not_wait_for_each_other(carl, both, join):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    def ask(node):
        try:
            return node.ask().status
        finally:
            connections.close_all()

    for _ in range(4):
        carl.submit(**TWO)
    nodes = [*both, join("c"), join("d")]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            list(pool.map(ask, nodes))
    rows = list(Attempt.objects.filter(ended__isnull=True).values_list("run", "rank", "node__name"))
    assert len(rows) == 8
    assert len({(run, node) for run, _, node in rows}) == 8, "each run has two different nodes"
