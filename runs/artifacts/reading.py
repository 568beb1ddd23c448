"""Small files out, one request each: all that wait are found by one statement, on a connection that is kept."""

import re
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from django.db import connection

from runs.artifacts.small import SMALL
from runs.queries import get_run_briefly
from studio.kernel import blobs
from studio.kernel.actors import Actor
from studio.kernel.belief import Believed
from studio.kernel.errors import NotFound, ZaffreError
from studio.kernel.groupcommit import GroupCommit


class Found(NamedTuple):
    """A file as a row names it, with its bytes when they are few (`SMALL`)."""

    path: str
    sha256: str
    size: int
    data: bytes | None


class _Asked(NamedTuple):
    run_id: str
    path: str


def let_in(run_id: str, *, actor: Actor, workspace: str) -> int:
    """The run's experiment, for who may read it, which is believed a moment. Raises as get_run does."""
    asked = time.monotonic()
    experiment = get_run_briefly(workspace, run_id, actor=actor).experiment_id
    _let_in.keep((actor, workspace, run_id), experiment, asked=asked)
    return experiment


def let_in_lately(run_id: str, *, actor: Actor, workspace: str) -> int | None:
    """What `let_in` answered a moment ago, None when it has to be asked."""
    return _let_in.get((actor, workspace, run_id))


def find_small(run_id: str, path: str, *, actor: Actor) -> "Future[Found]":
    """A file of the run, for who was let in. The future raises NotFound, also `blob_missing` and `blob_damaged`."""
    if actor.kind == "anonymous":
        raise NotFound(f"There is no run {run_id[:40]!r}.")
    return _finder.submit(_Asked(run_id, path.replace("\0", "\ufffd")))


def list_small(run_id: str, folder: str, *, actor: Actor) -> list[tuple[str, int | None]]:
    """(name, size; None for a folder) of what lies directly in a folder of the run, by name, for who was let in.

    Raises NotFound when the run was deleted a moment ago.
    """
    prefix = f"{folder}/" if folder else ""
    pattern = re.sub(r"([\\%_])", r"\\\1", prefix) + "%"
    with connection.cursor() as cursor:
        cursor.execute(_LIST, [len(prefix) + 1, pattern, run_id])
        rows = cursor.fetchall()
    if not rows or rows[0][0] or actor.kind == "anonymous":
        raise NotFound("The run was deleted.", code="deleted", run=run_id)
    return [(name, None if deeper else int(size)) for _, name, deeper, size in rows if name is not None]


def _find(asked: Sequence[_Asked]) -> list[Found | Exception]:
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [[one.run_id for one in asked], [one.path for one in asked]])
        rows = {_Asked(run_id, path): (deleted, sha256, size) for run_id, path, deleted, sha256, size in cursor}
    return [_found(one, *rows.get(one, (False, None, 0))) for one in asked]


def _found(asked: _Asked, deleted: bool, sha256: str | None, size: int) -> Found | Exception:
    if deleted:
        return NotFound("The run was deleted.", code="deleted", run=asked.run_id)
    if sha256 is None:
        return NotFound(f"The run has no file {asked.path[:200]!r}.")
    try:
        return Found(asked.path, sha256, size, blobs.read_small(sha256) if size <= SMALL else None)
    except (ZaffreError, OSError) as error:
        return error


_FIND = """
SELECT asked.run_id, asked.path, run.deleted IS NOT NULL, file.sha256, file.size
FROM unnest(%s::varchar[], %s::varchar[]) AS asked(run_id, path)
JOIN runs_run run ON run.id = asked.run_id
LEFT JOIN artifacts_artifact file ON file.run_id = asked.run_id AND file.path = asked.path
"""
# The one row of an empty folder says that the run is there.
_LIST = """
SELECT run.deleted IS NOT NULL, found.name, found.deeper, found.size
FROM runs_run run LEFT JOIN LATERAL (
    SELECT split_part(file.rest, '/', 1) AS name, bool_or(file.rest LIKE '%%/%%') AS deeper, sum(file.size) AS size
    FROM (SELECT substr(path, %s) AS rest, size FROM artifacts_artifact
          WHERE run_id = run.id AND path LIKE %s) file
    GROUP BY 1
) found ON true
WHERE run.id = %s ORDER BY found.name
"""

_finder: GroupCommit[_Asked, Found] = GroupCommit("reads of files", _find, atomic=False)
#: (actor, workspace, run) that may be read → its experiment.
_let_in: Believed[tuple[Actor, str, str], int] = Believed()
