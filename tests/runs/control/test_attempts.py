"""Claims, leases, ends: what nodes say, and who wins when two of them say it."""

import asyncio
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models import F
from django.utils import timezone

from runs.models import Attempt, Run
from runs.services import claims, hint_waiting, reap, reaper
from studio.kernel import credentials
from studio.kernel.actors import SYSTEM
from studio.kernel.models import Outbox
from tests.kernel.asgi import Answer, Caller
from tests.runs.control.conftest import WS, FakeCode, bearer
from workspace.audit.models import Entry
from workspace.compute.models import Node
from workspace.models import Membership


def outlive(run, *, by: str = "2 hours") -> None:
    """Let the lease of the present attempt be over."""
    Attempt.objects.filter(run=run, ended__isnull=True).update(lease_until=timezone.now() - timedelta(hours=2))


def ticket(run) -> str:
    """The word of the last hint at it; it is given one when there is none yet."""
    if not Outbox.objects.filter(lane="pool", args__0=run.pk).exists():
        Run.objects.filter(pk=run.pk).update(queued_at=timezone.now() - timedelta(minutes=1))
        hint_waiting(actor=SYSTEM)
    return Outbox.objects.filter(lane="pool", args__0=run.pk).latest("pk").args[2]


# --- claims -----------------------------------------------------------------------------------------


def test_a_claim_hands_over_all_that_a_node_needs(carl, node):
    run = carl.submit({"train.py": "print(1)", "lib/a.py": ""}, arguments=["--lr", "0.1"])
    spec = node.claim()
    assert (spec["run"], spec["attempt"], spec["workspace"]) == (run.pk, 1, "lab")
    assert spec["config"]["arguments"] == ["--lr", "0.1"]
    assert [entry["path"] for entry in spec["snapshot"]["files"]] == ["lib/a.py", "train.py"]
    assert spec["environment"]["spec"] == {"kind": "system"}
    assert spec["token"].startswith("zaf_run_")
    assert node.ask().status == 204
    run.refresh_from_db()
    assert (run.status, run.attempt_no) == ("starting", 1)
    assert spec["token"] not in str(Attempt.objects.values().get())


def test_a_cut_answer_is_given_again_to_the_same_nonce_only(carl, node, join):
    carl.submit()
    nonce = uuid.uuid4().hex
    first, again = node.claim(nonce=nonce), node.claim(nonce=nonce)
    assert first == again
    assert join("b").ask(nonce=nonce).status == 204
    assert Attempt.objects.count() == 1


def test_two_nodes_never_get_the_same_run(carl, node, join):
    runs = {carl.submit().pk for _ in range(4)}
    other = join("b")

    def grab(one):
        try:
            return [one.ask() for _ in range(2)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for found in pool.map(grab, [node, other, node, other]) for answer in found]
    got = [answer.json()["run"] for answer in answers if answer.status == 200]
    assert len(got) == len(set(got))
    assert set(got) == runs
    assert Attempt.objects.count() == 4


def test_a_node_gets_no_more_than_its_slots(carl, node):
    for _ in range(3):
        carl.submit()
    assert [node.ask().status for _ in range(3)] == [200, 200, 204]


def test_one_answer_gives_all_runs_that_there_is_room_for_in_their_order(carl, node):
    first, second, third = (carl.submit() for _ in range(3))
    nonce = uuid.uuid4().hex
    specs = node.claim(most=5, nonce=nonce)["runs"]
    assert [(spec["run"], spec["attempt"]) for spec in specs] == [(first.pk, 1), (second.pk, 1)]
    assert len({spec["token"] for spec in specs}) == 2
    # The answer may have been cut off: it is given again, and nothing more with it.
    assert node.claim(most=5, nonce=nonce)["runs"] == specs
    assert node.ask(most=5).status == 204
    FakeCode(specs[0]).start()
    assert FakeCode(specs[0]).end().status_code == 200
    assert [spec["run"] for spec in node.claim(most=5)["runs"]] == [third.pk]
    # What has ended is not given again with what lives.
    assert [spec["run"] for spec in node.claim(most=5, nonce=nonce)["runs"]] == [second.pk]


