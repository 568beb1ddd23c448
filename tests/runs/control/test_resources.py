"""Runs that say what they need: which node takes them, in which order, and why one waits."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.models import Attempt, Run
from runs.services import claim_runs
from studio.kernel import tokens
from tests.runs.control.conftest import WS, FakeCode, FakeNode, bearer
from tests.runs.control.test_attempts import ticket
from workspace.compute.models import Node
from workspace.compute.queries import actor_of_token
from workspace.compute.services import create_enrolment

GPU = {"name": "A100", "memory_gb": 40}
Enrol = Callable[..., FakeNode]


@pytest.fixture
def machine(yard, people) -> Enrol:
    """`machine("big", cpu=8, …)` enrols a node with these facts."""

    def enrol(name: str, **facts: Any) -> FakeNode:
        _, text = create_enrolment("lab", "local", actor=people.actor("olga"))
        facts = {"cpu": 4, "memory_gb": 16, "slots": 2, **facts}
        made = bearer(text).post("/agent/v1/nodes/register", {"name": name, "facts": facts}, format="json")
        node = FakeNode(made.json()["token"])
        body = {"epoch": node.epoch, "runs": [], "facts": facts}
        assert node.client.post("/agent/v1/nodes/hello", body, format="json").status_code == 200
        return node

    return enrol


def queue(carl, run) -> dict[str, Any]:
    return carl.look(run)["queue"]


def waited(run, *, seconds: float) -> None:
    Run.objects.filter(pk=run.pk).update(queued_at=timezone.now() - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"resources": ["gpu"]}, "config.resources"),
        ({"resources": {"cpu": 2}}, "config.resources.cpu"),
        ({"resources": {"cpus": -1}}, "config.resources.cpus"),
        ({"resources": {"cpus": True}}, "config.resources.cpus"),
        ({"resources": {"cpus": 10**400}}, "config.resources.cpus"),
        ({"resources": {"memory_gb": "lots"}}, "config.resources.memory_gb"),
        ({"resources": {"gpus": -1}}, "config.resources.gpus"),
        ({"resources": {"gpus": 0.5}}, "config.resources.gpus"),
        ({"resources": {"labels": {"zone": 1}}}, "config.resources.labels"),
        ({"resources": {"labels": {"a b": "x"}}}, "config.resources.labels"),
        ({"priority": 101}, "config.priority"),
        ({"priority": "high"}, "config.priority"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_field(carl, config, field):
    refused = carl.try_submit(**config)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["field"] == field


def test_a_wrong_word_is_told_the_right_one(carl):
    assert "'cpus'" in carl.try_submit(resources={"cpu": 2}).json()["error"]["message"]


def test_what_is_asked_for_is_kept_and_shown_and_limits_the_attempt(carl, machine):
    run = carl.submit(resources={"cpus": 1.5, "memory_gb": 2, "labels": {"zone": "eu"}}, priority=7)
    shown = carl.look(run)
    assert shown["config"]["resources"] == {"cpus": 1.5, "memory_gb": 2.0, "labels": {"zone": "eu"}}
    assert shown["priority"] == 7
    Run.objects.filter(pk=run.pk).update(wanted_labels={})
    assert machine("a").claim()["limits"] == {"cpus": 1.5, "memory_mb": 2048, "gpus": 0}


def test_a_run_in_a_slot_is_not_limited(carl, node):
    carl.submit()
    assert node.claim()["limits"] == {}


def test_a_node_takes_what_it_has_and_no_more(carl, machine):
    node = machine("a", cpu=4)
    for _ in range(4):
        carl.submit(resources={"cpus": 1.5})
    specs = [node.claim() for _ in range(2)]
    assert node.ask().status == 204
    code = FakeCode(specs[0])
    code.start()
    code.end()
    assert node.ask().status == 200
    assert node.ask().status == 204


def test_slots_and_asked_processors_are_of_the_same_machine(carl, machine):
    node = machine("a", cpu=4, slots=2)
    carl.submit(resources={"cpus": 3})
    carl.submit()
    assert node.claim()["limits"]["cpus"] == 3
    assert node.ask().status == 204, "one processor is left, and a slot is two"
    carl.submit(resources={"cpus": 1})
    assert node.claim()["limits"]["cpus"] == 1


def test_memory_and_gpus_bound_as_well(carl, machine):
    node = machine("a", cpu=8, memory_gb=15.5, gpus=[GPU, GPU])
    for _ in range(3):
        carl.submit(resources={"gpus": 1})
    assert [node.ask().status for _ in range(3)] == [200, 200, 204]
    carl.submit(resources={"memory_gb": 15.5})
    carl.submit(resources={"memory_gb": 0.5})
    assert node.claim()["limits"]["memory_mb"] == 15872
    assert node.ask().status == 204


def test_a_run_that_does_not_fit_is_left_for_the_node_where_it_does(carl, machine):
    small, big = machine("small", cpu=2), machine("big", cpu=8)
    wide = carl.submit(resources={"cpus": 6})
    narrow = carl.submit(resources={"cpus": 1})
    assert small.claim()["run"] == narrow.pk
    assert big.claim()["run"] == wide.pk


def test_priority_goes_before_age(carl, node):
    runs = [carl.submit(priority=priority) for priority in (0, -5, 10, 10)]
    got = [node.claim()["run"], node.claim()["run"]]
    assert got == [runs[2].pk, runs[3].pk]
    assert queue(carl, runs[0])["position"] == 1
    assert queue(carl, runs[1])["position"] == 2


def test_a_hint_for_one_run_brings_what_comes_before_it(carl, node):
    low = carl.submit()
    high = carl.submit(priority=50)
    assert node.claim(run=low.pk, ticket=ticket(low))["run"] == high.pk
    assert node.claim(run=low.pk, ticket=ticket(low))["run"] == low.pk


def test_a_node_that_is_too_small_for_what_a_hint_names_is_told_so(carl, machine):
    run = carl.submit(resources={"cpus": 64})
    assert machine("a").ask(run=run.pk, ticket=ticket(run)).json()["error"]["code"] == "taken"


def test_small_runs_do_not_keep_a_big_one_waiting_for_ever(carl, machine, settings):
    node = machine("a", cpu=4)
    carl.submit(resources={"cpus": 2})
    first = node.claim()
    big = carl.submit(resources={"cpus": 4})
    small = carl.submit(resources={"cpus": 1})
    assert node.claim()["run"] == small.pk, "the gap is used as long as nobody waited long"
    carl.submit(resources={"cpus": 1})
    waited(big, seconds=settings.HOLD_SECONDS + 1)
    assert node.ask().status == 204, "the node is kept free"
    urgent = carl.submit(resources={"cpus": 1}, priority=1)
    assert node.claim()["run"] == urgent.pk, "a higher priority passes all the same"
    Attempt.objects.exclude(run=first["run"]).update(ended=timezone.now())
    code = FakeCode(first)
    code.start()
    code.end()
    assert node.claim()["run"] == big.pk


def test_a_run_that_nothing_can_take_keeps_no_node_free(carl, machine, settings):
    node = machine("a", cpu=4)
    huge = carl.submit(resources={"cpus": 64})
    waited(huge, seconds=settings.HOLD_SECONDS + 1)
    small = carl.submit(resources={"cpus": 1})
    assert node.claim()["run"] == small.pk


# --- why a run waits --------------------------------------------------------------------------------


def test_no_node_at_all(carl):
    assert queue(carl, carl.submit(resources={"gpus": 1}))["code"] == "waiting_for_node"


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ({"gpus": 2}, "It asks for 2 GPUs; the largest node of local has 0 GPUs."),
        ({"cpus": 6}, "It asks for 6 CPUs; the largest node of local has 4 CPUs."),
        ({"memory_gb": 32}, "It asks for 32 GB; the largest node of local has 16 GB."),
        ({"labels": {"zone": "eu"}}, "It asks for zone=eu; no node of local has that."),
        ({"cpus": 6, "gpus": 1}, "It asks for 6 CPUs, 1 GPU; the largest node of local has 4 CPUs, 16 GB."),
    ],
)
def test_nothing_fits_names_what_is_asked_and_the_best_that_is_there(carl, machine, resources, sentence):
    machine("a", cpu=4, memory_gb=16)
    made = carl.try_submit(resources=resources)
    assert made.status_code == 201, "nodes may come"
    assert made.json()["queue"] == {"position": 1, "code": "nothing_fits", "message": sentence}
    assert made.json()["warnings"] == [f"{sentence} It waits until such a node is attached."]


def test_a_run_that_fits_is_not_warned_of(carl, machine):
    machine("a", cpu=4)
    assert carl.try_submit(resources={"cpus": 4}).json()["warnings"] == []


def test_two_machines_that_have_one_half_each(carl, machine):
    machine("a", cpu=8), machine("b", cpu=2, gpus=[GPU])
    told = queue(carl, carl.submit(resources={"cpus": 8, "gpus": 1}))
    assert told["message"] == "It asks for 8 CPUs, 1 GPU; no single node of local has all of it."


def test_all_that_fits_is_busy(carl, machine):
    node = machine("a", cpu=4)
    carl.submit(resources={"cpus": 4})
    node.claim()
    run = carl.submit(resources={"cpus": 1})
    assert queue(carl, run)["code"] == "no_capacity"
    assert queue(carl, run)["message"] == "It asks for 1 CPU, and what local has of it is busy."
    assert queue(carl, carl.submit())["message"].endswith("1 run is before it.")


def test_the_node_that_fits_is_not_online(carl, machine, settings):
    machine("small", cpu=2)
    machine("big", cpu=8)
    Node.objects.filter(name="big").update(last_seen=timezone.now() - timedelta(hours=1))
    told = queue(carl, carl.submit(resources={"cpus": 8}))
    assert (told["code"], told["message"]) == ("waiting_for_node", "What it asks for has big, which is not online.")


def claiming(node: FakeNode):
    """The node's own actor, so that the statements of its claim are counted in this thread."""
    parsed = tokens.parse(node.token)
    assert parsed is not None
    return actor_of_token(parsed)


def test_a_claim_asks_the_database_no_more_for_many_waiting(carl, machine, django_assert_num_queries):
    actor = claiming(machine("a", cpu=8))
    carl.submit(resources={"cpus": 1})
    with CaptureQueriesContext(connection) as one:
        assert claim_runs(actor=actor, nonce=uuid.uuid4().hex)
    most = len(one)
    assert 0 < most <= 22
    for _ in range(12):
        carl.submit(resources={"cpus": 1})
    with django_assert_num_queries(most):
        assert claim_runs(actor=actor, nonce=uuid.uuid4().hex)


def test_the_page_says_why_it_waits(carl, machine, browser):
    machine("a", cpu=4)
    run = carl.submit(resources={"gpus": 2})
    page = browser("carl").get(f"/w/lab/runs/{run.pk}").content.decode()
    assert "It asks for 2 GPUs; the largest node of local has 0 GPUs." in page
    assert carl.client.get(f"{WS}/runs").json()["runs"][0]["priority"] == 0
