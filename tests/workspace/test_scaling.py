"""The rounds of a cluster: nodes come while runs wait, and go when they have nothing to do."""

from datetime import timedelta

import pytest
from django.utils import timezone

from studio.kernel.actors import SYSTEM
from tests.workspace.test_machines import URL, Box, bring_up
from workspace.compute import services, words
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.services import machines, scaling
from workspace.compute.services.pool import add_node


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def manager(box) -> machines.Manager:
    return machines.Manager(box)


@pytest.fixture
def cluster(lab, people) -> ComputeTarget:
    return services.create_target(
        lab, actor=people.actor("olga"), name="c", kind="cluster", settings={"max_nodes": 3, "node": {"slots": 2}}
    )


def round_of(cluster) -> list[Node]:
    from runs.services.scaling import tend_cluster

    tend_cluster(cluster.pk, actor=SYSTEM)
    cluster.refresh_from_db()
    return list(Node.objects.filter(removed__isnull=True).order_by("pk"))


def test_a_node_that_does_not_register_in_time_is_unusable(cluster, settings):
    node = add_node(cluster)
    Node.objects.update(since=timezone.now() - timedelta(seconds=settings.NODE_SECONDS + 1))
    [row] = round_of(cluster)
    assert (row.pk, row.state, row.wanted) == (node.pk, "unusable", False)
    assert "did not register" in words.note_of(row)


def test_the_smallest_number_is_kept_and_the_largest_is_never_passed(cluster):
    ComputeTarget.objects.update(settings={**cluster.settings, "min_nodes": 2})
    for _ in range(3):
        assert len(round_of(cluster)) == 2
    ComputeTarget.objects.update(settings={**cluster.settings, "min_nodes": 3, "max_nodes": 3})
    for _ in range(3):
        assert len(round_of(cluster)) == 3


def test_after_three_failures_it_waits_and_says_so(cluster):
    ComputeTarget.objects.update(settings={**cluster.settings, "min_nodes": 1})
    for _ in range(scaling.MOST_FAILED):
        round_of(cluster)
        Node.objects.filter(state="preparing").update(
            state="unusable", wanted=False, ended=timezone.now(), since=timezone.now()
        )
    assert [node.state for node in round_of(cluster)] == ["unusable"] * scaling.MOST_FAILED
    assert cluster.reason_code == "failing" and words.reason_of(cluster).startswith("3 nodes did not come up")


def test_an_idle_node_drains_and_goes_after_its_time(cluster, manager, box, api):
    ComputeTarget.objects.update(settings={**cluster.settings, "idle_seconds_before_scaledown": 60})
    node = add_node(cluster)
    manager.round(actor=SYSTEM)
    bring_up(node, api)
    [row] = round_of(cluster)
    assert row.state == "ready" and row.idle_since is not None
    Node.objects.update(idle_since=timezone.now() - timedelta(seconds=61))
    [row] = round_of(cluster)
    assert row.state == "leaving" and row.draining is not None and row.wanted
    assert cluster.reason_code == "shrinking"
    [row] = round_of(cluster)
    assert not row.wanted, "it has nothing left to end"
    manager.round(actor=SYSTEM)
    manager.round(actor=SYSTEM)
    assert round_of(cluster) == [] and box.alive == {}
    told = api("rio").get(f"{URL}/c/happenings").json()["happenings"]
    assert [one["code"] for one in told if one["code"].startswith("node")] == [
        "node_gone",
        "node_leaves",
        "node_ready",
        "node_added",
    ]


def test_the_status_of_a_cluster_has_the_words_of_the_reference(cluster, manager, api):
    ComputeTarget.objects.update(settings={**cluster.settings, "min_nodes": 1})
    [node] = round_of(cluster)
    told = api("rio").get(f"{URL}/c").json()
    assert told["state"] == "Resizing" and told["status"]["nodeStateCounts"]["preparingNodeCount"] == 1
    manager.round(actor=SYSTEM)
    bring_up(node, api)
    round_of(cluster)
    status = api("rio").get(f"{URL}/c").json()["status"]
    assert status["allocationState"] == "Steady" and status["currentNodeCount"] == status["targetNodeCount"] == 1
    assert status["nodeStateCounts"]["idleNodeCount"] == 1
    assert status["scaleSettings"] == {
        "minNodeCount": 1,
        "maxNodeCount": 3,
        "nodeIdleTimeBeforeScaleDown": "PT120S",
    }


def test_a_node_that_is_silent_for_a_moment_is_not_replaced(cluster, manager, api, settings):
    ComputeTarget.objects.update(settings={**cluster.settings, "min_nodes": 1})
    [node] = round_of(cluster)
    manager.round(actor=SYSTEM)
    bring_up(node, api)
    Node.objects.update(last_seen=timezone.now() - timedelta(seconds=settings.UNREACHABLE_SECONDS + 1))
    assert len(round_of(cluster)) == 1
    Node.objects.update(last_seen=timezone.now() - timedelta(seconds=settings.NODE_SECONDS + 1))
    assert len(round_of(cluster)) == 2
