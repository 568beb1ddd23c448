"""The agent: its parts are started in order and stopped in reverse."""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import suppress
from typing import Any, Dict, List, Optional, Tuple

from zaffre.agent import config as configs
from zaffre.agent import gpus, machine, sdk
from zaffre.agent.blobs import Blobs
from zaffre.agent.board import Board
from zaffre.agent.builder import Builder
from zaffre.agent.claims import Claims
from zaffre.agent.config import ConfigError, Identity, NodeConfig
from zaffre.agent.disk import try_lock
from zaffre.agent.door import Door, DoorError, Refused, Stopped, Unreachable, rest
from zaffre.agent.environments import Desk, Environments
from zaffre.agent.environments.stock import Stock
from zaffre.agent.gpus import Shelf
from zaffre.agent.hints import Hints
from zaffre.agent.job import Workshop
from zaffre.agent.jobs import Jobs
from zaffre.agent.keeper import Keeper
from zaffre.agent.leases import Leases
from zaffre.agent.replica import Replica
from zaffre.agent.rundir import RunDir, socket_folder
from zaffre.agent.warm import Parents
from zaffre.protocol import AGENT

log = logging.getLogger("zaffre.agent")

#: An orderly stop ends within 30 s; this much of it is for runs, the rest for the other parts.
_STOP_SECONDS = 14.0
#: An answer to the long poll may be on its way when the agent is told to stop.
_LAST_ANSWER_SECONDS = 0.5


