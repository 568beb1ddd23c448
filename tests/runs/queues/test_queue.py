"""The queue of a compute target: what waits and why, what runs where, and who may change its order."""

from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.models import Attempt, Experiment, Run
from runs.services import bring_forward, reap
from studio.active import parameters
from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Forbidden
from studio.kernel.ids import ulid
from tests.runs.control.conftest import WS, FakeCode, Submitter
from workspace.audit.models import Entry

QUEUE = f"{WS}/compute/local/queue"


def silent(run, *, lease: timedelta = timedelta(minutes=5)) -> None:
    """Nothing was heard of the present attempt for a while, and its lease goes on."""
    now = timezone.now()
    Attempt.objects.filter(run=run).update(last_seen=now - timedelta(minutes=1), lease_until=now + lease)


def state(run) -> str:
    return Run.objects.values_list("status", flat=True).get(pk=run.pk)


# --- what is shown ----------------------------------------------------------------------------------


def test_a_run_on_several_nodes_asks_for_all_of_them(carl):
    carl.submit(node_count=2)
    carl.submit(node_count=3, resources={"cpus": 2})
    told = carl.client.get(QUEUE).json()
    assert [one["asks"] for one in told["waiting"]] == ["2 nodes, on each a slot", "3 nodes, on each 2 CPUs"]


def test_what_waits_and_what_runs_where(carl, machine):
    node = machine("a", cpu=4)
    big = carl.submit(resources={"cpus": 3})
    node.claim()
    never = carl.submit(resources={"gpus": 2})
    next_one = carl.submit(priority=5, resources={"cpus": 2})
    told = carl.client.get(QUEUE).json()
    assert [(one["id"], one["position"], one["code"]) for one in told["waiting"]] == [
        (next_one.pk, 1, "no_capacity"),
        (never.pk, 2, "nothing_fits"),
    ]
    assert (told["count"], told["more"]) == (2, 0)
    assert told["waiting"][0]["asks"] == "2 CPUs"
    assert told["waiting"][0]["submitted_by"] == "Carl"
    (there,) = told["nodes"]
    assert (there["name"], there["free"]) == ("a", "1 CPU, 16 GB")
    assert [(one["id"], one["asks"]) for one in there["runs"]] == [(big.pk, "3 CPUs")]


@pytest.mark.parametrize(("who", "status"), [("olga", 200), ("rio", 200), ("mallory", 404), ("ada", 403), (None, 401)])
def test_who_sees_the_queue(carl, api, browser, who, status):
    carl.submit()
    assert api(who).get(QUEUE).status_code == status
    page = browser(who).get("/w/lab/compute/local/queue")
    assert page.status_code == (302 if who is None else status)


def test_a_long_queue_costs_no_more_statements(carl, machine):
    node = machine("a", cpu=4)
    carl.submit(resources={"cpus": 3})
    node.claim()
    carl.submit()
    with CaptureQueriesContext(connection) as few:
        carl.client.get(QUEUE)
        counted = len(few)
    for _ in range(5):
        carl.submit(resources={"gpus": 1})
    with CaptureQueriesContext(connection) as many:
        carl.client.get(QUEUE)
        assert len(many) == counted
    assert counted < 20


def test_the_page_lists_it_with_its_reason_and_a_field_for_who_may(carl, machine, browser):
    machine("a", cpu=4)
    run = carl.submit(resources={"gpus": 2})
    page = browser("carl").get("/w/lab/compute/local/queue").content.decode()
    assert "It asks for 2 GPUs; the largest node of local has 0 GPUs." in page
    assert f'id="priority-{run.pk}"' in page
    assert f'id="priority-{run.pk}"' not in browser("rio").get("/w/lab/compute/local/queue").content.decode()


def test_an_empty_queue_says_so(yard, browser):
    assert "Nothing waits" in browser("rio").get("/w/lab/compute/local/queue").content.decode()


# --- priorities -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"), [("olga", 200), ("carl", 200), ("rio", 403), ("mallory", 404), ("ada", 403), (None, 401)]
)
def test_who_may_change_the_priority_of_carls_run(carl, api, who, status):
    run = carl.submit()
    answer = api(who).put(f"{WS}/runs/{run.pk}/priority", {"priority": 9}, format="json")
    assert answer.status_code == status
    run.refresh_from_db()
    assert run.priority == (9 if status == 200 else 0)
    assert Entry.objects.filter(action="run.prioritize").count() == (status == 200)


