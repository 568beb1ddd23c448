"""ComputeInstance: a machine of one person, started and stopped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Dict, Optional

from zaffre.core.compute import ComputeTarget
from zaffre.core.compute_settings import ProvisioningConfiguration, supported_vmsizes
from zaffre.core.compute_target import ComputeTargetException
from zaffre.errors import Conflict

if TYPE_CHECKING:
    from zaffre.core.workspace import Workspace

_MINUTES = 15.0


class ComputeInstanceStatus:
    """The state of an instance at one moment."""

    def __init__(self, found: Dict[str, Any]) -> None:
        self._found = {
            "state": found.get("state", ""),
            "errors": [found["reason"]] if found.get("reason_code") == "failed" else [],
            "creationTime": found.get("created"),
            "modifiedTime": found.get("updated"),
            "vmSize": (found.get("settings") or {}).get("vm_size", ""),
        }
        self.state: str = self._found["state"]
        self.errors = self._found["errors"]
        self.vm_size: str = self._found["vmSize"]

    def serialize(self) -> Dict[str, Any]:
        return dict(self._found)

    def __repr__(self) -> str:
        return f"ComputeInstanceStatus({self._found!r})"


class ComputeInstance(ComputeTarget):
    """The machine of one person. `ComputeInstance(ws, name)` raises ComputeTargetException when there is none."""

    _kind = "instance"

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        ssh_public_access: bool = False,
        admin_user_ssh_public_key: Optional[str] = None,
        vnet_resourcegroup_name: Optional[str] = None,
        vnet_name: Optional[str] = None,
        subnet_name: Optional[str] = None,
        tags: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
        assigned_user_object_id: Optional[str] = None,
        assigned_user_tenant_id: Optional[str] = None,
        idle_minutes: Optional[int] = None,
    ) -> ProvisioningConfiguration:
        """What an instance is to be. It stops after `idle_minutes` without work (60 when nothing is said, 0: never)."""
        settings = {"vm_size": vm_size or None, "idle_minutes": idle_minutes}
        return ProvisioningConfiguration("instance", settings, description, tags)

    @staticmethod
    def supported_vmsizes(workspace: "Workspace", location: Optional[str] = None) -> Any:
        """[{name, vCPUs, gpus, memoryGB, maxResourceVolumeMB}] of what an instance may be here."""
        return supported_vmsizes(workspace, location)

    @property
    def vm_size(self) -> str:
        return str(self._found["settings"].get("vm_size", ""))

    def get_status(self) -> ComputeInstanceStatus:
        """Creating, Starting, Running, JobRunning, Stopping, Stopped, Restarting or CreateFailed, now."""
        self.refresh_state()
        return ComputeInstanceStatus(self._found)

    def start(self, wait_for_completion: bool = False, show_output: bool = False) -> None:
        """Start it; returns at once unless it is to wait. Raises ComputeTargetException when it cannot be started."""
        self._ask("start", ("Running", "JobRunning"), wait_for_completion, show_output)

    def stop(self, wait_for_completion: bool = False, show_output: bool = False) -> None:
        """Stop it: what runs there is ended, its disk stays."""
        self._ask("stop", ("Stopped",), wait_for_completion, show_output)

    def restart(self, wait_for_completion: bool = False, show_output: bool = False) -> None:
        self._ask("restart", ("Running", "JobRunning"), wait_for_completion, show_output)

    def delete(self, wait_for_completion: bool = False, show_output: bool = False) -> None:
        """Delete it, which is done when this returns. Raises ComputeTargetException while it is in use."""
        super().delete()
        if show_output:
            sys.stdout.write(f"{self.name}: Deleted\n")

    def wait_for_completion(self, show_output: bool = False) -> None:
        """Wait until it runs or is stopped. Raises ComputeTargetException when it could not be started."""
        self._until(("Running", "JobRunning", "Stopped"), show_output)

    def _ask(self, what: str, states: Any, wait: bool, show: bool) -> None:
        try:
            self._take(self.workspace.client.post(f"{self._path}/{what}", {}))
        except Conflict as refused:
            raise ComputeTargetException(refused.message, hint=refused.hint, code=refused.code) from None
        if wait:
            self._until(states, show)

    def _until(self, states: Any, show: bool) -> None:
        def failed() -> str:
            return self._found.get("reason", "") if self._found.get("state") == "CreateFailed" else ""

        if not self._wait(lambda: self._found.get("state") in states, minutes=_MINUTES, show=show, failed=failed):
            raise ComputeTargetException(
                f"{self.name} is still {self._found.get('state')} after {_MINUTES:.0f} minutes.", code="timeout"
            )
        if show:
            sys.stdout.write(f"{self.name}: {self._found.get('state')}\n")
