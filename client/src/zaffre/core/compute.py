"""Compute targets: where runs run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List

from zaffre.core.compute_target import ComputeTargetException
from zaffre.errors import NotFound
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.workspace import Workspace

__all__ = ["ComputeTarget", "ComputeTargetException"]


class ComputeTarget:
    """A compute target of a workspace, as it was when it was asked for."""

    def __init__(self, workspace: "Workspace", name: str) -> None:
        """Raises ComputeTargetException when there is none of this name."""
        self.workspace = workspace
        try:
            self._take(workspace.client.get(f"{workspace.path}/compute/{segment(name)}"))
        except NotFound as error:
            workspace.get_details()  # a missing workspace is another error
            raise ComputeTargetException(
                f"There is no compute target {name!r} in {workspace.name}.", code=error.code
            ) from None

    def _take(self, found: Dict[str, Any]) -> None:
        self.name: str = found["name"]
        self.type: str = found.get("kind", "")
        self._found = found

    @staticmethod
    def list(workspace: "Workspace") -> "List[ComputeTarget]":
        """The compute targets of a workspace."""
        made = []
        for found in workspace.client.get(f"{workspace.path}/compute")["targets"]:
            one = ComputeTarget.__new__(ComputeTarget)
            one.workspace = workspace
            one._take(found)
            made.append(one)
        return made

    def get_status(self) -> Dict[str, Any]:
        """What the studio knows now: nodes, their slots and load."""
        self._take(self.workspace.client.get(f"{self.workspace.path}/compute/{segment(self.name)}"))
        return dict(self._found)

    def __repr__(self) -> str:
        return f"ComputeTarget({self.name!r}, type={self.type!r})"