def test_a_node_leaves_others_their_share_of_what_waits(carl, node, join):
    runs = [carl.submit().pk for _ in range(3)]
    other = join("b")
    assert [spec["run"] for spec in node.claim(most=2)["runs"]] == runs[:2]
    runs += [carl.submit().pk]
    assert [spec["run"] for spec in other.claim(most=2)["runs"]] == runs[2:3]


def test_an_answer_stops_at_a_run_that_is_to_be_turned_away(carl, node, people):
    gone, kept = carl.submit(environment_variables={"A": "1"}), carl.submit()
    Run.objects.filter(pk=gone.pk).update(submitted_by=people.mallory)
    assert [spec["run"] for spec in node.claim(most=2)["runs"]] == [kept.pk]
    gone.refresh_from_db()
    assert (gone.status, gone.reason_code) == ("canceled", "submitter_gone")


def test_a_hint_needs_its_ticket_and_works_once(carl, node, join):
    run = carl.submit()
    word = ticket(run)
    assert node.ask(run=run.pk, ticket="forged").json()["error"]["code"] == "taken"
    assert node.ask(run=run.pk).status == 409
    assert node.claim(run=run.pk, ticket=word)["run"] == run.pk
    assert join("b").ask(run=run.pk, ticket=word).status == 409


def test_a_canceled_run_is_not_to_be_claimed(carl, node):
    run = carl.submit()
    word = ticket(run)
    assert carl.client.post(f"{WS}/runs/{run.pk}/cancel").json()["status"] == "canceled"
    assert node.ask(run=run.pk, ticket=word).status == 409
    assert node.ask().status == 204


def test_who_was_removed_meanwhile_runs_nothing(carl, node, people):
    run = carl.submit()
    Membership.objects.filter(user=people.carl).delete()
    assert node.ask().status == 204
    run.refresh_from_db()
    assert (run.status, run.reason_code) == ("canceled", "submitter_gone")


@pytest.mark.parametrize("who", ["carl", None])
def test_only_nodes_claim(carl, who, people):
    from workspace.accounts.services import create_token

    text = create_token(actor=people.carl.as_actor(), name="t", days=1)[1] if who else "zaf_node_nonsense"
    from tests.runs.control.conftest import FakeNode

    assert FakeNode(text).ask().status == (403 if who else 401)


def test_a_node_of_another_pool_finds_nothing(carl, node, people, lab):
    from tests.runs.control.conftest import FakeNode
    from workspace.compute.services import create_enrolment, create_target

    carl.submit()
    create_target(lab, actor=people.actor("olga"), name="other")
    _, text = create_enrolment("lab", "other", actor=people.actor("olga"))
    made = bearer(text).post("/agent/v1/nodes/register", {"name": "x", "facts": {}}, format="json")
    assert FakeNode(made.json()["token"]).ask().status == 204


# --- leases -----------------------------------------------------------------------------------------


def test_a_lease_is_short_until_the_code_starts_and_long_afterwards(carl, node, settings):
    carl.submit()
    spec = node.claim()
    assert node.renew(spec).json()["runs"][0]["valid_for"] == settings.LEASE_SECONDS
    code = FakeCode(spec)
    assert code.progress("preparing", "snapshot").json()["valid_for"] == settings.LEASE_SECONDS
    # Told before the code starts, so that a studio that is away in this moment costs the code nothing.
    assert code.progress("preparing", "data").json()["valid_for"] == settings.PATIENCE_SECONDS
    held = Attempt.objects.get().lease_until - timezone.now()
    assert held > timedelta(seconds=settings.LEASE_SECONDS)
    assert node.renew(spec).json()["runs"][0]["valid_for"] == settings.PATIENCE_SECONDS