def test_a_contributor_leaves_the_runs_of_others_alone(carl, api, yard):
    theirs = Submitter(api("olga"), yard).submit()
    refused = carl.client.put(f"{WS}/runs/{theirs.pk}/priority", {"priority": 9}, format="json")
    assert refused.status_code == 403


def test_a_changed_priority_changes_what_is_claimed_next(carl, node, browser):
    first, second = carl.submit(), carl.submit()
    done = browser("carl").post(f"/w/lab/runs/{second.pk}/priority", {"priority": "3", "target": "local"})
    assert done["location"] == "/w/lab/compute/local/queue"
    assert node.claim()["run"] == second.pk
    entry = Entry.objects.get(action="run.prioritize")
    assert (entry.target, entry.fields) == (second.pk, {"from": 0, "to": 3})
    late = carl.client.put(f"{WS}/runs/{second.pk}/priority", {"priority": 1}, format="json")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "started")
    assert state(first) == "queued"


@pytest.mark.parametrize("priority", [101, "high", None, 1.5, True])
def test_a_priority_is_a_number(carl, priority):
    run = carl.submit(priority=2)
    answer = carl.client.put(f"{WS}/runs/{run.pk}/priority", {"priority": priority}, format="json")
    assert answer.status_code == 422
    run.refresh_from_db()
    assert run.priority == 2


def test_the_page_refuses_what_is_no_number(carl, browser):
    run = carl.submit()
    browser("carl").post(f"/w/lab/runs/{run.pk}/priority", {"priority": "--3"})
    run.refresh_from_db()
    assert run.priority == 0


# --- turns ------------------------------------------------------------------------------------------


def test_a_thousand_runs_of_one_person_do_not_hold_back_anothers_first(carl, api, yard, node):
    first = carl.submit()
    place = {"workspace": first.workspace, "experiment": first.experiment, "target": first.target}
    theirs = {"status": "queued", "submitted_by": first.submitted_by, "config": first.config}
    code = {"snapshot": first.snapshot, "environment_version": first.environment_version}
    Run.objects.bulk_create(
        [Run(id=ulid(), number=n, name="x", turn=n - 1, **place, **theirs, **code) for n in range(2, 1002)]
    )
    Experiment.objects.update(run_counter=1001)
    spec = node.claim()
    assert spec["run"] == first.pk
    olga = Submitter(api("olga"), yard)
    own = [olga.submit(), olga.submit()]
    assert [Run.objects.get(pk=run.pk).turn for run in own] == [0, 1]
    shown = carl.client.get(QUEUE).json()["waiting"]
    assert [one["submitted_by"] for one in shown[:4]] == ["Olga", "Carl", "Olga", "Carl"]
    assert olga.look(own[1])["queue"]["position"] == 3
    assert carl.submit().turn == 1001, "after the last of his own"
    code = FakeCode(spec)
    code.start()
    code.end()
    assert node.claim()["run"] == own[0].pk


def test_turns_are_of_one_priority(carl, api, yard, node):
    runs = [carl.submit() for _ in range(3)]
    urgent = carl.submit(priority=7)
    assert Run.objects.get(pk=urgent.pk).turn == 0
    olga = Submitter(api("olga"), yard)
    others = olga.submit()
    carl.client.put(f"{WS}/runs/{runs[2].pk}/priority", {"priority": 7}, format="json")
    runs[2].refresh_from_db()
    assert (runs[2].priority, runs[2].turn) == (7, 1)
    olga.client.put(f"{WS}/runs/{others.pk}/priority", {"priority": 7}, format="json")
    shown = [one["id"] for one in carl.client.get(QUEUE).json()["waiting"]]
    assert shown == [urgent.pk, others.pk, runs[2].pk, runs[0].pk, runs[1].pk]


def test_gaps_of_canceled_runs_are_closed(carl, api, yard, node):
    runs = [carl.submit() for _ in range(6)]
    FakeCode(node.claim()).start()
    for run in runs[1:4]:
        carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    assert bring_forward(actor=SYSTEM) == 2
    assert [Run.objects.get(pk=run.pk).turn for run in runs[4:]] == [1, 2]
    assert bring_forward(actor=SYSTEM) == 0
    with pytest.raises(Forbidden):
        bring_forward(actor=Actor(kind="user", name="carl", user_id=1))


