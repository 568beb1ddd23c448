"""What a compute target is to be: what `provisioning_configuration` makes and `ComputeTarget.create` takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional


@dataclass
class ProvisioningConfiguration:
    """A kind with its settings, as the studio takes them. Numbers may be spelt: the studio reads them."""

    kind: str
    settings: Dict[str, Any] = field(default_factory=dict)
    description: Optional[str] = None
    tags: Optional[Dict[str, str]] = None
    #: Of a pool of machines over SSH: hosts, username, and a password or private_key. Never shown.
    machines: Dict[str, Any] = field(default_factory=dict, repr=False)

    def body(self) -> Dict[str, Any]:
        told = {key: value for key, value in self.settings.items() if value is not None}
        return {
            "kind": self.kind,
            "settings": told,
            "description": self.description or "",
            "tags": dict(self.tags or {}),
        }


def supported_vmsizes(workspace: Any, location: Optional[str] = None) -> Any:
    """The sizes that a node may have here: [{name, vCPUs, gpus, memoryGB, maxResourceVolumeMB}]."""
    return workspace.client.get(f"{workspace.path}/compute-sizes")["sizes"]
