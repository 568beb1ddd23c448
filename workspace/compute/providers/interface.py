"""The interface of providers. No Django and no database: a provider is told what to start, and tells what is there.

A provider keeps no record of its own that could differ from what is: `list` looks at the machines themselves, and each
of them bears the id of its node. So a manager that was killed finds everything again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class ProviderError(Exception):
    """A machine could not be started, stopped or listed. The message is for logs; where there is no `why`, {code, and
    what belongs to it} for words.py, it is for people, too."""

    def __init__(self, message: str, why: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.why: dict[str, Any] = dict(why or {})


@dataclass(frozen=True, slots=True)
class Order:
    """A node that is to be started. `token()` makes an enrolment that admits this node and no other.

    0 processors or memory mean all that the machine has.
    """

    node: str
    name: str
    target: str
    url: str
    token: Callable[[], str]
    slots: int = 1
    cpus: float = 0
    memory_gb: float = 0
    priority: str = "dedicated"
    labels: Mapping[str, str] = field(default_factory=dict)
    #: What `start` answered the last time, when this node was started before: its disk may still be there.
    handle: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """What the node's agent is told, as its node.json has it: all but its token and its folder."""
        told: dict[str, Any] = {"url": self.url, "name": self.name, "slots": self.slots, "target": self.target}
        told |= {key: value for key, value in (("cpus", self.cpus), ("memory_gb", self.memory_gb)) if value}
        return {**told, "labels": [f"{key}={value}" for key, value in self.labels.items()]}


@dataclass(frozen=True, slots=True)
class Machine:
    """What is there of a node. `alive` is False for one that ended by itself and left its log."""

    node: str
    alive: bool
    handle: Mapping[str, Any] = field(default_factory=dict)
    #: Why it ended or does not start, when the machine itself says it, and {code, numbers} for words.py when its
    #: provider knows; `preempted` when it was taken away.
    reason: str = ""
    why: Mapping[str, Any] = field(default_factory=dict)
    preempted: bool = False
    #: Something is installed there first: the time within which its agent must register has not begun.
    preparing: bool = False


class Provider(Protocol):
    """Each call may raise ProviderError; then the manager tries again in its next round."""

    name: str
    #: Whether its machines are this host's, and stop when the studio does.
    ends_with_us: bool

    def start(self, order: Order) -> dict[str, Any]:
        """Start the node's machine and return a handle, plain JSON. Starting what runs already changes nothing."""

    def stop(self, node: str, *, kill: bool = False, forget: bool = False) -> None:
        """Ask the node to end its runs and go; `kill` ends it at once, `forget` removes what it left, its disk too.

        Returns before it has gone: `list` tells. What is not there is stopped already.
        """

    def list(self) -> dict[str, Machine]:
        """What there is now, by the id of the node."""

    def tail(self, node: str) -> str:
        """The last lines of what the agent of the node said, at most some kilobytes; empty when nobody knows."""
