"""Nodes as pods of a Kubernetes cluster, through its official client, which is installed apart
(`requirements-kubernetes.in`) and imported when the provider is used.

A node is a pod and a secret of the same name. The secret holds the agent's `node.json`, so that its token is in no
list of processes and no description of a pod. What is there is what the API server lists under our label.
"""

import json
import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

from workspace.compute.providers.interface import Machine, Order, ProviderError

log = logging.getLogger(__name__)

APP, NODE = "zaffre-node", "zaffre.node"
#: Seconds between asking an agent to go and the end of its pod: its runs have their grace within.
GRACE = 40
TAIL_LINES = 50
#: What words.py says of: no client here, no cluster, a call that failed, a pod that does not start.
NO_CLIENT, NO_CLUSTER, REFUSED, POD = "kubernetes_no_client", "kubernetes_no_cluster", "kubernetes_refused", "pod"
#: Words of Kubernetes for a pod that was taken away, and did not end by itself.
TAKEN = ("Evicted", "Preempting", "Preempted", "NodeLost", "Shutdown", "Terminated", "TerminationByKubelet")


def pod_name(node: str) -> str:
    return f"{APP}-{node.lower()}"


def secret_of(order: Order) -> dict[str, Any]:
    """The manifest of the secret that holds the agent's configuration."""
    told = {**order.config(), "token": order.token()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": pod_name(order.node), "labels": _labels(order.node)},
        "stringData": {"node.json": json.dumps(told)},
    }


def pod_of(order: Order, *, image: str) -> dict[str, Any]:
    """The manifest of the node's pod. What it may use is what was ordered, asked for and held to."""
    size = {
        "cpu": f"{order.cpus:g}" if order.cpus else "",
        "memory": f"{order.memory_gb:g}Gi" if order.memory_gb else "",
    }
    limits = {key: value for key, value in size.items() if value}
    command = ["zaffre", "node", "start", "--config", "/etc/zaffre/node.json", "--dir", "/var/lib/zaffre"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod_name(order.node), "labels": _labels(order.node)},
        "spec": {
            # A container that ends is started again where its disk is; the agent then takes over what it can.
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": GRACE,
            # Users' code runs in it: it gets nothing of the cluster's own.
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [
                {
                    "name": "node",
                    "image": image,
                    "command": command,
                    "resources": {"requests": limits, "limits": limits} if limits else {},
                    "securityContext": {"allowPrivilegeEscalation": False},
                    "volumeMounts": [
                        {"name": "told", "mountPath": "/etc/zaffre", "readOnly": True},
                        {"name": "disk", "mountPath": "/var/lib/zaffre"},
                    ],
                }
            ],
            "volumes": [
                {"name": "told", "secret": {"secretName": pod_name(order.node), "defaultMode": 0o400}},
                {"name": "disk", "emptyDir": {}},
            ],
        },
    }


def _labels(node: str) -> dict[str, str]:
    return {"app": APP, NODE: node}


def machine_of(pod: Any) -> Machine:
    """What a pod, as the client returns it, says of its node."""
    node, status = pod.metadata.labels[NODE], pod.status
    reason, why = " ".join(filter(None, [status.reason, status.message])), {}
    for one in status.container_statuses or []:
        waits = one.state.waiting if one.state else None
        if waits is not None and waits.message:
            reason, why = f"{waits.reason}: {waits.message}", {"code": POD, "reason": waits.reason}
    alive = status.phase in ("Pending", "Running", "Unknown", None)
    taken = status.phase == "Failed" and (status.reason in TAKEN)
    return Machine(node, alive=alive, handle={"pod": pod.metadata.name}, reason=reason[:500], why=why, preempted=taken)


class Pods:
    """The pods of one namespace. `connect` returns the client's CoreV1Api; it is called at the first use."""

    name = "kubernetes"
    ends_with_us = False

    def __init__(self, *, namespace: str, image: str, connect: Callable[[], Any] | None = None) -> None:
        self.namespace, self.image = namespace, image
        self._connect = connect or _connected
        self._api: Any = None

    def start(self, order: Order) -> dict[str, Any]:
        name = pod_name(order.node)
        pod = self._call("read_namespaced_pod", name, self.namespace, missing=True)
        if pod is not None and machine_of(pod).alive:
            return {"pod": name}
        if pod is not None:
            # One that ended keeps its name, so that no other could be made.
            self._call("delete_namespaced_pod", name, self.namespace, grace_period_seconds=0, missing=True)
        # The secret first: a pod without it would wait. One that is there is of an earlier try, with a dead token.
        self._call("delete_namespaced_secret", name, self.namespace, missing=True)
        self._call("create_namespaced_secret", self.namespace, secret_of(order), there=True)
        self._call("create_namespaced_pod", self.namespace, pod_of(order, image=self.image), there=True)
        return {"pod": name}

    def stop(self, node: str, *, kill: bool = False, forget: bool = False) -> None:
        grace = 0 if kill else GRACE
        self._call("delete_namespaced_pod", pod_name(node), self.namespace, grace_period_seconds=grace, missing=True)
        # The pod that goes has read it; one that is started later gets another.
        self._call("delete_namespaced_secret", pod_name(node), self.namespace, missing=True)

    def list(self) -> dict[str, Machine]:
        found = self._call("list_namespaced_pod", self.namespace, label_selector=f"app={APP}")
        return {machine.node: machine for machine in map(machine_of, found.items)}

    def tail(self, node: str) -> str:
        said = self._call(
            "read_namespaced_pod_log", pod_name(node), self.namespace, tail_lines=TAIL_LINES, missing=True
        )
        return str(said or "")

    def _call(self, verb: str, *words: Any, missing: bool = False, there: bool = False, **more: Any) -> Any:
        """One call of the client. What is `missing` or `there` already may be so; anything else is told."""
        if self._api is None:
            self._api = self._connect()
        try:
            return getattr(self._api, verb)(*words, _request_timeout=10, **more)
        except Exception as error:
            status = getattr(error, "status", None)
            if (missing and status in (400, 404)) or (there and status == 409):
                return None
            why = getattr(error, "reason", None) or type(error).__name__
            told = {"code": REFUSED, "verb": verb, "namespace": self.namespace, "why": f"{status or ''} {why}".strip()}
            raise ProviderError(f"Kubernetes: {verb} in {self.namespace}: {told['why']}", told) from None


def _connected() -> Any:
    try:
        # By name: an extra, which this provider alone needs.
        client, config = import_module("kubernetes.client"), import_module("kubernetes.config")
    except ImportError:
        raise ProviderError(
            "The Kubernetes client is not installed: pip install -r requirements-kubernetes.in beside the studio.",
            {"code": NO_CLIENT},
        ) from None
    try:
        config.load_incluster_config()
    except config.ConfigException:
        try:
            config.load_kube_config()
        except (config.ConfigException, OSError) as error:
            told = {"code": NO_CLUSTER, "why": str(error)[:300]}
            raise ProviderError(f"No way to a Kubernetes cluster is configured: {error}", told) from None
    return client.CoreV1Api()