def test_a_lease_stays_short_while_a_retry_is_allowed(carl, node, settings):
    carl.submit(max_retries=1)
    spec = node.claim()
    FakeCode(spec).start()
    assert node.renew(spec).json()["runs"][0]["valid_for"] == settings.LEASE_SECONDS


def test_silence_is_shown_before_it_is_given_up(carl, node):
    run = carl.submit()
    FakeCode(node.claim()).start()
    assert carl.look(run)["reachable"] is True
    Attempt.objects.update(last_seen=F("last_seen") - timedelta(minutes=1))
    shown = carl.look(run)
    assert (shown["reachable"], shown["status"]) == (False, "running")
    assert reap(actor=SYSTEM) == 0


def test_an_attempt_that_its_node_leaves_out_is_missed_long_before_its_lease(carl, node, settings):
    run = carl.submit()
    FakeCode(node.claim()).start()
    Attempt.objects.update(last_seen=F("last_seen") - timedelta(seconds=settings.LEASE_SECONDS + 1))
    Node.objects.update(last_seen=F("last_seen") - timedelta(seconds=settings.UNREACHABLE_SECONDS + 1))
    assert reap(actor=SYSTEM) == 0, "a node that is silent itself may still have it"
    node.renew()
    assert reap(actor=SYSTEM) == 1
    shown = carl.look(run)
    assert shown["status"] == "failed" and "Its node is there and has it no more." in shown["reason"]["message"]


def test_a_lost_attempt_is_fenced_and_the_next_one_counts(carl, node, join):
    run = carl.submit(max_retries=1)
    old = FakeCode(node.claim())
    old.start()
    outlive(run)
    assert reap(actor=SYSTEM) == 1
    assert carl.look(run)["status"] == "queued"
    assert old.progress("running").json()["error"]["code"] == "stale_attempt"
    assert old.end().json()["error"]["code"] == "stale_attempt"
    assert node.renew(old.spec).json()["runs"][0]["desired"] == "kill"
    other = join("b")
    assert other.ask().status == 204, "the next attempt waits for its pause"
    Run.objects.filter(pk=run.pk).update(not_before=None)
    new = FakeCode(other.claim())
    assert new.spec["attempt"] == 2
    new.start()
    assert old.end().json()["error"]["code"] == "stale_attempt"
    assert new.end().json() == {"status": "completed"}
    assert Attempt.objects.get(no=1).reason_code == "worker_lost"
    assert carl.look(run)["reason"] is None, "what happened to the first attempt is no reason of the end"


def test_a_lost_attempt_cannot_rename_its_run(carl, node):
    run = carl.submit(max_retries=1)
    old = FakeCode(node.claim())
    old.start()
    code = bearer(old.spec["token"])
    assert code.patch(old.at, {"tags": {"a": "1"}}, format="json").status_code == 200
    outlive(run)
    assert reap(actor=SYSTEM) == 1
    for address in (old.at, f"{WS}/runs/{run.pk}"):
        answer = code.patch(address, {"name": "stolen", "tags": {"a": "2"}}, format="json")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stale_attempt")
    assert carl.look(run)["tags"] == {"a": "1"}


def test_a_run_that_is_canceled_between_two_attempts_is_put_away(carl, node):
    run = carl.submit(max_retries=1)
    code = FakeCode(node.claim())
    code.start()
    code.log("one\n", "two\n")
    Run.objects.filter(pk=run.pk).update(metrics={"loss": {"last": 1.0}})
    outlive(run)
    reap(actor=SYSTEM)
    assert carl.client.post(f"{WS}/runs/{run.pk}/cancel").json()["reason"] == {
        "code": "",
        "message": "Canceled by carl.",
    }
    assert set(Outbox.objects.filter(lane="control").values_list("task", flat=True)) >= {
        "logs.compact_run",
        "metrics.merge_run",
    }


def test_what_is_in_one_piece_already_is_left_as_it_is(carl, node):
    carl.submit()
    code = FakeCode(node.claim())
    code.start()
    code.log("all of it\n")
    assert code.end().status_code == 200
    assert not Outbox.objects.filter(lane="control").exists()


