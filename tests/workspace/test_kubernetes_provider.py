"""Nodes as pods: manifests as values, and what only this provider does; test_providers.py has what all do."""

import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Value
from django.utils import timezone, translation

from studio.kernel.actors import SYSTEM
from tests.workspace.kubeapi import Api, client_of, running_api
from workspace.compute import services, words
from workspace.compute.models import Node
from workspace.compute.providers import Order, ProviderError
from workspace.compute.providers.kubernetes import NO_CLIENT, Pods, pod_name, pod_of, secret_of
from workspace.compute.services import machines
from workspace.compute.services.pool import add_node, tidy


def order(node: str = "01ABC", **more: Any) -> Order:
    given = {"node": node, "name": "a", "target": "c", "url": "http://studio", "token": lambda: "zaf_reg_x", **more}
    return Order(**given)


def test_a_pod_gets_nothing_of_the_cluster_and_is_held_to_its_size():
    pod = pod_of(order(cpus=2, memory_gb=8), image="studio/node:1")
    spec, [container] = pod["spec"], pod["spec"]["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "8Gi"} == container["resources"]["requests"]
    assert "zaf_reg_x" not in json.dumps(pod), "the token is in the secret"
    assert pod_of(order(), image="i")["spec"]["containers"][0]["resources"] == {}
    told = json.loads(secret_of(order(cpus=2))["stringData"]["node.json"])
    assert (told["token"], told["cpus"], told["url"]) == ("zaf_reg_x", 2, "http://studio")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", pod_name("01ABC")), "a name that Kubernetes takes"


def test_without_the_client_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(ProviderError, match="requirements-kubernetes"):
        Pods(namespace="ns", image="i").list()


def test_a_provider_that_is_not_configured_is_refused_at_the_form(api, lab):
    body = {"name": "k", "kind": "cluster", "settings": {"max_nodes": 1, "provider": "kubernetes"}}
    refused = api("olga").post("/api/v1/workspaces/lab/compute", body, format="json")
    assert refused.status_code == 422 and refused.json()["error"]["code"] == "no_provider"


# --- before an API server ---------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Api]:
    with running_api() as api:
        yield api


@pytest.fixture
def pods(server) -> Pods:
    return Pods(namespace="ns", image="i", connect=lambda: client_of(server))


def test_a_pod_that_ended_is_made_anew_with_a_token_of_its_own(pods, server):
    pods.start(order())
    server.pods[pod_name("01ABC")]["status"] = {"phase": "Failed", "reason": "Error"}
    pods.start(order(token=lambda: "zaf_reg_y"))
    assert pods.list()["01ABC"].alive and pods.tail("01ABC") == "INFO registered\n"
    assert "zaf_reg_y" in server.secrets[pod_name("01ABC")]["stringData"]["node.json"]


@pytest.mark.parametrize(
    ("status", "alive", "preempted"),
    [
        ({"phase": "Running"}, True, False),
        ({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}, False, True),
        ({"phase": "Failed", "reason": "Error"}, False, False),
        ({"phase": "Succeeded"}, False, False),
    ],
)
def test_what_a_pod_says_of_its_node(pods, server, status, alive, preempted):
    pods.start(order())
    server.pods[pod_name("01ABC")]["status"] = status
    machine = pods.list()["01ABC"]
    assert (machine.alive, machine.preempted) == (alive, preempted)
    assert status.get("message", "") in machine.reason


def test_an_image_that_cannot_be_pulled_is_told(pods, server):
    pods.start(order())
    server.pods[pod_name("01ABC")]["status"] = without_its_image()
    assert pods.list()["01ABC"].reason == "ErrImagePull: no such image"


def test_a_node_whose_pod_was_evicted_ends_and_leaves_nothing(pods, server, lab, people):
    node = node_of_pods(lab, people)
    manager = machines.Manager(pods)
    manager.round(actor=SYSTEM)
    server.pods[pod_name(node.pk)]["status"] = {"phase": "Failed", "reason": "Evicted"}
    manager.round(actor=SYSTEM)
    node.refresh_from_db()
    assert (node.state, node.wanted) == ("preempted", False)
    manager.round(actor=SYSTEM)
    node.refresh_from_db()
    assert node.ended is not None
    Node.objects.update(removed=node.ended)
    manager.round(actor=SYSTEM)
    assert server.pods == server.secrets == {}


def test_what_is_in_the_way_of_a_pod_is_told_in_the_readers_language(pods, server, lab, people):
    """While its node comes up, and when it was given up: what Kubernetes said stands below as it said it."""
    node = node_of_pods(lab, people)
    manager = machines.Manager(pods)
    manager.round(actor=SYSTEM)
    server.pods[pod_name(node.pk)]["status"] = without_its_image()
    manager.round(actor=SYSTEM)
    assert told(node) == {
        "en": "The image of its pod cannot be pulled.\nErrImagePull: no such image",
        "ja": "Pod のイメージを取得できません。\nErrImagePull: no such image",
    }
    Node.objects.update(since=timezone.now() - timedelta(days=1))
    tidy(node.target, list(node.target.nodes.annotate(busy=Value(value=False))))
    assert "register" in told(node)["en"] and "The image of its pod cannot be pulled." in told(node)["en"]
    assert "Pod のイメージを取得できません。" in told(node)["ja"]


def test_a_studio_without_a_way_to_kubernetes_says_so_on_the_node(lab, people):
    def nowhere() -> object:
        raise ProviderError("Not here.", {"code": NO_CLIENT})

    node = node_of_pods(lab, people)
    with pytest.raises(ProviderError):
        machines.Manager(Pods(namespace="ns", image="i", connect=nowhere)).round(actor=SYSTEM)
    assert "pip install -r requirements-kubernetes.in" in told(node)["en"]
    assert "Kubernetes クライアントがインストールされていません" in told(node)["ja"]


def node_of_pods(lab, people) -> Node:
    """The first node of a cluster whose nodes are pods."""
    actor = people.actor("olga")
    node = add_node(services.create_target(lab, actor=actor, name="c", kind="cluster", settings={"max_nodes": 2}))
    Node.objects.update(provider="kubernetes")
    return node


def without_its_image() -> dict[str, Any]:
    """The status of a pod whose image cannot be pulled, as the API server tells it."""
    waits = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    one = {"name": "node", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": waits}
    return {"phase": "Pending", "containerStatuses": [one]}


def told(node: Node) -> dict[str, str]:
    """What pages say of it, by language."""
    node.refresh_from_db()
    said = {}
    for language in ("en", "ja"):
        with translation.override(language):
            said[language] = words.note_of(node)
    return said
