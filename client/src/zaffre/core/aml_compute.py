"""AmlCompute: a cluster whose nodes come while runs wait and go when they have nothing to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from zaffre.core.compute import ComputeTarget
from zaffre.core.compute_settings import ProvisioningConfiguration, supported_vmsizes
from zaffre.errors import UserErrorException

if TYPE_CHECKING:
    from zaffre.core.workspace import Workspace

_SCALE_KEYS = ("minNodeCount", "maxNodeCount", "nodeIdleTimeBeforeScaleDown")


class AmlComputeStatus:
    """The state of a cluster at one moment, under the names of the SDK v1."""

    def __init__(self, found: Dict[str, Any]) -> None:
        self._found = dict(found)
        self.allocation_state: str = found.get("allocationState", "")
        self.allocation_state_transition_time = found.get("allocationStateTransitionTime")
        self.creation_time = found.get("creationTime")
        self.current_node_count: int = found.get("currentNodeCount", 0)
        self.errors = found.get("errors")
        self.modified_time = found.get("modifiedTime")
        self.node_state_counts: Dict[str, int] = dict(found.get("nodeStateCounts") or {})
        self.provisioning_state: str = found.get("provisioningState", "")
        self.provisioning_state_transition_time = found.get("provisioningStateTransitionTime")
        self.scale_settings = ScaleSettings(found.get("scaleSettings") or {})
        self.target_node_count: int = found.get("targetNodeCount", 0)
        self.vm_priority: str = found.get("vmPriority", "")
        self.vm_size: str = found.get("vmSize", "")

    def serialize(self) -> Dict[str, Any]:
        return dict(self._found)

    def __repr__(self) -> str:
        return f"AmlComputeStatus({self._found!r})"


class ScaleSettings:
    """How small and how large a cluster may be."""

    def __init__(self, found: Dict[str, Any]) -> None:
        self.minimum_node_count, self.maximum_node_count, self.idle_seconds_before_scaledown = (
            found.get(key) for key in _SCALE_KEYS
        )
        self._found = dict(found)

    def serialize(self) -> Dict[str, Any]:
        return dict(self._found)


def _way_in(password: Optional[str], key_file: Optional[str], passphrase: Optional[str]) -> Dict[str, str]:
    """How to log in to machines. Raises UserErrorException for what is missing, and a file that cannot be read."""
    from zaffre.core.remote_compute import read_key

    if bool(password) == bool(key_file):
        raise UserErrorException("Give either an admin_user_password or a private_key_file.")
    if password:
        return {"password": password}
    return {"private_key": read_key(str(key_file)), "private_key_passphrase": passphrase or ""}


class AmlCompute(ComputeTarget):
    """A cluster of nodes. `AmlCompute(ws, name)` raises ComputeTargetException when there is none of this name."""

    _kind = "cluster"

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: Any = 0,
        max_nodes: Any = None,
        idle_seconds_before_scaledown: Any = 1800,
        admin_username: Optional[str] = None,
        admin_user_password: Optional[str] = None,
        admin_user_ssh_key: Optional[str] = None,
        vnet_resourcegroup_name: Optional[str] = None,
        vnet_name: Optional[str] = None,
        subnet_name: Optional[str] = None,
        tags: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: Optional[str] = None,
        identity_id: Optional[List[str]] = None,
        location: Optional[str] = None,
        enable_node_public_ip: bool = True,
        *,
        hosts: Optional[List[str]] = None,
        private_key_file: Optional[str] = None,
        private_key_passphrase: Optional[str] = None,
        trust_first: bool = True,
    ) -> ProvisioningConfiguration:
        """What a cluster is to be. Networks and identities of a cloud mean nothing here and are not sent.

        With `hosts`, each `[user@]host[:port]`, its nodes are machines that the studio reaches over SSH: it logs in as
        `admin_username` with `admin_user_password` or the key of `private_key_file`. The first key that a machine
        shows is taken, and no other from then on; without `trust_first` it waits until somebody confirms it.
        Without hosts these say nothing, as the account of a cloud's machine does not.

        `vm_size` is one of `supported_vmsizes(ws)`; with the name of another cloud's machine a node has all that its
        machine has. Without `max_nodes` it may have as many as 1 or `min_nodes`.
        """
        settings = {
            "vm_size": vm_size or None,
            "priority": vm_priority or None,
            "min_nodes": min_nodes,
            "max_nodes": max_nodes if max_nodes is not None else max(1, int(min_nodes or 0)),
            "idle_seconds_before_scaledown": idle_seconds_before_scaledown,
        }
        machines: Dict[str, Any] = {}
        if hosts:
            if max_nodes is None:
                settings["max_nodes"] = len(hosts)
            machines = {"hosts": list(hosts), "username": admin_username or "", "trust_first": bool(trust_first)}
            machines.update(_way_in(admin_user_password, private_key_file, private_key_passphrase))
        return ProvisioningConfiguration("cluster", settings, description, tags, machines)

    @staticmethod
    def supported_vmsizes(workspace: "Workspace", location: Optional[str] = None) -> Any:
        """[{name, vCPUs, gpus, memoryGB, maxResourceVolumeMB}] of what a node may be here."""
        return supported_vmsizes(workspace, location)

    @property
    def vm_size(self) -> str:
        return str((self._found.get("status") or {}).get("vmSize", ""))

    @property
    def vm_priority(self) -> str:
        return str((self._found.get("status") or {}).get("vmPriority", ""))

    @property
    def scale_settings(self) -> ScaleSettings:
        return ScaleSettings((self._found.get("status") or {}).get("scaleSettings") or {})

    def get_status(self) -> AmlComputeStatus:
        """How many nodes there are and in which states, now."""
        self.refresh_state()
        return AmlComputeStatus(self._found.get("status") or {})

    def list_nodes(self) -> List[Dict[str, Any]]:
        """[{nodeId, nodeState, privateIpAddress, publicIpAddress, port, runId}] of the nodes that there are now."""
        self.refresh_state()
        return [
            {
                "nodeId": one["id"],
                "nodeState": one.get("state", ""),
                "privateIpAddress": (one.get("facts") or {}).get("address"),
                "publicIpAddress": None,
                "port": None,
                "runId": (one.get("runs") or [None])[0],
            }
            for one in self._found.get("nodes", [])
        ]

    def list_hosts(self) -> List[Dict[str, Any]]:
        """[{id, address, port, username, state, reason, node…}] of the machines that it takes its nodes from."""
        return list(self.workspace.client.get(f"{self._path}/hosts")["hosts"])

    def wait_for_completion(
        self,
        show_output: bool = False,
        min_node_count: Optional[int] = None,
        timeout_in_minutes: float = 25,
        is_graph: bool = False,
    ) -> None:
        """Wait until the cluster is there and has `min_node_count` nodes (default: its own smallest number).

        Raises ComputeTargetException when its nodes fail; when the time is over it only says so, as in the SDK v1.
        """
        least = self._found["settings"]["min_nodes"] if min_node_count is None else int(min_node_count)
        most = self._found["settings"]["max_nodes"]
        if least > most:
            sys.stdout.write(f"{self.name} has {most} nodes at most, so it waits for these.\n")
            least = most

        def ready() -> bool:
            counts = (self._found.get("status") or {}).get("nodeStateCounts") or {}
            return int(counts.get("idleNodeCount", 0)) + int(counts.get("runningNodeCount", 0)) >= least

        def failed() -> str:
            return self._found.get("reason", "") if self._found.get("reason_code") == "failing" else ""

        done = self._wait(ready, minutes=timeout_in_minutes, show=show_output, failed=failed)
        if show_output:
            told = "Minimum number of nodes requested have been provisioned"
            late = f"Wait timeout has been reached. Current state of {self.name}: {self._found.get('reason', '')}"
            sys.stdout.write(f"AmlCompute wait for completion finished\n\n{told if done else late}\n")

    def update(
        self,
        min_nodes: Any = None,
        max_nodes: Any = None,
        idle_seconds_before_scaledown: Any = None,
        tags: Optional[Dict[str, str]] = None,
    ) -> None:
        """Change what is given; `tags` are all that it has then. Raises ComputeTargetException for a mistake."""
        given = {
            "min_nodes": min_nodes,
            "max_nodes": max_nodes,
            "idle_seconds_before_scaledown": idle_seconds_before_scaledown,
        }
        self._change(tags=tags, **{key: value for key, value in given.items() if value is not None})
