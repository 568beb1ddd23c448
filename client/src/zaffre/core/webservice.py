"""Real-time endpoints under the name that scripts use for them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from zaffre.errors import ActivityFailedException, NotFound, UserErrorException, ZaffreError
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.model import InferenceConfig
    from zaffre.core.workspace import Workspace

_ENDED = ("healthy", "failed", "retired")
_PAUSE = 1.0
_PATIENCE = 600.0


class WebserviceException(ZaffreError):
    """An endpoint that is missing, exists already, or cannot answer."""


class Webservice:
    """An endpoint of a workspace."""

    def __init__(self, workspace: "Workspace", name: str) -> None:
        """Raises WebserviceException when there is none of this name."""
        self.workspace = workspace
        self.name = name
        self._key = ""
        try:
            self.refresh()
        except NotFound as error:
            workspace.get_details()  # a missing workspace is another error
            raise WebserviceException(f"There is no endpoint {name!r} in {workspace.name}.", code=error.code) from None

    @staticmethod
    def list(workspace: "Workspace") -> "List[Webservice]":
        """The endpoints of a workspace."""
        found = workspace.client.get(f"{workspace.path}/endpoints")["endpoints"]
        return [Webservice(workspace, one["name"]) for one in found]

    @classmethod
    def _deploy(
        cls,
        workspace: "Workspace",
        name: str,
        model: str,
        config: "InferenceConfig",
        target: Any,
        overwrite: bool,
    ) -> "Webservice":
        from zaffre.snapshot import make_snapshot

        address = f"{workspace.path}/endpoints"
        environment = config.environment
        if not isinstance(environment, str):
            registered = environment if environment.version is not None else environment.register(workspace)
            environment = f"{registered.name}:{registered.version}"
        try:
            workspace.client.get(f"{address}/{segment(name)}")
        except NotFound:
            workspace.get_details()
            known = False
        else:
            known = True
        if known and not overwrite:
            raise WebserviceException(
                f"The endpoint {name} exists already.", hint="Pass overwrite=True to add a deployment.", code="conflict"
            )
        folder = Path(config.source_directory)
        snapshot = make_snapshot(workspace.client, workspace.name, folder, script=config.entry_script)
        if not known:
            workspace.client.post(address, {"name": name})
        body: Dict[str, Any] = {
            "model": model,
            "snapshot": snapshot["id"],
            "entry_script": config.entry_script,
            "environment": environment,
            "target": getattr(target, "name", target) or "local",
        }
        workspace.client.post(f"{address}/{segment(name)}/deployments", body)
        return cls(workspace, name)

    # --- what it is ------------------------------------------------------------------------------
    def refresh(self) -> Dict[str, Any]:
        """Ask the studio again; returns its JSON."""
        self._found: Dict[str, Any] = dict(self.workspace.client.get(self._address()))
        return self._found

    @property
    def state(self) -> str:
        """Transitioning, Healthy, Unhealthy, Failed or Retired, of the newest deployment."""
        newest = newest_deployment(self.refresh())
        return str((newest or self._found).get("state") or "").capitalize()

    @property
    def scoring_uri(self) -> str:
        return str(self._found["score_url"])

    def get_keys(self) -> Tuple[str, str]:
        """The two keys; asking leaves a line in the workspace's activity."""
        found = self.workspace.client.get(f"{self._address()}/keys")
        return str(found["primary"]), str(found["secondary"])

    def regen_key(self, key: str) -> Tuple[str, str]:
        """Make a new 'Primary' or 'Secondary' key; returns both."""
        which = key.lower()
        if which not in ("primary", "secondary"):
            raise UserErrorException(f"The keys are Primary and Secondary, not {key!r}.")
        # Not repeated: the answer of a first try that was cut off is asked for with get_keys.
        answer = self.workspace.client.call("POST", f"{self._address()}/keys", {"which": which}, repeat=False)
        found = answer.json()
        self._key = ""
        return str(found["primary"]), str(found["secondary"])

    def run(self, input_data: Any) -> Any:
        """Score: `input_data` is JSON as text or bytes, or a value that becomes JSON; returns the decoded answer.

        Raises Refused and Unreachable, with what the scoring script said.
        """
        if not self._key:
            self._key = self.get_keys()[0]
        return score(self.workspace, self.scoring_uri, self._key, input_data)

    def get_logs(self) -> str:
        """The end of the log of the newest deployment's replicas."""
        newest = newest_deployment(self.refresh()) or {}
        return "\n".join(str(one.get("log_tail") or "") for one in newest.get("replicas") or [])

    def wait_for_deployment(self, show_output: bool = False) -> None:
        """Wait until the newest deployment answers. Raises ActivityFailedException with the log when it fails."""

        def note(text: str) -> None:
            if show_output:
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()

        self._found = wait_for_deployment(self.workspace, self.name, note=note)

    def delete(self) -> None:
        self.workspace.client.delete(self._address())

    def _address(self) -> str:
        return f"{self.workspace.path}/endpoints/{segment(self.name)}"

    def __repr__(self) -> str:
        return f"Webservice({self.name!r}, workspace={self.workspace.name!r})"


