"""Work for later. A job is a row in the transaction that needs it, so that the two cannot diverge."""

import json
from collections.abc import Sequence

from django.db import connection

from studio.kernel import db
from studio.kernel.models import Outbox

OUTBOX_CHANNEL = "zaffre_outbox"


def enqueue(task: str, *args: object) -> None:
    """Have the control worker run `task` once this transaction commits (at least once: be idempotent)."""
    enqueue_all([(task, *args)])


def enqueue_all(jobs: Sequence[tuple[str, *tuple[object, ...]]]) -> None:
    """`enqueue` for each (task, *args), in one statement."""
    Outbox.objects.bulk_create([Outbox(task=task, args=list(args)) for task, *args in jobs])
    _ring()


def hint_pool(pool_id: int, task: str, *args: object) -> None:
    """Tell the nodes of a compute target to look: a hint only, the claim decides."""
    db.ask(_HINT, [Outbox.Lane.POOL.value, task, json.dumps(args), pool_id, OUTBOX_CHANNEL])


#: Row and bell in one statement: each submitted run sends one.
_HINT = """
WITH told AS (
    INSERT INTO kernel_outbox (lane, task, args, pool_id, created) VALUES (%s, %s, %s::jsonb, %s, now())
)
SELECT pg_notify(%s, '')
"""


def _ring() -> None:
    # NOTIFY is delivered by PostgreSQL at commit, and not at all on rollback.
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {OUTBOX_CHANNEL}")
