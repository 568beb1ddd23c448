"""What is allowed and what is used, and what a run may still take. Pure thinking, no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

AMOUNTS = ("runs", "cpus", "gpus", "nodes")


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be used at once; None is not limited."""

    runs: int | None = None
    cpus: int | None = None
    gpus: int | None = None
    nodes: int | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in AMOUNTS)


@dataclass(frozen=True, slots=True)
class Usage:
    """What runs use now. `nodes` are the ids of those that they are on."""

    runs: int = 0
    cpus: float = 0.0
    gpus: int = 0
    nodes: frozenset[str] = frozenset()

    def plus(self, other: "Usage") -> "Usage":
        return Usage(self.runs + other.runs, self.cpus + other.cpus, self.gpus + other.gpus, self.nodes | other.nodes)

    def amount(self, name: str) -> float:
        return len(self.nodes) if name == "nodes" else getattr(self, name)


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that a run would pass: whose it is (`site`, `workspace`, `user`), and its numbers."""

    scope: str
    amount: str
    limit: int
    used: float
    asked: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """The limits of a workspace and its people, and what each uses. `everybody`: who has no limit of their own."""

    site: Limit = Limit()
    workspace: Limit = Limit()
    everybody: Limit = Limit()
    people: Mapping[int, Limit] = field(default_factory=dict)
    used: Mapping[int | None, Usage] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.site or self.workspace or self.everybody or any(self.people.values()))

    def of(self, user: int | None) -> Limit:
        return self.people.get(user, self.everybody) if user is not None else self.everybody

    def total(self) -> Usage:
        found = Usage()
        for usage in self.used.values():
            found = found.plus(usage)
        return found

    def excess(self, user: int | None, asked: Usage) -> Excess | None:
        """The first limit that one more run of this person would pass. `asked.nodes` may be empty: not known yet."""
        mine, total = self.used.get(user, Usage()), self.total()
        for scope, limit, used in (
            ("site", self.site, total),
            ("workspace", self.workspace, total),
            ("user", self.of(user), mine),
        ):
            after = used.plus(asked)
            for name in AMOUNTS:
                most = getattr(limit, name)
                more = after.amount(name) - used.amount(name)
                if most is not None and more > 0 and after.amount(name) > most + 1e-6:
                    return Excess(scope, name, most, used.amount(name), more)
        return None