def test_code_finds_no_other_run_of_its_workspace(carl, node):
    carl.submit(environment_variables={"PASSWORD": "hunter2"})
    code = FakeCode(node.claim())
    other = carl.submit(environment_variables={"PASSWORD": "swordfish"})
    listed = bearer(code.spec["token"]).get(f"{WS}/runs").json()["runs"]
    assert [one["id"] for one in listed] == [code.spec["run"]]
    assert bearer(code.spec["token"]).get(f"{WS}/runs/{other.pk}").status_code == 404


def test_one_attempt_that_cannot_be_given_up_keeps_no_other(carl, node, monkeypatch):
    real, lost = reaper.give_up, [carl.submit(), carl.submit()]
    for run in lost:
        FakeCode(node.claim()).start()
        outlive(run)

    def give_up(attempt, *, why):
        if attempt.run_id == lost[0].pk:
            raise ValueError("a defect")
        return real(attempt, why=why)

    monkeypatch.setattr(reaper, "give_up", give_up)
    assert reap(actor=SYSTEM) == 1
    assert [carl.look(run)["status"] for run in lost] == ["running", "failed"]


def test_a_claim_ends_only_so_many_runs_that_must_not_start(carl, node, people, monkeypatch):
    monkeypatch.setattr(claims, "MOST_TURNED_AWAY", 2)
    for _ in range(3):
        carl.submit()
    Membership.objects.filter(user=people.carl).delete()
    assert node.ask().status == 204
    assert Run.objects.filter(status="canceled").count() == 2
    assert node.ask().status == 204
    assert Run.objects.filter(status="canceled").count() == 3


def test_a_run_that_may_not_be_retried_fails_when_it_is_lost(carl, node):
    run = carl.submit()
    FakeCode(node.claim()).start()
    outlive(run)
    reap(actor=SYSTEM)
    shown = carl.look(run)
    assert (shown["status"], shown["reason"]["code"]) == ("failed", "worker_lost")


def test_code_that_never_started_is_queued_again_without_a_cost(carl, node):
    run = carl.submit()
    FakeCode(node.claim()).progress("preparing", "snapshot")
    outlive(run)
    reap(actor=SYSTEM)
    run.refresh_from_db()
    assert (run.status, run.retries_used) == ("queued", 0)


def test_a_renewal_after_the_lease_but_before_the_reaper_counts(carl, node):
    run = carl.submit()
    spec = node.claim()
    outlive(run)
    assert node.renew(spec).json()["runs"][0]["desired"] == "run"
    assert reap(actor=SYSTEM) == 0


def test_an_agent_that_comes_back_without_its_run_ends_it(carl, node):
    run = carl.submit()
    FakeCode(node.claim()).start()
    node.epoch = uuid.uuid4().hex
    assert node.hello().json()["keep"] == []
    assert carl.look(run)["reason"]["code"] == "worker_lost"


def test_an_agent_that_comes_back_with_its_run_keeps_it(carl, node):
    carl.submit()
    spec = node.claim()
    FakeCode(spec).start()
    strange = {"run": "0" * 26, "attempt": 1}
    node.epoch = uuid.uuid4().hex
    answer = node.hello(spec, strange).json()
    assert [one["run"] for one in answer["keep"]] == [spec["run"]]
    assert [one["run"] for one in answer["kill"]] == ["0" * 26]


def test_an_earlier_life_of_an_agent_is_refused(carl, node):
    old = node.epoch
    node.epoch = uuid.uuid4().hex
    assert node.hello().status_code == 200
    node.epoch = old
    assert (node.renew().status_code, node.renew().json()["error"]["code"]) == (409, "stale_epoch")


def test_a_node_cannot_renew_what_is_another_nodes(carl, node, join):
    run = carl.submit()
    spec = node.claim()
    before = Attempt.objects.get(run=run).lease_until
    assert join("b").renew(spec).json()["runs"][0]["desired"] == "kill"
    assert Attempt.objects.get(run=run).lease_until == before


