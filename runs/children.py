"""Reading what is below a run."""

from collections.abc import Collection

from django.db import connection

from runs.models import Run
from runs.queries import MOST, get_run_briefly, shown
from studio.kernel.actors import Actor
from workspace.models import Workspace

#: UNION, not UNION ALL: a circle, which nothing makes, would end all the same.
_BELOW = """
WITH RECURSIVE below AS (
    SELECT id FROM runs_run WHERE parent_id = %s
    UNION SELECT runs_run.id FROM runs_run JOIN below ON runs_run.parent_id = below.id
)
SELECT id FROM below JOIN runs_run USING (id) WHERE id > %s AND deleted IS NULL ORDER BY id LIMIT %s
"""
_TREES = """
WITH RECURSIVE tree (root, id) AS (
    SELECT id, id FROM runs_run WHERE workspace_id = %s AND id = ANY(%s)
    UNION SELECT tree.root, runs_run.id FROM runs_run JOIN tree ON runs_run.parent_id = tree.id
)
SELECT root, id FROM tree
"""
_ABOVE = """
WITH RECURSIVE above AS (
    SELECT id, parent_id FROM runs_run WHERE id = %s
    UNION SELECT runs_run.id, runs_run.parent_id FROM runs_run JOIN above ON runs_run.id = above.parent_id
)
SELECT count(*) - 1 FROM above
"""


def depth_of(run: Run, *, actor: Actor) -> int:
    """How many runs are above this one, which the caller has opened for the actor."""
    with connection.cursor() as cursor:
        cursor.execute(_ABOVE, [run.pk])
        return int(cursor.fetchone()[0])


def trees(workspace: Workspace, run_ids: Collection[str]) -> dict[str, list[str]]:
    """{run: ids of itself and of all below it, deleted or not} of those of the runs that the workspace has.

    The caller has opened the workspace for its actor.
    """
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_TREES, [workspace.pk, [one for one in run_ids if "\0" not in one]])
        for root, id_ in cursor.fetchall():
            found.setdefault(root, []).append(id_)
    return found


def list_children(
    slug: str, run_id: str, *, actor: Actor, recursive: bool = False, limit: int = 100, after: str = ""
) -> list[Run]:
    """The runs directly below a run, or with `recursive` all of them, the oldest first; pages by the last id.

    Deleted ones are left out. Who may read a run may read what is below it. Raises as get_run does.
    """
    run = get_run_briefly(slug, run_id, actor=actor)
    limit, after = max(1, min(limit, MOST)), after.replace("\0", "")
    if not recursive:
        return list(shown(Run.objects.filter(parent=run, pk__gt=after, deleted__isnull=True)).order_by("pk")[:limit])
    with connection.cursor() as cursor:
        cursor.execute(_BELOW, [run.pk, after, limit])
        ids = [one for (one,) in cursor.fetchall()]
    return list(shown(Run.objects.filter(pk__in=ids)).order_by("pk"))
