"""The key vault of a workspace: passwords and tokens by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional

from zaffre import protocol
from zaffre.errors import NotFound
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.workspace import Workspace
    from zaffre.transport import Client


class Keyvault:
    """The secrets of a workspace. Outside of a run only its owners read values; code of a run reads them by name."""

    def __init__(self, workspace: "Workspace") -> None:
        self.workspace = workspace
        self._address = f"{workspace.path}/secrets"

    def set_secret(self, name: str, value: str) -> None:
        """Keep a value under this name; an earlier one becomes an older version. Raises Refused."""
        self.workspace.client.post(self._address, {"name": name, "value": str(value)})

    def set_secrets(self, secrets_batch: Mapping[str, str]) -> None:
        """`set_secret` for each name."""
        for name, value in secrets_batch.items():
            self.set_secret(name, value)

    def get_secret(self, name: str) -> Optional[str]:
        """The value, None when there is no secret of this name. Looking leaves a line in the workspace's activity."""
        return self.get_secrets([name])[name]

    def get_secrets(self, secrets: List[str]) -> Dict[str, Optional[str]]:
        """{name: value}, None for what is not there. Raises Refused for who may not read values."""
        if is_inside(self.workspace.client):
            return secrets_of_run(self.workspace.client, secrets)
        found: Dict[str, Optional[str]] = {}
        for name in secrets:
            try:
                found[name] = self.workspace.client.get(f"{self._address}/{segment(name)}/value")["value"]
            except NotFound:
                found[name] = None
        if found and not any(found.values()):
            self.workspace.get_details()  # a missing workspace is another error
        return found

    def list_secrets(self) -> List[str]:
        """The names."""
        return [one["name"] for one in self.workspace.client.get(self._address)["secrets"]]

    def delete_secret(self, name: str) -> None:
        """Give it to nobody any more; it can be restored for seven days. Raises NotFound."""
        self.workspace.client.delete(f"{self._address}/{segment(name)}")

    def delete_secrets(self, secrets: List[str]) -> None:
        """`delete_secret` for each name."""
        for name in secrets:
            self.delete_secret(name)

    def __repr__(self) -> str:
        return f"Keyvault({self.workspace.name!r})"


class SecretsOfRun:
    """What code of a run may ask for, with the rights of whoever submitted it."""

    workspace: "Workspace"

    def get_secret(self, name: str) -> Optional[str]:
        """The value of a secret of the workspace, None when there is none of this name.

        Raises Refused when whoever submitted the run may not use secrets, or the run has ended.
        """
        return self.get_secrets([name])[name]

    def get_secrets(self, secrets: List[str]) -> Dict[str, Optional[str]]:
        """{name: value}, None for what is not there. Raises as `get_secret`."""
        return Keyvault(self.workspace).get_secrets(secrets)


def is_inside(client: "Client") -> bool:
    """Whether this client speaks with the token of the run that this process belongs to."""
    token = os.environ.get(protocol.ENV_RUN_TOKEN)
    return bool(token) and client._token == token


def secrets_of_run(client: "Client", names: List[str]) -> Dict[str, Optional[str]]:
    """{name: value} for the run of this process."""
    run = segment(os.environ.get(protocol.ENV_RUN_ID, ""))
    return dict(client.post(f"{protocol.AGENT}/runs/{run}/secrets", {"names": list(names)})["secrets"])
