"""The studio as the keeper of locks: what a version was resolved to is the same on every node."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Mapping

from zaffre.agent.door import Door, DoorError, Stopped
from zaffre.agent.environments.installer import EnvironmentFailed
from zaffre.agent.environments.shapes import Lock
from zaffre.protocol import AGENT

log = logging.getLogger("zaffre.agent")

_PATIENCE = 600.0


class Desk:
    """Speaks with the node's own token."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def fetch(self, version: object, ref: Mapping[str, str], *, until: Callable[[], bool]) -> Lock:
        """The lock that `ref` names. Raises EnvironmentFailed when it is not what its hash says, Stopped."""
        path = f"{AGENT}/environments/{version}/locks/{ref['sha256']}"
        found = self._ask("GET", path, None, until=until)
        lock = Lock(str(ref["python"]), str(ref["platform"]), str(found["requirements"]))
        if lock.sha256 != ref["sha256"]:
            raise EnvironmentFailed("The lock of this environment came damaged. Submit the run again.")
        return lock

    def offer(self, version: object, lock: Lock, *, until: Callable[[], bool]) -> Lock:
        """Report what a version was resolved to. The first report counts: the lock that does is returned."""
        body = {"python": lock.python, "platform": lock.platform, "requirements": lock.text}
        found = self._ask("POST", f"{AGENT}/environments/{version}/locks", body, until=until)
        return Lock(str(found["python"]), str(found["platform"]), str(found["requirements"]))

    def report(self, version: object, told: Mapping[str, Any]) -> None:
        """Say how a build went, for the page of the environment. Nothing depends on it."""
        try:
            self.door.call("POST", f"{AGENT}/environments/{version}/builds", dict(told))
        except DoorError as error:
            log.warning("the build of environment %s could not be reported: %s", version, error)

    def _ask(self, method: str, path: str, body: Any, *, until: Callable[[], bool]) -> Dict[str, Any]:
        try:
            answer = self.door.insist(method, path, body, until=until, patience=_PATIENCE).json()
        except Stopped:
            raise
        except DoorError as error:
            raise EnvironmentFailed(f"The studio did not take or give the lock of this environment: {error}") from None
        return dict(answer)