# --- ends -------------------------------------------------------------------------------------------


def test_progress_goes_forward_and_is_kept_with_its_times(carl, node):
    run = carl.submit()
    code = FakeCode(node.claim())
    code.start()
    assert code.progress("preparing").json()["error"]["code"] == "backward"
    assert code.progress("completed").status_code == 422
    steps = {step["name"]: step for step in carl.look(run)["steps"]}
    assert list(steps) == ["queued", "snapshot", "data", "running"]
    assert steps["snapshot"]["ended"] is not None
    assert steps["running"]["ended"] is None
    code.end()
    assert carl.look(run)["steps"][-1]["ended"] is not None


def test_a_failed_script_says_why(carl, node):
    run = carl.submit()
    code = FakeCode(node.claim())
    code.start()
    code.log("one\n", "two\n")
    told = {"reason": "script_failed", "message": "The script ended with exit code 3."}
    assert code.end(3, **told).json() == {"status": "failed"}
    shown = carl.look(run)
    assert shown["reason"] == {"code": "script_failed", "message": "The script ended with exit code 3."}
    assert (shown["exit_code"], shown["log_tail"]) == (3, "the end")
    assert Outbox.objects.filter(task="logs.compact_run", args=[run.pk]).exists()
    assert Entry.objects.get(action="run.end", target=run.pk).fields == {"status": "failed"}


def test_the_token_ends_with_the_run(carl, node):
    carl.submit()
    code = FakeCode(node.claim())
    code.start()
    assert bearer(code.spec["token"]).get(code.at).json()["status"] == "running"
    code.end()
    credentials.forget()
    assert bearer(code.spec["token"]).get(code.at).status_code == 401


def test_a_run_token_is_for_its_own_run(carl, node):
    first, second = carl.submit(), carl.submit()
    mine = node.claim()
    other = second if mine["run"] == first.pk else first
    client = bearer(mine["token"])
    assert client.get(f"/agent/v1/runs/{other.pk}").status_code == 404
    assert client.get(f"{WS}/runs/{other.pk}").status_code == 404
    assert client.get(f"{WS}/runs/{mine['run']}").status_code == 200
    assert client.post(f"{WS}/runs/{mine['run']}/cancel").status_code == 403
    body = {"state": "running"}
    assert client.post(f"/agent/v1/runs/{other.pk}/progress", body, format="json").status_code == 404


def test_cancel_reaches_the_node_and_wins_over_a_good_end(carl, node):
    run = carl.submit()
    spec = node.claim()
    code = FakeCode(spec)
    code.start()
    for _ in range(2):
        assert carl.client.post(f"{WS}/runs/{run.pk}/cancel").status_code == 202
    assert Outbox.objects.filter(lane="pool", task="zaffre.sync", pool_id=run.target_id).count() == 1
    assert node.renew(spec).json()["runs"][0]["desired"] == "cancel"
    told = code.progress("finalizing").json()
    assert (told["status"], told["desired"]) == ("cancel_requested", "cancel")
    assert code.end(0).json() == {"status": "canceled"}
    again = carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    assert again.json()["status"] == "canceled"


def test_a_completed_run_is_not_canceled(carl, node):
    run = carl.submit()
    code = FakeCode(node.claim())
    code.start()
    code.end()
    refused = carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "final")


def test_a_lost_attempt_of_a_canceled_run_is_canceled(carl, node):
    run = carl.submit(max_retries=3)
    FakeCode(node.claim()).start()
    carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    outlive(run)
    reap(actor=SYSTEM)
    assert carl.look(run)["status"] == "canceled"


