"""RemoteCompute: a machine that the studio reaches over SSH and keeps an agent on."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

from zaffre.core.compute import ComputeTarget
from zaffre.core.compute_target import ComputeTargetException
from zaffre.errors import Conflict, Invalid, NotFound, UserErrorException
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.workspace import Workspace

__all__ = ["RemoteCompute", "RemoteComputeAttachConfiguration"]

_POLL = 1.0
_STOPS = ("running", "failed", "confirm")


class RemoteComputeAttachConfiguration:
    """What `RemoteCompute.attach_configuration` gives to `ComputeTarget.attach`."""

    def __init__(self, body: Dict[str, Any], *, host_key: Optional[str]) -> None:
        self._body, self._host_key = body, host_key

    def __repr__(self) -> str:
        body = self._body  # never a password or a key
        return f"RemoteComputeAttachConfiguration({body['username']}@{body['address']}:{body['port']})"

    def _attach(self, workspace: "Workspace", name: str) -> "RemoteCompute":
        try:
            workspace.client.post(_address(workspace, name), self._body)
        except (Conflict, Invalid) as refused:
            raise ComputeTargetException(refused.message, hint=refused.hint, code=refused.code) from None
        made = RemoteCompute(workspace, name)
        made._host_key = self._host_key
        return made


class RemoteCompute(ComputeTarget):
    """An attached machine."""

    _kind = "attached"
    #: The fingerprint that the machine has to show, if its user knows it.
    _host_key: Optional[str] = None

    @staticmethod
    def attach_configuration(
        username: Optional[str] = None,
        address: Optional[str] = None,
        resource_id: Optional[str] = None,
        ssh_port: int = 22,
        password: Optional[str] = "",
        private_key_file: Optional[str] = "",
        private_key_passphrase: Optional[str] = "",
        *,
        host_key: Optional[str] = None,
        slots: int = 1,
        studio_url: Optional[str] = None,
        forward: bool = False,
    ) -> RemoteComputeAttachConfiguration:
        """How to reach a machine: its address, an account, and a password or the file of a private key.

        `host_key` is the fingerprint (SHA256:…) that its key must have; without one the first key is taken, and no
        other from then on. With `forward` the machine reaches the studio through the SSH connection.
        Raises UserErrorException for what is missing, and for a file that cannot be read.
        """
        if resource_id:
            raise UserErrorException("A machine is named by its address here: there are no resource ids.")
        if not address or not username:
            raise UserErrorException("Give the address of the machine and the username to log in with.")
        if bool(password) == bool(private_key_file):
            raise UserErrorException("Give either a password or a private_key_file.")
        body: Dict[str, Any] = {"address": address, "port": int(ssh_port), "username": username, "slots": int(slots)}
        body.update({"studio_url": studio_url or "", "forward": bool(forward), "trust_first": host_key is None})
        if password:
            body["password"] = password
        else:
            body["private_key"] = read_key(str(private_key_file))
            body["private_key_passphrase"] = private_key_passphrase or ""
        return RemoteComputeAttachConfiguration(body, host_key=host_key)

    @staticmethod
    def attach(  # type: ignore[override]
        workspace: "Workspace", name: str, username: str, address: str, **more: Any
    ) -> "RemoteCompute":
        """`attach_configuration` and `ComputeTarget.attach` in one call."""
        return RemoteCompute.attach_configuration(username=username, address=address, **more)._attach(workspace, name)

    def get_attachment(self) -> Dict[str, Any]:
        """What the studio knows of the machine: state, reason, steps, host_key, log…"""
        return dict(self.workspace.client.get(_address(self.workspace, self.name)))

    def wait_for_completion(self, show_output: bool = False) -> None:
        """Wait until runs can run there. Raises ComputeTargetException that says what is wrong and what to do."""
        said = ""
        while True:
            found = self.get_attachment()
            busy = next((one["name"] for one in found["steps"] if one["state"] == "busy"), found["state"])
            if show_output and busy != said:
                sys.stdout.write(f"{busy}\n")
                sys.stdout.flush()
                said = busy
            if found["state"] == "confirm" and self._host_key:
                self.confirm(self._host_key)
            elif found["state"] == "running":
                return
            elif found["state"] in _STOPS:
                reason = found["reason"] or {}
                code = str(reason.get("code") or "failed")
                raise ComputeTargetException(f"{reason.get('cause')}.", hint=reason.get("advice"), code=code)
            time.sleep(_POLL)

    def confirm(self, fingerprint: str) -> None:
        """Trust the key of this fingerprint, which the machine shows. Raises ComputeTargetException for another one."""
        try:
            self.workspace.client.post(f"{_address(self.workspace, self.name)}/confirm", {"fingerprint": fingerprint})
        except Conflict as refused:
            raise ComputeTargetException(refused.message, hint=refused.hint, code=refused.code) from None

    def detach(self) -> None:
        """Stop the agent and remove its folder from the machine, then the target.

        Raises ComputeTargetException while something runs there, and when the machine is away: then it says what is
        left there.
        """
        address = _address(self.workspace, self.name)
        try:
            self.workspace.client.delete(address)
            while True:
                found = self.workspace.client.get(address)
                if found["state"] == "leftover":
                    raise ComputeTargetException(
                        f"{self.name} serves nothing any more, but {found['folder'] or 'its folder'} is still on "
                        f"{found['address']}. The studio goes on trying to remove it.",
                        code="leftover",
                    )
                time.sleep(_POLL)
        except NotFound:
            return
        except Conflict as refused:
            raise ComputeTargetException(refused.message, hint=refused.hint, code=refused.code) from None

    def delete(self) -> None:
        """The same as `detach`."""
        self.detach()


def read_key(path: str) -> str:
    """The text of a private key. Raises UserErrorException."""
    try:
        return Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserErrorException(f"The private key {path} cannot be read: {error}.") from None


def _address(workspace: "Workspace", name: str) -> str:
    return f"{workspace.path}/compute/{segment(name)}/attachment"
