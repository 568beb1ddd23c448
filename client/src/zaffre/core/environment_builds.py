"""Builds of environments: on a node of the studio, or on this machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping

from zaffre.errors import ActivityFailedException, NotFound, UserErrorException
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.environment import Environment
    from zaffre.core.workspace import Workspace

_ENDED = ("succeeded", "failed", "canceled")
_LOOK_SECONDS = 1.0


class EnvironmentBuild:
    """One build, as it was known at the last look."""

    def __init__(self, workspace: "Workspace", environment: str, known: Dict[str, Any]) -> None:
        self.workspace, self.environment, self.known = workspace, environment, known
        self._address = f"{workspace.path}/environments/{segment(environment)}/builds/{segment(known['id'])}"

    @property
    def id(self) -> str:
        return str(self.known["id"])

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed or canceled, at the last look."""
        return str(self.known["status"])

    @property
    def log(self) -> str:
        """What the installer has said so far."""
        return str(self.refresh().get("log") or "")

    def refresh(self) -> Dict[str, Any]:
        """Look again."""
        self.known = dict(self.workspace.client.get(self._address))
        return self.known

    def wait_for_completion(self, show_output: bool = True) -> "EnvironmentBuild":
        """Wait for its end, with its log on standard output. Raises ActivityFailedException when it failed."""
        shown = 0
        while True:
            found = self.refresh()
            log = str(found.get("log") or "")
            if show_output and len(log) > shown:
                sys.stdout.write(log[shown:])
                sys.stdout.flush()
                shown = len(log)
            if self.status in _ENDED:
                break
            time.sleep(_LOOK_SECONDS)
        if self.status == "failed":
            raise ActivityFailedException(str(found.get("reason") or "The build failed."))
        return self

    def cancel(self) -> None:
        """End it. Raises Conflict when it has ended."""
        self.known = dict(self.workspace.client.post(f"{self._address}/cancel", {}))

    def __repr__(self) -> str:
        return f"EnvironmentBuild({self.environment!r}, id={self.id!r}, status={self.status!r})"


def start(
    environment: "Environment", workspace: "Workspace", *, target: str = "", again: bool = False
) -> EnvironmentBuild:
    """See Environment.build."""
    if environment.version is None:
        environment.register(workspace)
    body = {"version": int(str(environment.version)), "target": target, "again": again}
    path = f"{workspace.path}/environments/{segment(environment.name)}/builds"
    return EnvironmentBuild(workspace, environment.name, workspace.client.post(path, body))


def details(environment: "Environment", workspace: "Workspace") -> Dict[str, Any]:
    """See Environment.get_image_details."""
    if environment.version is None:
        raise UserErrorException(f"{environment.name} is not registered.", hint="Register it, or `get` it.")
    address = f"{workspace.path}/environments/{segment(environment.name)}"
    builds = workspace.client.get(f"{address}/builds")["builds"]
    mine = [one for one in builds if str(one["version"]) == str(environment.version)]
    return {
        "name": environment.name,
        "version": environment.version,
        "lock": _lock(environment, workspace),
        "builds": mine,
    }


def _address(environment: "Environment", workspace: "Workspace") -> str:
    return f"{workspace.path}/environments/{segment(environment.name)}/versions/{segment(environment.version or '')}"


def _lock(environment: "Environment", workspace: "Workspace") -> Any:
    try:
        return workspace.client.get(f"{_address(environment, workspace)}/lock")
    except NotFound:
        return None


def make_here(environment: "Environment", workspace: "Workspace") -> str:
    """See Environment.build_local."""
    from zaffre.agent.environments import EnvironmentFailed, Environments

    lock: Any = None
    wanted: Dict[str, Any] = {"spec": environment.spec}
    if environment.version is not None:
        # The studio's own words: it knows what conda's packages are called for pip.
        wanted = {"spec": workspace.client.get(_address(environment, workspace))["spec"]}
        lock = _lock(environment, workspace)
    elif wanted["spec"]["kind"] == "conda":
        hint = "Register it first: the studio knows what conda's packages are called for pip."
        raise UserErrorException(f"{environment.name} has packages of conda and is not registered.", hint=hint)
    desk: Any = None
    if lock is not None:
        desk = _Kept(lock)
        wanted.update(id=0, lock=[{key: lock[key] for key in ("python", "platform", "sha256")}])
    place = Environments(Path.home() / ".zaffre" / "cache", desk=desk)
    try:
        found = place.provide(wanted, until=lambda: False, say=sys.stdout.write, report=False)
    except EnvironmentFailed as error:
        raise UserErrorException(str(error)) from None
    return found.python


class _Kept:
    """The lock that was read already, for the node's machinery."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.found = found

    def fetch(self, version: object, ref: Mapping[str, str], *, until: Any) -> Any:
        from zaffre.agent.environments.shapes import Lock

        return Lock(str(self.found["python"]), str(self.found["platform"]), str(self.found["requirements"]))

    def offer(self, version: object, lock: Any, *, until: Any) -> Any:
        return lock
