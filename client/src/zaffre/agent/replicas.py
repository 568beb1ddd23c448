"""Keeps the replicas that the studio wants, and no others: each round compares what is with what should be."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from zaffre.agent import processes
from zaffre.agent.clock import now
from zaffre.agent.disk import read_json
from zaffre.agent.door import Refused, Unreachable
from zaffre.agent.replica import Replica
from zaffre.agent.supervise import KILL_AT
from zaffre.protocol import AGENT

if TYPE_CHECKING:
    from zaffre.agent.config import NodeConfig
    from zaffre.agent.job import Workshop

log = logging.getLogger("zaffre.agent")


class Replicas:
    """The loop of one life of the agent."""

    def __init__(self, config: NodeConfig, shop: Workshop, *, epoch: str) -> None:
        self.config, self.shop, self.epoch = config, shop, epoch
        self.folder = config.state / "replicas"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._replicas: Dict[str, Replica] = {}
        self._lease: Tuple[float, float] = (now(), shop.identity.lease)
        self._lock = threading.Lock()
        self._poked = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replicas", daemon=True)

    def start(self) -> None:
        self.sweep()
        self._thread.start()

    def stop(self) -> None:
        """Drain and end all replicas; without the agent nobody would look after them."""
        self._end.set()
        self._poked.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        for replica in self.all():
            replica.stop()
        end = time.monotonic() + 8
        for replica in self.all():
            replica.join(max(0.1, end - time.monotonic()))

    def poke(self) -> None:
        """Something may have changed: look now."""
        self._poked.set()

    def renewed(self, sent: float, valid_for: float) -> None:
        """The studio extended the node's own lease."""
        with self._lock:
            self._lease = (sent, valid_for)

    def ids(self) -> List[str]:
        with self._lock:
            return list(self._replicas)

    def all(self) -> List[Replica]:
        with self._lock:
            return list(self._replicas.values())

    def sweep(self) -> None:
        """End what replicas of an earlier life left behind."""
        for path in self.folder.iterdir():
            known = read_json(path / "pid")
            if known and known["began"] and processes.began(known["pid"]) == known["began"]:
                processes.send(known["pid"], 9, group=True)
            processes.end_all(partial(processes.marked, {"ZAFFRE_REPLICA_ID": path.name}), seconds=5)
            shutil.rmtree(str(path), ignore_errors=True)

    def _run(self) -> None:
        while not self._end.is_set():
            self._poked.clear()
            try:
                self._round()
            except Unreachable as error:
                log.debug("replicas: %s", error)
                self._fence()
            except Refused as error:
                log.warning("the studio refuses the report about replicas: %s", error)
            except Exception:
                log.exception("replicas")
            self._poked.wait(self.shop.identity.heartbeat)

    def _fence(self) -> None:
        with self._lock:
            sent, valid_for = self._lease
        if now() >= sent + KILL_AT * valid_for:
            for replica in self.all():
                log.warning("the node's lease is over; ending replica %s", replica.id)
                replica.stop()
            self._forget_ended()

    def _round(self) -> None:
        body = {"epoch": self.epoch, "replicas": [replica.report() for replica in self.all()]}
        path = f"{AGENT}/replicas/sync"
        answer = self.shop.door.call("POST", path, body).json()
        wanted: Dict[str, Dict[str, Any]] = {str(spec["id"]): spec for spec in answer.get("replicas", [])}
        for replica in self.all():
            if replica.id not in wanted:
                replica.stop()
        for name, spec in wanted.items():
            self._keep(name, spec)
        if self._forget_ended():
            self._poked.set()

    def _keep(self, name: str, spec: Dict[str, Any]) -> None:
        with self._lock:
            known: Optional[Replica] = self._replicas.get(name)
            if known is not None or self._end.is_set():
                return
            replica = Replica(self.config, self.shop, spec, changed=self.poke)
            self._replicas[name] = replica
        log.info("starting replica %s of %s", name, spec.get("endpoint"))
        replica.start()

    def _forget_ended(self) -> bool:
        with self._lock:
            ended = [name for name, replica in self._replicas.items() if replica.ended]
            for name in ended:
                del self._replicas[name]
        return bool(ended)