def test_a_run_past_its_time_is_ended_as_failed(carl, node):
    run = carl.submit(max_duration_seconds=5)
    spec = node.claim()
    code = FakeCode(spec)
    code.start()
    assert reap(actor=SYSTEM) == 0
    Run.objects.filter(pk=run.pk).update(started=timezone.now() - timedelta(seconds=6))
    assert reap(actor=SYSTEM) == 1
    assert node.renew(spec).json()["runs"][0]["desired"] == "cancel"
    assert code.end(None, reason="canceled").json() == {"status": "failed"}
    assert carl.look(run)["reason"]["code"] == "timeout"


@pytest.mark.parametrize(("retries", "status"), [(0, "failed"), (1, "queued")])
def test_a_preempted_run_goes_on_elsewhere_if_it_may(carl, node, retries, status):
    run = carl.submit(max_retries=retries)
    code = FakeCode(node.claim())
    code.start()
    assert code.end(None, reason="preempted").json() == {"status": status}
    run.refresh_from_db()
    assert run.retries_used == 0


def test_a_node_that_leaves_before_the_code_began_gives_the_run_back(carl, node):
    run = carl.submit()
    code = FakeCode(node.claim())
    code.progress("preparing", "snapshot")
    assert code.end(None, reason="preempted").json() == {"status": "queued"}
    assert carl.look(run)["status"] == "queued"


def test_a_run_that_no_node_comes_for_is_hinted_at(carl, node):
    run, claimed = carl.submit(), carl.submit()
    Run.objects.filter(pk=run.pk).update(priority=-1)
    assert node.claim()["run"] == claimed.pk
    Run.objects.update(queued_at=timezone.now() + timedelta(minutes=1))  # the moment is short, and we may be slow
    assert hint_waiting(actor=SYSTEM) == 0, "nodes that heard the bell have a moment"
    Run.objects.update(queued_at=timezone.now() - timedelta(minutes=1))
    assert hint_waiting(actor=SYSTEM) == 0, "the target has just taken one: it is awake, and the other waits for room"
    Attempt.objects.update(started=timezone.now() - timedelta(minutes=1))
    assert hint_waiting(actor=SYSTEM) == 1
    hint = Outbox.objects.get(lane="pool")
    assert (hint.pool_id, hint.args[:2]) == (run.target_id, [run.pk, 1])
    run.refresh_from_db()
    assert hint.args[2] not in run.ticket_hash, "the ticket itself is not kept with the run"


def test_old_hints_are_repeated_with_a_new_ticket(carl, node):
    run = carl.submit()
    first = ticket(run)
    assert hint_waiting(actor=SYSTEM) == 0, "a fresh hint is not repeated"
    Run.objects.filter(pk=run.pk).update(hinted_at=timezone.now() - timedelta(minutes=5))
    assert hint_waiting(actor=SYSTEM) == 1
    assert ticket(run) != first
    assert node.ask(run=run.pk, ticket=first).status == 409
    assert node.claim(run=run.pk, ticket=ticket(run))["run"] == run.pk


def test_why_a_run_waits(carl, node):
    for _ in range(2):
        carl.submit()
    third = carl.submit()
    for _ in range(2):
        node.claim()
    shown = carl.look(third)["queue"]
    assert (shown["position"], shown["code"]) == (1, "no_capacity")


def test_a_node_that_died_while_it_waited_is_given_nothing(carl, node):
    """Its connection is closed when a run comes: nobody would start what it was given."""
    from studio.asgi import application

    async def poll_and_die() -> Answer:
        caller = Caller(application, {"authorization": f"Bearer {node.token}"})
        body = json.dumps({"nonce": uuid.uuid4().hex}).encode()
        return await caller.call("POST", "/agent/v1/nodes/claim?wait=30", body, gone_after=0.5)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asyncio.run, poll_and_die())
        assert waiting.result().status == 0, "it was gone before it was answered"
    run = carl.submit()
    assert carl.look(run)["status"] == "queued"
    assert node.claim(wait=30)["attempt"] == 1


def test_a_waiting_node_gets_a_run_as_soon_as_there_is_one(carl, node):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(node.ask, wait=30)
        run = carl.submit()
        assert waiting.result().json()["run"] == run.pk