class Node:
    """One life of the agent."""

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self.epoch = configs.new_epoch()
        self.end = threading.Event()
        self.expelled: Optional[str] = None
        self._lock: Optional[int] = None

    def serve(self) -> int:
        """Register if need be, take over what runs, and work until SIGTERM. Returns the exit status.

        Raises ConfigError when the node cannot start.
        """
        os.umask(0o077)
        for folder in (self.config.folder, self.config.state, self.config.cache):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = try_lock(self.config.state / "agent.lock")
        if self._lock is None:
            raise ConfigError(
                f"Another agent works in {self.config.folder}. Stop it, or give this one its own folder with --dir."
            )
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, lambda *_: self.end.set())
        try:
            self.machine = machine.measure(self.config.url, self.config.state, wish=self.config.isolation)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        try:
            identity = self._identity()
            self._build(identity)
            self._greet()
        except Stopped:
            return 0
        self._say_who(identity)
        self._work()
        if self.expelled:
            log.error("%s", self.expelled)
            return 1
        return 0

    def _identity(self) -> Identity:
        known = configs.read_identity(self.config)
        if known is not None:
            return known
        if not self.config.join_token:
            raise ConfigError("This machine is not enrolled yet: give --join URL TOKEN with an enrolment token.")
        door = Door(self.config.url, self.config.join_token)
        body = {"name": self.config.name, "facts": configs.facts(self.config, self.machine.facts)}
        try:
            answer = door.insist("POST", f"{AGENT}/nodes/register", body, until=self.end.is_set).json()
        except Refused as error:
            raise ConfigError(
                f"The studio refused this node: {error} Ask an owner for a new enrolment token."
            ) from None
        except Unreachable as error:
            raise ConfigError(f"The studio at {self.config.url} did not answer for an hour: {error}") from None
        found = configs.keep_identity(self.config, answer)
        log.info("registered as node %s (%s)", self.config.name, found.node_id)
        return found

    def _say_who(self, identity: Identity) -> None:
        """Whose node this is: an invitation does not make another one of a folder that has one."""
        given = configs.enrolment_of(self.config.join_token)
        if given and identity.enrolment and given != identity.enrolment:
            log.info(
                "%s is the folder of a node of %s, which goes on: this invitation is not used. For another target give "
                "another folder with --dir.",
                self.config.folder,
                identity.target,
            )
        told = (identity.name or self.config.name, identity.target, self.config.url, self.config.slots)
        log.info("node %s of %s works for %s with %d slots", *told)

    def _build(self, identity: Identity) -> None:
        self.identity = identity
        socket_folder(self.config.state)  # refuses now, and not at the first run
        self.door = Door(self.config.url, identity.token)
        self.blobs = Blobs(self.config.cache / "blobs")
        self.environments = Environments(
            self.config.cache,
            extras=self.config.sdk_requirements,
            desk=Desk(self.door),
            limit_gb=self.config.environments_gb,
        )
        provided = str(sdk.provide(self.config.cache))
        self.parents = Parents(provided, self.config.state / "parents.log", self.machine.groups)
        self.shop = Workshop(
            identity=identity,
            door=self.door,
            blobs=self.blobs,
            environments=self.environments,
            sdk=provided,
            machine=self.machine,
            parents=self.parents,
            shelf=Shelf(gpus.visible(len(self.machine.facts["gpus"]))),
            max_processes=self.config.max_processes,
        )
        self.jobs = Jobs(self.config.state / "runs", self.config.slots, most=self.config.most, changed=self._freed)
        self.replicas = Keeper(self.config, self.shop, Replica, epoch=self.epoch)
        self.boards = Keeper(self.config, self.shop, Board, epoch=self.epoch)
        self.builder = Builder(self.door, self.environments, identity=identity, epoch=self.epoch)
        self.leases = Leases(
            self.door,
            self.jobs,
            epoch=self.epoch,
            heartbeat=identity.heartbeat,
            lease=identity.lease,
            on_refused=self._refused,
            on_renewed=self._renewed,
            stock=Stock(self.environments.shelf),
        )
        self.claims = Claims(
            self.door,
            self.jobs,
            # A lease counts from the question, so a long poll must be short beside it.
            recheck=min(identity.recheck, identity.lease / 4),
            take=self._take,
            on_refused=self._refused,
        )
        self.hints = Hints(
            identity.broker, node=identity.node_id or self.config.name, wake=self.claims.hint, sync=self._sync
        )

    def _greet(self) -> None:
        """Tell what is alive here; the answer decides what goes on."""
        found = self.jobs.found()
        places: Dict[Tuple[str, int], RunDir] = {}
        for place in found:
            spec = place.spec or {}
            places[(str(spec["run"]), int(spec["attempt"]))] = place
        body: Dict[str, Any] = {
            "epoch": self.epoch,
            "runs": [{"run": run, "attempt": attempt} for run, attempt in places],
            "replicas": [],
            "facts": configs.facts(self.config, self.machine.facts),
        }
        try:
            answer = self.door.insist(
                "POST", f"{AGENT}/nodes/hello", body, until=self.end.is_set, patience=float("inf")
            ).json()
        except Refused as error:
            for place in found:
                self.jobs.forget(place)
            if error.status == 401:
                configs.identity_path(self.config).unlink(missing_ok=True)
            raise ConfigError(f"The studio does not know this node any more: {error} Enrol it again.") from None
        kept = _keys(answer.get("keep", []))
        for key, place in places.items():
            if key in kept:
                log.info("taking over run %s attempt %d", *key)
                self.jobs.resume(self.shop, place, renew=self.leases.try_renew)
            else:
                log.info("the studio gave up run %s attempt %d", *key)
                self.jobs.forget(place)

    def _work(self) -> None:
        parts: List[Any] = [self.leases, self.replicas, self.boards, self.builder, self.claims, self.hints]
        started: List[Any] = []
        try:
            for part in parts:
                part.start()
                started.append(part)
            self.parents.find(configs.interpreter())
            while not self.end.wait(1.0):
                self.parents.tend()
        finally:
            log.info("stopping")
            self.end.set()
            self.claims.stop()
            self.jobs.stop_all(seconds=_STOP_SECONDS)
            for keeper in (self.boards, self.replicas):
                keeper.let_go()
            for part in reversed(started):
                part.stop()
            self.claims.settle(_LAST_ANSWER_SECONDS)
            self.parents.close()
            with suppress(OSError):  # sockets of runs that go on are in it
                socket_folder(self.config.state).rmdir()
            if self._lock is not None:
                os.close(self._lock)

    def _take(self, spec: Dict[str, Any], sent: float) -> None:
        if self.end.is_set():
            self._give_back(spec)
            return
        log.info("claimed run %s attempt %s", spec["run"], spec["attempt"])
        self.jobs.start(self.shop, spec, sent=sent, renew=self.leases.try_renew)

    def _sync(self) -> None:
        """Somebody says that the studio wants something else now."""
        self.leases.poke()
        self.replicas.poke()
        self.boards.poke()
        self.builder.poke()

    def _renewed(self, sent: float, valid_for: float) -> None:
        self.replicas.renewed(sent, valid_for)
        self.boards.renewed(sent, valid_for)

    def _give_back(self, spec: Dict[str, Any]) -> None:
        """An attempt that came while the agent stops: somebody else may have it at once, and not after its lease."""
        body = {"exit_code": None, "signal": None, "reason": "preempted", "log_tail": ""}
        try:
            self.door.with_token(spec["token"]).call("POST", f"{AGENT}/runs/{spec['run']}/result", body, timeout=3.0)
            log.info("gave run %s attempt %s back", spec["run"], spec["attempt"])
        except DoorError as error:
            log.warning("run %s could not be given back and waits for its lease: %s", spec["run"], error)

    def _freed(self) -> None:
        self.claims.freed()

    def _refused(self, error: Refused) -> None:
        """The studio refuses the node itself: nothing of it may go on."""
        if error.status == 409 and not self.end.is_set():
            self._say_hello_again()
            return
        self.expelled = f"The studio refused this node: {error} Enrol it again."
        self.jobs.drop_all()
        self.end.set()

    def _say_hello_again(self) -> None:
        """The studio believes in another life of this node: say what is alive, and drop what it does not want."""
        jobs = self.jobs.all()
        runs = [{"run": job.run, "attempt": job.attempt} for job in jobs]
        body = {"epoch": self.epoch, "runs": runs, "replicas": self.replicas.ids()}
        try:
            answer = self.door.insist("POST", f"{AGENT}/nodes/hello", body, until=self.end.is_set, patience=60).json()
        except Stopped:
            return
        kept = _keys(answer.get("keep", []))
        for job in jobs:
            if job.key not in kept:
                job.drop()
        rest(1.0, self.end.is_set)


def _keys(found: "list[dict[str, Any]]") -> "set[tuple[str, int]]":
    return {(str(one["run"]), int(one["attempt"])) for one in found}
