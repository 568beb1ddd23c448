"""Builds environments that people ask for before a run needs them, one at a time, beside the runs."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from zaffre.agent.door import Door, Refused, Stopped, Unreachable
from zaffre.agent.environments import EnvironmentFailed, Environments
from zaffre.protocol import AGENT

if TYPE_CHECKING:
    from zaffre.agent.config import Identity

log = logging.getLogger("zaffre.agent")

#: While it builds, its log is told that often.
_OFTEN = 1.0
_MOST_LOG = 200_000


class Build:
    """One build and the thread that does it. `report()` is what the studio hears of it."""

    def __init__(self, environments: Environments, spec: Dict[str, Any]) -> None:
        self.id = str(spec["id"])
        self.environments, self.spec = environments, spec
        self.told: Dict[str, Any] = {"status": "running"}
        self._log: List[str] = []
        self._told_log = -1
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=f"build {self.id}", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        return bool(self.told["status"] != "running")

    def stop(self) -> None:
        self._stop.set()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def report(self) -> Dict[str, Any]:
        """With the log when there is more of it than the studio was told, and at the end."""
        with self._lock:
            told, count = {"id": self.id, **self.told}, len(self._log)
            if count != self._told_log or self.over:
                told["log"] = "".join(self._log)[-_MOST_LOG:]
                self._told_log = count
            return told

    def _say(self, text: str) -> None:
        with self._lock:
            self._log.append(text)

    def _work(self) -> None:
        wanted = self.spec.get("environment") or {}
        try:
            found = self.environments.provide(
                wanted, until=self._stop.is_set, say=self._say, report=False, again=bool(self.spec.get("again"))
            )
            for text in found.warnings:
                self._say(f"Warning: {text}\n")
            self._say(f"Ready: {found.note}.\n")
            told: Dict[str, Any] = {"status": "succeeded", **found.facts}
        except Stopped:
            told = {"status": "canceled", "reason": "It was canceled."}
        except EnvironmentFailed as error:
            told = {"status": "failed", "reason": str(error), "package": error.package, "line": error.line}
        except Exception as error:  # a build must not take the node with it
            log.exception("build %s", self.id)
            told = {"status": "failed", "reason": f"The node could not go on: {error}"}
        with self._lock:
            self.told = told


class Builder:
    """The loop of one life of the agent."""

    def __init__(self, door: Door, environments: Environments, *, identity: Identity, epoch: str) -> None:
        self.door, self.environments, self.epoch = door, environments, epoch
        self.pause = identity.heartbeat
        self._build: Optional[Build] = None
        self._poked = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="builds", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End what is built; the studio hears from the next life of the agent that it is gone."""
        self._end.set()
        self._poked.set()
        if self._build is not None:
            self._build.stop()
            self._build.join(5.0)
        if self._thread.is_alive():
            self._thread.join(5.0)

    def poke(self) -> None:
        """Something may be to be built: look now."""
        self._poked.set()

    def _run(self) -> None:
        while not self._end.is_set():
            self._poked.clear()
            try:
                self._round()
            except Unreachable as error:
                log.debug("builds: %s", error)
            except Refused as error:
                # A studio of an earlier version has no builds.
                level = logging.DEBUG if error.status == 404 else logging.WARNING
                log.log(level, "the studio refuses the report about builds: %s", error)
            except Exception:
                log.exception("builds")
            self._poked.wait(_OFTEN if self._build is not None else self.pause)

    def _round(self) -> None:
        build = self._build
        reports = [build.report()] if build is not None else []
        over = build is not None and reports[0]["status"] != "running"
        body = {"epoch": self.epoch, "free": build is None or over, "builds": reports}
        answer = self.door.call("POST", f"{AGENT}/builds/sync", body).json()
        if over:
            self._build = build = None
        for spec in answer.get("builds", []):
            if build is None and not self._end.is_set():
                log.info("building environment %s", (spec.get("environment") or {}).get("name"))
                self._build = build = Build(self.environments, spec)
            elif build is not None and spec["id"] == build.id and spec.get("cancel"):
                build.stop()
        if build is not None and build.id not in {str(spec["id"]) for spec in answer.get("builds", [])}:
            build.stop()  # the studio gave it up
