"""Keeps the services of one kind (replicas, boards) that the studio wants, and no others: each round compares what
is with what should be."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, List, Tuple, Type

from zaffre.agent import processes
from zaffre.agent.clock import now
from zaffre.agent.disk import read_json
from zaffre.agent.door import Refused, Unreachable
from zaffre.agent.supervise import KILL_AT
from zaffre.protocol import AGENT

if TYPE_CHECKING:
    from zaffre.agent.config import NodeConfig
    from zaffre.agent.job import Workshop
    from zaffre.agent.service import Service

log = logging.getLogger("zaffre.agent")


class Keeper:
    """The loop of one life of the agent."""

    def __init__(self, config: NodeConfig, shop: Workshop, kind: Type[Service], *, epoch: str) -> None:
        self.config, self.shop, self.kind, self.epoch = config, shop, kind, epoch
        self.folder = config.state / kind.plural
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._kept: Dict[str, Service] = {}
        self._lease: Tuple[float, float] = (now(), shop.identity.lease)
        self._lock = threading.Lock()
        self._poked = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=kind.plural, daemon=True)

    def start(self) -> None:
        self.sweep()
        self._thread.start()

    def let_go(self) -> None:
        """Begin to drain and end all of them; without the agent nobody would look after them. Returns at once."""
        self._end.set()
        self._poked.set()
        for one in self.all():
            one.stop()

    def stop(self) -> None:
        """`let_go`, and wait for it."""
        self.let_go()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self.let_go()  # one that was just being made
        end = time.monotonic() + 8
        for one in self.all():
            one.join(max(0.1, end - time.monotonic()))

    def poke(self) -> None:
        """Something may have changed: look now."""
        self._poked.set()

    def renewed(self, sent: float, valid_for: float) -> None:
        """The studio extended the node's own lease."""
        with self._lock:
            self._lease = (sent, valid_for)

    def ids(self) -> List[str]:
        with self._lock:
            return list(self._kept)

    def all(self) -> List[Service]:
        with self._lock:
            return list(self._kept.values())

    def sweep(self) -> None:
        """End what services of an earlier life left behind."""
        for path in self.folder.iterdir():
            known = read_json(path / "pid")
            if known and known["began"] and processes.began(known["pid"]) == known["began"]:
                processes.send(known["pid"], 9, group=True)
            processes.end_all(partial(processes.marked, {self.kind.mark: path.name}), seconds=5)
            shutil.rmtree(str(path), ignore_errors=True)

    def _run(self) -> None:
        while not self._end.is_set():
            self._poked.clear()
            try:
                self._round()
            except Unreachable as error:
                log.debug("%s: %s", self.kind.plural, error)
                self._fence()
            except Refused as error:
                # A studio of an earlier version has no such services.
                level = logging.DEBUG if error.status == 404 else logging.WARNING
                log.log(level, "the studio refuses the report about %s: %s", self.kind.plural, error)
            except Exception:
                log.exception("%s", self.kind.plural)
            self._poked.wait(self.shop.identity.heartbeat)

    def _fence(self) -> None:
        with self._lock:
            sent, valid_for = self._lease
        if now() >= sent + KILL_AT * valid_for:
            for one in self.all():
                log.warning("the node's lease is over; ending %s %s", one.noun, one.id)
                one.stop()
            self._forget_ended()

    def _round(self) -> None:
        name = self.kind.plural
        body = {"epoch": self.epoch, name: [one.report() for one in self.all()]}
        answer = self.shop.door.call("POST", f"{AGENT}/{name}/sync", body).json()
        wanted: Dict[str, Dict[str, Any]] = {str(spec["id"]): spec for spec in answer.get(name, [])}
        for one in self.all():
            if one.id not in wanted:
                one.stop()
        for id_, spec in wanted.items():
            self._keep(id_, spec)
        if self._forget_ended():
            self._poked.set()

    def _keep(self, id_: str, spec: Dict[str, Any]) -> None:
        with self._lock:
            if id_ in self._kept or self._end.is_set():
                return
            one = self.kind(self.config, self.shop, spec, changed=self.poke)
            self._kept[id_] = one
        log.info("starting %s %s of %s", one.noun, id_, spec.get("endpoint") or spec.get("workspace"))
        one.start()

    def _forget_ended(self) -> bool:
        with self._lock:
            ended = [id_ for id_, one in self._kept.items() if one.ended]
            for id_ in ended:
                del self._kept[id_]
        return bool(ended)