@pytest.mark.django_db(transaction=True)
def test_closing_gaps_waits_for_nobody(carl, yard, node):
    runs = [carl.submit() for _ in range(4)]
    FakeCode(node.claim()).start()
    carl.client.post(f"{WS}/runs/{runs[1].pk}/cancel")
    with psycopg.connect(**parameters()) as somebody, connection.cursor() as cursor:
        somebody.execute("SELECT 1 FROM runs_run WHERE id = %s FOR UPDATE", [runs[2].pk])
        cursor.execute("SET statement_timeout = '10s'")
        assert bring_forward(actor=SYSTEM) == 1
    assert bring_forward(actor=SYSTEM) == 1
    assert [Run.objects.get(pk=run.pk).turn for run in runs[2:]] == [1, 2]


# --- give up now ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"), [("olga", 200), ("carl", 200), ("rio", 403), ("mallory", 404), ("ada", 403), (None, 401)]
)
def test_who_may_give_up_a_silent_node(carl, node, api, who, status):
    run = carl.submit()
    code = FakeCode(node.claim())
    code.start()
    silent(run)
    answer = api(who).post(f"{WS}/runs/{run.pk}/give-up")
    assert answer.status_code == status
    assert state(run) == ("failed" if status == 200 else "running")


def test_a_run_that_is_given_up_fails_at_once_and_its_code_is_refused(carl, node):
    run = carl.submit()
    code = FakeCode(node.claim())
    code.start()
    silent(run)
    told = carl.client.post(f"{WS}/runs/{run.pk}/give-up").json()
    assert (told["status"], told["reason"]["code"]) == ("failed", "worker_lost")
    assert told["reason"]["message"].endswith("carl gave it up.")
    assert code.progress("running").status_code in (401, 409)
    assert code.end().status_code in (401, 409)
    assert state(run) == "failed"
    assert Entry.objects.get(action="run.give_up").actor_name == "carl"
    assert carl.client.post(f"{WS}/runs/{run.pk}/give-up").json()["error"]["code"] == "final"


def test_the_next_attempt_waits_until_the_old_code_cannot_run_any_more(carl, node, join):
    run = carl.submit(max_retries=1)
    FakeCode(node.claim()).start()
    silent(run, lease=timedelta(minutes=2))
    assert carl.client.post(f"{WS}/runs/{run.pk}/give-up").json()["status"] == "queued"
    other = join("b")
    assert other.ask().status == 204
    assert carl.look(run)["queue"]["code"] == "retry_pause"
    run.refresh_from_db()
    assert run.not_before >= Attempt.objects.get(run=run).lease_until
    Run.objects.filter(pk=run.pk).update(not_before=timezone.now())
    assert other.claim()["attempt"] == 2


def test_a_node_that_answers_is_not_given_up(carl, node, browser):
    run = carl.submit()
    spec = node.claim()
    FakeCode(spec).start()
    assert carl.client.post(f"{WS}/runs/{run.pk}/give-up").json()["error"]["code"] == "reachable"
    assert "Give up now" not in browser("carl").get(f"/w/lab/runs/{run.pk}").content.decode()
    silent(run)
    assert "Give up now" in browser("carl").get(f"/w/lab/runs/{run.pk}").content.decode()
    assert "Give up now" not in browser("rio").get(f"/w/lab/runs/{run.pk}").content.decode()
    browser("carl").post(f"/w/lab/runs/{run.pk}/give-up")
    assert state(run) == "failed"


def test_a_run_that_waits_has_nothing_to_give_up(carl):
    run = carl.submit()
    assert carl.client.post(f"{WS}/runs/{run.pk}/give-up").status_code == 409


def test_a_renewal_that_comes_first_keeps_the_run(carl, node):
    run = carl.submit()
    spec = node.claim()
    FakeCode(spec).start()
    silent(run)
    assert node.renew(spec).status_code == 200
    assert carl.client.post(f"{WS}/runs/{run.pk}/give-up").status_code == 409
    assert reap(actor=SYSTEM) == 0
    assert state(run) == "running"
