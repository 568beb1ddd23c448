"""The turns of waiting runs (`runs/turns.py`), from the rows."""

from django.db import connection

from runs.turns import BROUGHT
from studio.kernel import db
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden

#: Spelt out as in the condition of the index `runs_executing`: for a parameter the planner would not take it.
_EXECUTING = "status IN ('running', 'starting', 'preparing', 'finalizing')"
_HERE = "target_id = %(target)s AND priority = %(priority)s"
_OWN = f"{_HERE} AND submitted_by_id = %(user)s"

_NEXT = f"""
SELECT GREATEST(
    COALESCE(
        (SELECT max(turn) FROM runs_run WHERE {_EXECUTING} AND {_HERE}),
        (SELECT min(turn) FROM runs_run WHERE status = 'queued' AND {_HERE}),
        0
    ),
    (SELECT max(turn) + 1 FROM runs_run WHERE status = 'queued' AND {_OWN}),
    (SELECT max(turn) + 1 FROM runs_run WHERE {_EXECUTING} AND {_OWN})
)
"""  # noqa: S608 - constants in another

_FORWARD = f"""
WITH served AS (
    SELECT target_id, priority, max(turn) AS turn FROM runs_run
    WHERE {_EXECUTING} AND target_id IS NOT NULL GROUP BY target_id, priority
), line AS (
    SELECT waiting.id, waiting.turn, served.turn AS served, row_number() OVER (
        PARTITION BY waiting.target_id, waiting.priority, waiting.submitted_by_id ORDER BY waiting.turn, waiting.id
    ) AS k
    FROM runs_run waiting JOIN served USING (target_id, priority) WHERE waiting.status = 'queued'
), moved AS (
    -- What somebody claims, cancels or deletes in this moment has its turn the next time: nobody waits for anybody.
    SELECT run.id, line.served + line.k AS turn FROM line JOIN runs_run run USING (id)
    WHERE line.k <= {BROUGHT} AND line.turn > line.served + line.k AND run.status = 'queued'
    FOR NO KEY UPDATE OF run SKIP LOCKED
)
UPDATE runs_run SET turn = moved.turn FROM moved WHERE runs_run.id = moved.id
"""  # noqa: S608 - constants in another


def next_turn(target_id: int, *, priority: int, user_id: int | None) -> int:
    """`turn_of` for a run that is about to wait, in one statement. Callers have opened the target.

    Two that are submitted at once may get the same turn; then the older one comes first.
    """
    ((turn,),) = db.ask(_NEXT, {"target": target_id, "priority": priority, "user": user_id})
    return int(turn)


def bring_forward(*, actor: Actor) -> int:
    """`brought_forward` for everybody's runs on targets where something executes; how many were moved."""
    if actor.kind != "system":
        raise Forbidden("Only the studio itself moves turns.")
    with connection.cursor() as cursor:
        cursor.execute(_FORWARD)
        return int(cursor.rowcount)