def newest_deployment(endpoint: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """The deployment with the highest number."""
    found: List[Dict[str, Any]] = endpoint.get("deployments") or []
    return max(found, key=lambda one: int(one["number"])) if found else None


def wait_for_deployment(
    workspace: "Workspace", name: str, *, note: Any, number: Optional[int] = None, patience: float = _PATIENCE
) -> Dict[str, Any]:
    """Wait for a deployment (the newest one without a number) to be healthy; returns the endpoint's JSON.

    Raises ActivityFailedException with its reason and log when it fails or takes longer than `patience`.
    """
    address = f"{workspace.path}/endpoints/{segment(name)}"
    said, begun = "", time.monotonic()
    while True:
        endpoint = dict(workspace.client.call("GET", address, patience=patience).json())
        found = next((one for one in endpoint.get("deployments") or [] if one["number"] == number), None)
        found = found or newest_deployment(endpoint)
        if found is None:
            raise ActivityFailedException(f"The endpoint {name} has no deployment.")
        if found["state"] == "healthy":
            return endpoint
        text = _progress(found)
        if found["state"] in _ENDED:
            raise ActivityFailedException(_failure(name, found), code="deployment_failed")
        if time.monotonic() - begun > patience:
            raise ActivityFailedException(
                f"The deployment {found['number']} of {name} is not ready after {patience:.0f} s ({text}).",
                hint="It goes on; look at its page.",
                code="deployment_slow",
            )
        if text != said:
            note(text)
            said = text
        time.sleep(_PAUSE)


def score(workspace: "Workspace", url: str, key: str, data: Any) -> Any:
    """POST `data` to a scoring address with an endpoint's key; returns the decoded answer."""
    from zaffre.transport import Client

    body = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else json.dumps(data).encode()
    base, _, path = url.partition("/score/")
    client = Client(base or workspace.url, key)
    headers = {"Content-Type": "application/json"}
    # A scoring script may do something: only a call that was surely not taken is repeated.
    answer = client.call("POST", f"/score/{path}", make_body=lambda: body, headers=headers, repeat=False)
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body.decode("utf-8", "replace")


def _progress(found: Dict[str, Any]) -> str:
    replicas = found.get("replicas") or []
    states = ", ".join(f"replica {one['state']}" for one in replicas) or "waiting for a replica"
    reason = next((str(one["reason"]) for one in replicas if one.get("reason")), str(found.get("reason") or ""))
    return f"{found['state']}: {states}" + (f" ({reason})" if reason else "")


def _failure(name: str, found: Dict[str, Any]) -> str:
    reason = str(found.get("reason") or f"it is {found['state']}")
    tail = next((str(one["log_tail"]) for one in found.get("replicas") or [] if one.get("log_tail")), "")
    listed = "".join(f"\n  {line}" for line in tail.strip().splitlines()[-20:])
    return f"The deployment {found['number']} of {name} failed: {reason}{listed}"
