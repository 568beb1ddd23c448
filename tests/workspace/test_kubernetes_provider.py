"""Nodes as pods: manifests as values, and the provider with the official client before an API server of the test.

The server answers as recorded from the API of Kubernetes 1.3x (paths, status codes, shapes); no real cluster is here.
"""

import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from studio.kernel.actors import SYSTEM
from workspace.compute import services
from workspace.compute.models import Node
from workspace.compute.providers import Order, ProviderError
from workspace.compute.providers.kubernetes import Pods, pod_name, pod_of, secret_of
from workspace.compute.services import machines
from workspace.compute.services.pool import add_node


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


class Api:
    """Pods and secrets of one namespace in memory."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.away = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.away:
            return 503, _status(503, "ServiceUnavailable")
        plain, _, query = path.partition("?")
        found = re.fullmatch(r"/api/v1/namespaces/ns/(pods|secrets)(?:/([^/]+))?(/log)?", plain)
        assert found, path
        store: dict[str, dict[str, Any]] = getattr(self, found[1])
        name = found[2]
        if method == "POST":
            name = body["metadata"]["name"]
            if name in store:
                return 409, _status(409, "AlreadyExists")
            store[name] = body | ({"status": {"phase": "Pending"}} if found[1] == "pods" else {})
            return 201, store[name]
        if name is None:
            assert "labelSelector=app%3Dzaffre-node" in query
            return 200, {"kind": "PodList", "apiVersion": "v1", "items": list(store.values())}
        if name not in store:
            return 404, _status(404, "NotFound")
        if found[3]:
            return 200, "INFO registered\n"
        if method == "DELETE":
            return 200, store.pop(name)
        return 200, store[name]


def _status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


def _handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _go(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            status, value = api.answer(self.command, self.path, body)
            raw = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _go

        def log_message(self, *_: object) -> None:
            return

    return Handler


@pytest.fixture
def server() -> Iterator[Api]:
    api = Api()
    api.thread.start()
    yield api
    api.server.shutdown()
    api.server.server_close()


@pytest.fixture
def pods(server) -> Pods:
    client = pytest.importorskip("kubernetes.client", reason="the extra of requirements-kubernetes.in is not installed")
    configuration = client.Configuration(host=server.url)
    configuration.retries = False
    return Pods(namespace="ns", image="i", connect=lambda: client.CoreV1Api(client.ApiClient(configuration)))


def test_a_pod_is_started_once_listed_and_stopped(pods, server):
    assert pods.start(order()) == {"pod": pod_name("01ABC")}
    assert pods.start(order()) == {"pod": pod_name("01ABC")}, "what is there is not made twice"
    assert len(server.pods) == len(server.secrets) == 1
    assert pods.list()["01ABC"].alive and pods.tail("01ABC") == "INFO registered\n"
    pods.stop("01ABC")
    pods.stop("01ABC", forget=True)
    assert server.pods == server.secrets == {} == pods.list() and pods.tail("01ABC") == ""


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
    waits = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    one = {"name": "node", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": waits}
    server.pods[pod_name("01ABC")]["status"] = {"phase": "Pending", "containerStatuses": [one]}
    assert pods.list()["01ABC"].reason == "ErrImagePull: no such image"


def test_rows_and_pods_become_the_same_and_an_absent_server_costs_time_only(pods, server, lab, people):
    cluster = services.create_target(
        lab, actor=people.actor("olga"), name="c", kind="cluster", settings={"max_nodes": 2}
    )
    node = add_node(cluster)
    Node.objects.update(provider="kubernetes")
    manager = machines.Manager(pods)
    server.away = True
    with pytest.raises(ProviderError):
        manager.round(actor=SYSTEM)
    server.away = False
    manager.round(actor=SYSTEM)
    machines.Manager(pods).round(actor=SYSTEM)
    assert list(server.pods) == [pod_name(node.pk)]
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
