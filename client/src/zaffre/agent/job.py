"""One attempt on this node, as its steps see it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from zaffre.agent import supervisors
from zaffre.agent.clock import aging, now
from zaffre.agent.door import Door, DoorError, Refused, Stopped
from zaffre.agent.outputs import Known
from zaffre.agent.supervise import KILL_AT
from zaffre.agent.telling import Teller
from zaffre.protocol import AGENT, DESIRED_CANCEL, DESIRED_KILL

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from zaffre.agent.blobs import Blobs
    from zaffre.agent.config import Identity
    from zaffre.agent.cord import Cord
    from zaffre.agent.environments import Container, Environments
    from zaffre.agent.gpus import Shelf
    from zaffre.agent.logpump import LogPump
    from zaffre.agent.machine import Machine
    from zaffre.agent.rundir import RunDir
    from zaffre.agent.warm import Parents

Key = Tuple[str, int]


class Dropped(Exception):
    """The attempt is not ours any more: stop, and tell nobody."""


class Left(Exception):
    """The agent ends; the attempt stays on disk as it is."""


class Ended(Exception):
    """The attempt ends before its code was started, because somebody asked for it."""


class StepFailed(Exception):
    """A step could not do its work. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Workshop:
    """What all attempts of a node share."""

    identity: Identity
    door: Door
    blobs: Blobs
    environments: Environments
    sdk: str
    machine: Machine
    shelf: Shelf
    parents: Parents
    #: Of one run, with its threads.
    max_processes: int
    known: Known = field(default_factory=Known)


@dataclass
class Job:
    """State of one attempt. Steps run in its own thread; the lease loop calls `renewed` and `desire`."""

    shop: Workshop
    place: RunDir
    spec: Dict[str, Any]
    renewed_at: float
    valid_for: float
    #: True when an earlier agent had launched the code.
    resumed: bool = False
    python: str = ""
    path_first: str = ""
    #: Told with every report of progress; the studio keeps each once.
    warnings: List[str] = field(default_factory=list)
    launched: bool = False
    child: Optional[subprocess.Popen[bytes]] = None
    cord: Optional[Cord] = None
    #: Variables of the environment, and the image that the code runs in.
    variables: Mapping[str, str] = field(default_factory=dict)
    container: Optional[Container] = None
    #: What the environment's interpreter needs besides the system's folders.
    prefixes: Tuple[Path, ...] = ()
    gpus: Tuple[str, ...] = ()
    pump: Optional[LogPump] = None
    #: What is left to be told with the result: `log` {length, sha256} and `files`.
    last_words: Dict[str, Any] = field(default_factory=dict)
    #: [{rank, address, ports}] of all nodes of the run, once they have met.
    meeting: List[Dict[str, Any]] = field(default_factory=list)
    #: What only the nodes of this attempt know.
    meeting_secret: str = ""
    stop_reason: Optional[str] = None
    dropped: threading.Event = field(default_factory=threading.Event)
    #: The agent goes away: what is not told yet stays on disk for the next one.
    leaving: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.run: str = self.spec["run"]
        self.attempt: int = int(self.spec["attempt"])
        self.key: Key = (self.run, self.attempt)
        self.door = self.shop.door.with_token(self.spec["token"])
        self.address = f"{AGENT}/runs/{self.run}"
        self.output = self.place.output(self.spec.get("log"))
        self.teller = Teller(self)

    # --- from the lease loop ------------------------------------------------------------------
    def renewed(self, sent: float, valid_for: float) -> None:
        """The studio extended the lease by `valid_for` seconds from the moment `sent`."""
        with self._lock:
            # Two answers may cross: an older question counts only when it was granted more.
            if sent < self.renewed_at and sent + valid_for <= self.renewed_at + self.valid_for:
                return
            self.renewed_at, self.valid_for = sent, valid_for
        if self.launched:
            supervisors.renew(self.place, sent=sent, valid_for=valid_for)

    def desire(self, wish: Optional[str]) -> None:
        """Do what the studio wants: nothing, cancel or kill."""
        if wish == DESIRED_CANCEL:
            self.stop("canceled")
        elif wish == DESIRED_KILL:
            self.drop()

    def stop(self, reason: str, grace: Optional[float] = None) -> None:
        """End the code with its grace period; the end is reported. The first reason stays."""
        with self._lock:
            first = self.stop_reason is None
            self.stop_reason = self.stop_reason or reason
        self.stopping.set()
        if self.launched and (first or grace is not None):
            supervisors.stop(self.place, reason=reason, grace=grace)

    def drop(self) -> None:
        """The attempt belongs to somebody else now: kill its code at once and say nothing."""
        if self.dropped.is_set():
            return
        self.dropped.set()
        self.drop_code()

    def drop_code(self) -> None:
        """End whatever of the code is alive."""
        if self.launched:
            supervisors.kill(self.place, reason="dropped")

    # --- for its steps --------------------------------------------------------------------------
    def lost(self) -> bool:
        """True when the attempt has no right to go on preparing: dropped, or its lease has run down."""
        with self._lock:
            return self.dropped.is_set() or now() >= self.renewed_at + KILL_AT * self.valid_for

    def check(self) -> None:
        """Raise Dropped or Ended when the preparation must not go on."""
        if self.lost():
            raise Dropped
        if self.stopping.is_set():
            raise Ended

    def interrupted(self) -> bool:
        return self.stopping.is_set() or self.lost()

    def over(self) -> bool:
        """True when nothing more shall be told to the studio by this agent."""
        return self.dropped.is_set() or self.leaving.is_set()

    def ask(self, method: str, path: str, value: Any = None, *, new: bool = False, **more: Any) -> Any:
        """Call the studio as this run until it answers, however long that takes: what the attempt has to tell is
        nowhere else. Raises Dropped, Left, or Refused for other refusals. At a `new` address 404 is one of those: the
        studio may be back at the version before since it gave us the run."""
        try:
            return self.door.insist(method, self.address + path, value, until=self.over, patience=float("inf"), **more)
        except Refused as error:
            if error.fences and not (new and error.status == 404):
                self.drop()
                raise Dropped from None
            raise
        except Stopped:
            raise (Dropped if self.dropped.is_set() else Left) from None

    def warn(self, text: str) -> None:
        """Say something that people should know although the attempt goes on: in the log, and on the run's page."""
        self.say(f"Warning: {text}\n")
        self.warnings.append(text)

    def progress(self, state: str, steps: List[Dict[str, Any]]) -> None:
        """Tell how far the attempt is. A refusal that is no fencing is without effect (a step told twice)."""
        body: Dict[str, Any] = {"state": state, "steps": steps}
        if self.warnings:
            body["warnings"] = list(self.warnings)
        report = aging(body)
        # The lease counts from the first try: an earlier moment is a safe one.
        sent = now()
        try:
            told = _told(self.ask("POST", "/progress", report))
        except DoorError:
            return
        if told.get("valid_for"):
            self.renewed(sent, float(told["valid_for"]))
        self.desire(told.get("desired"))

    def say(self, text: str) -> None:
        """Write a line of ours into the log, when the code does not write to it."""
        self.output.append(text.encode("utf-8", "replace"))

    def tail(self, size: int = 4000) -> str:
        """The last bytes of the log as text."""
        _, data = self.output.read(max(0, self.output.length - size), size)
        return data.decode("utf-8", "replace").replace("\0", "\ufffd")


def _told(answer: Any) -> Dict[str, Any]:
    try:
        found = answer.json() if answer.body else {}
    except DoorError:
        return {}
    return found if isinstance(found, dict) else {}
