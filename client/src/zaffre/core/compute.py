"""Compute targets: where runs run. Made, changed and deleted with the names of the Azure ML SDK v1."""

from __future__ import annotations

import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, Type, TypeVar

from zaffre.core.compute_target import ComputeTargetException
from zaffre.errors import Conflict, Invalid, NotFound
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.compute_settings import ProvisioningConfiguration
    from zaffre.core.remote_compute import RemoteComputeAttachConfiguration
    from zaffre.core.run import Run
    from zaffre.core.workspace import Workspace

__all__ = ["AmlCompute", "ComputeInstance", "ComputeTarget", "ComputeTargetException"]

Target = TypeVar("Target", bound="ComputeTarget")
_POLL = 2.0


class ComputeTarget:
    """A compute target of a workspace, as it was when it was asked for.

    `ComputeTarget(ws, name)` is an object of the class of its kind: `AmlCompute`, `ComputeInstance`, or this one.
    """

    _kind = ""
    #: What `type` says of each kind, where the SDK of then had a word for it.
    _TYPES = {"cluster": "AmlCompute", "instance": "ComputeInstance", "attached": "VirtualMachine"}

    def __new__(cls: Type[Target], workspace: "Workspace", name: str) -> Target:
        """Raises ComputeTargetException when there is none of this name, or it is of another kind."""
        try:
            found = workspace.client.get(f"{workspace.path}/compute/{segment(name)}")
        except NotFound as error:
            workspace.get_details()  # a missing workspace is another error
            raise ComputeTargetException(
                f"ComputeTargetNotFound: There is no compute target {name!r} in {workspace.name}.", code=error.code
            ) from None
        if cls._kind not in ("", found["kind"]):
            kind = cls._TYPES.get(found["kind"], found["kind"])
            raise ComputeTargetException(f"{name} is a {kind} and no {cls.__name__}.", code="wrong_kind")
        return cls._of(workspace, found)

    def __init__(self, workspace: "Workspace", name: str) -> None:
        """Everything was taken when it was found."""

    @classmethod
    def _of(cls: Type[Target], workspace: "Workspace", found: Dict[str, Any]) -> Target:
        kind = next((one for one in cls.__subclasses__() if one._kind == found.get("kind")), cls)
        made = object.__new__(kind)
        made.workspace = workspace
        made._take(found)
        return made

    workspace: "Workspace"

    def _take(self, found: Dict[str, Any]) -> None:
        self.name: str = found["name"]
        self.type: str = self._TYPES.get(found.get("kind", ""), found.get("kind", ""))
        self.description: str = found.get("description", "")
        self.created_on: Optional[str] = found.get("created")
        self.modified_on: Optional[str] = found.get("updated")
        self.tags: Dict[str, str] = dict(found.get("tags") or {})
        self.is_attached: bool = found.get("kind") == "attached"
        #: Of a cloud: scripts of then print them.
        self.location = self.cluster_location = self.cluster_resource_id = ""
        self._found = found

    @property
    def _path(self) -> str:
        return f"{self.workspace.path}/compute/{segment(self.name)}"

    @staticmethod
    def attach(workspace: "Workspace", name: str, attach_configuration: "RemoteComputeAttachConfiguration") -> Any:
        """Attach a machine; returns at once, `wait_for_completion` waits. Raises ComputeTargetException."""
        return attach_configuration._attach(workspace, name)

    @property
    def id(self) -> str:
        return f"{self.workspace.client.url}{self._path}"

    @property
    def provisioning_state(self) -> str:
        """Succeeded, Creating or Failed, as it was when it was asked for."""
        return str((self._found.get("status") or {}).get("provisioningState", "Succeeded"))

    @property
    def provisioning_errors(self) -> Any:
        return (self._found.get("status") or {}).get("errors")

    @staticmethod
    def create(workspace: "Workspace", name: str, provisioning_configuration: "ProvisioningConfiguration") -> Any:
        """Make a target; returns at once, `wait_for_completion` waits. Raises ComputeTargetException when the studio
        refuses it, such as for a name that is taken."""
        body, machines = provisioning_configuration.body(), provisioning_configuration.machines
        path = f"{workspace.path}/compute"
        try:
            if machines:
                workspace.client.post(f"{path}/{segment(name)}/pool", {**body, **machines})
                found = workspace.client.get(f"{path}/{segment(name)}")
            else:
                found = workspace.client.post(path, {"name": name, **body})
        except (Conflict, Invalid) as refused:
            raise ComputeTargetException(refused.message, hint=refused.hint, code=refused.code) from None
        for text in found.get("warnings") or []:
            warnings.warn(text, UserWarning, stacklevel=2)
        return ComputeTarget._of(workspace, found)

    @staticmethod
    def list(workspace: "Workspace") -> "list[ComputeTarget]":
        """The compute targets of a workspace."""
        found = workspace.client.get(f"{workspace.path}/compute")["targets"]
        return [ComputeTarget._of(workspace, one) for one in found]

    def refresh_state(self) -> None:
        """Take what the studio knows now. Raises ComputeTargetException when the target was deleted."""
        try:
            self._take(self.workspace.client.get(self._path))
        except NotFound:
            raise ComputeTargetException(f"ComputeTargetNotFound: {self.name} was deleted.", code="not_found") from None

    def get_status(self) -> Any:
        """What the studio knows now: nodes, their slots and load."""
        self.refresh_state()
        return dict(self._found)

    @property
    def status(self) -> Any:
        """`get_status()`."""
        return self.get_status()

    def get_active_runs(
        self, type: Optional[str] = None, tags: Any = None, properties: Any = None, status: Optional[str] = None
    ) -> "Iterator[Run]":
        """The runs that wait or go on here, of all experiments, the newest first."""
        from zaffre.core.experiment import runs_of
        from zaffre.protocol import FINAL_STATES

        ended = ", ".join(f"'{one}'" for one in sorted(FINAL_STATES))
        name = self.name.replace("'", "''")
        asked = f"target = '{name}' and status not in ({ended})"
        return runs_of(self.workspace, type, tags, properties, status=status, filter=asked, include_children=True)

    def serialize(self) -> Dict[str, Any]:
        return dict(self._found)

    def delete(self) -> None:
        """Delete it with its nodes. Raises ComputeTargetException while runs or endpoints hold it."""
        try:
            self.workspace.client.delete(self._path)
        except Conflict as refused:
            raise ComputeTargetException(refused.message, hint=refused.hint, code=refused.code) from None

    def detach(self) -> None:
        """Of an attached machine: the same as deleting; the machine itself stays as it is."""
        self.delete()

    def wait_for_completion(self, show_output: bool = False) -> None:
        """A target without nodes of ours is there at once."""
        if show_output:
            sys.stdout.write("Provisioning operation finished, operation Succeeded\n")

    def _wait(
        self, done: Callable[[], bool], *, minutes: float, show: bool, failed: Callable[[], str] = lambda: ""
    ) -> bool:
        """Ask until it is done, showing the state when it changes; False when the time is over first."""
        deadline, said = time.monotonic() + minutes * 60, ""
        while True:
            self.refresh_state()
            word = str(self._found.get("state", ""))
            if show and word != said:
                sys.stdout.write(f"{word}\n")
                sys.stdout.flush()
                said = word
            if done():
                return True
            why = failed()
            if why:
                raise ComputeTargetException(why, code="provisioning_failed")
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))

    def _change(self, *, tags: Optional[Dict[str, str]] = None, **settings: Any) -> None:
        body = {"settings": settings, **({"tags": dict(tags)} if tags is not None else {})}
        try:
            self._take(self.workspace.client.patch(self._path, body))
        except (Conflict, Invalid) as refused:
            raise ComputeTargetException(refused.message, hint=refused.hint, code=refused.code) from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(workspace={self.workspace.name!r}, name={self.name!r}, type={self.type!r})"


