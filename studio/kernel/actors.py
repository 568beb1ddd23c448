"""Who acts. Every query and service takes an `actor`; the rule book decides by it alone."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["user", "run", "node", "enrolment", "system", "anonymous"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a running attempt, a node, or the studio itself.

    `workspace_id` is set for runs and nodes, which live in one workspace; a person's rights come
    from memberships. `token_id` names the credential for the audit trail, never its secret.
    """

    kind: Kind
    name: str = ""
    user_id: int | None = None
    is_admin: bool = False
    token_id: str = ""
    workspace_id: int | None = None
    run_id: str = ""
    attempt: int = 0
    #: Of a run on several nodes: which of them it is, 0 for the one that speaks for the run.
    rank: int = 0
    node_id: str = ""
    target_id: int | None = None
    address: str = ""

    @property
    def is_user(self) -> bool:
        return self.kind == "user"


ANONYMOUS = Actor(kind="anonymous", name="anonymous")
#: The studio's own hand: schedules, the reaper, tasks. Never given to a request.
SYSTEM = Actor(kind="system", name="studio")