# The kinds are in files of their own; importing them here makes `ComputeTarget(ws, name)` know them.
import zaffre.core.remote_compute  # noqa: E402, F401 - which may be what is being imported: its name is asked for below
from zaffre.core.aml_compute import AmlCompute  # noqa: E402
from zaffre.core.compute_instance import ComputeInstance  # noqa: E402

#: Machines of a cloud that scripts import beside the others, and what there is instead.
_CLOUD = {
    "AksCompute": "An endpoint runs on the nodes of a compute target: zaffre endpoint deploy --target NAME.",
    "KubernetesCompute": "Make a cluster with it: zaffre compute create cluster NAME --provider kubernetes.",
    **dict.fromkeys(
        (
            *("AdlaCompute", "BatchCompute", "DatabricksCompute", "DsvmCompute"),
            *("DataFactoryCompute", "HDInsightCompute", "SynapseCompute"),
        ),
        "Make a cluster (AmlCompute), or attach a machine (RemoteCompute).",
    ),
}


def __getattr__(name: str) -> Any:
    """RemoteCompute and what is not here, under the place where scripts import them from."""
    if name in _CLOUD:
        from zaffre.absent import absent_class

        return absent_class(name, f"There is no {name} here.", _CLOUD[name])
    if name != "RemoteCompute":
        raise AttributeError(f"module 'zaffre.core.compute' has no attribute {name!r}")
    from zaffre.core.remote_compute import RemoteCompute

    return RemoteCompute
