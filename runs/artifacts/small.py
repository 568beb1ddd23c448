"""Small files that come one request each: all that wait become files of their runs in one transaction.

What one costs by itself (syncs, locks, a commit) costs little more for many. Nobody is answered before the commit.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from runs.artifacts.forms import too_many_files
from runs.artifacts.models import Artifact
from runs.artifacts.services import MOST_OF_A_RUN, of_several
from runs.artifacts.telling import tell
from runs.fencing import admit, refuse_ended, refuse_late, takes_more
from runs.queries import get_run_briefly
from studio.kernel import blobs, paths
from studio.kernel.actors import Actor
from studio.kernel.belief import Believed
from studio.kernel.errors import NotFound, ZaffreError
from studio.kernel.groupcommit import GroupCommit
from workspace.audit.services import record
from workspace.models import Workspace

#: Bytes of a file that waits in memory. Larger ones are streamed to the disk.
SMALL = 64 * 1024


class Writable(NamedTuple):
    """A run that its writer was let into."""

    workspace_id: int
    experiment_id: int
    #: Its files are merged with those of other nodes, which is done one request at a time.
    merges: bool


class Kept(NamedTuple):
    sha256: str
    size: int


@dataclass(frozen=True)
class _Item:
    run_id: str
    actor: Actor
    path: str
    data: bytes
    late: bool


class _Run(NamedTuple):
    """A row that nobody else changes until the commit."""

    status: str
    attempt_no: int
    desired: str
    deleted: bool
    workspace_id: int
    slug: str


def let_in(run_id: str, *, actor: Actor, workspace: str) -> Writable:
    """Ask whether the actor may write to the run, as `runs.fencing.admit` does and raises, and believe it a moment."""
    asked = time.monotonic()
    run = admit(run_id, actor=actor, workspace=workspace) or get_run_briefly(workspace, run_id, actor=actor)
    known = Writable(run.workspace_id, run.experiment_id, of_several(run.nodes, actor=actor))
    _let_in.keep((actor, workspace, run_id), known, asked=asked)
    return known


def let_in_lately(run_id: str, *, actor: Actor, workspace: str) -> Writable | None:
    """What `let_in` answered a moment ago, None when it has to be asked."""
    return _let_in.get((actor, workspace, run_id))


def add_small(run_id: str, path: str, data: bytes, *, actor: Actor, late: bool = False) -> "Future[Kept]":
    """Make bytes a file of the run, for who was let in. A path that is there gets the new bytes.

    The future ends after the commit. Raises Invalid for an unsafe path, and from the future as `add_artifacts`.
    """
    return _adder.submit(_Item(run_id, actor, paths.clean(path), data, late))


def _write(sent: Sequence[_Item]) -> list[Kept | Exception]:
    hashes = [hashlib.sha256(item.data).hexdigest() for item in sent]
    with blobs.Arriving({sha256: item.data for sha256, item in zip(hashes, sent, strict=True)}) as arriving:
        runs = _lock({item.run_id for item in sent} | {item.actor.run_id for item in sent if item.actor.run_id})
        refusals = [_refusal(item, runs) for item in sent]
        allowed = dict.fromkeys((item.run_id, item.path) for item, no in zip(sent, refusals, strict=True) if not no)
        full = _over_the_limit(list(allowed))
        results: list[Kept | Exception] = []
        # Of two for one path the later one stays.
        files: dict[tuple[str, str], Kept] = {}
        for item, sha256, refusal in zip(sent, hashes, refusals, strict=True):
            key = item.run_id, item.path
            if refusal is None and key not in full:
                files[key] = Kept(sha256, len(item.data))
            results.append(refusal or files.get(key) or too_many_files(MOST_OF_A_RUN))
        if files:
            arriving.move(dict.fromkeys(kept.sha256 for kept in files.values()))
            blobs.hold((runs[run_id].workspace_id, *kept) for (run_id, _), kept in files.items())
            _insert(files)
            _tell([item for item in sent if (item.run_id, item.path) in files], runs)
    return results


def _lock(ids: set[str]) -> dict[str, _Run]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [sorted(ids)])
        return {id_: _Run(*facts) for id_, *facts in cursor.fetchall()}


def _refusal(item: _Item, runs: dict[str, _Run]) -> ZaffreError | None:
    """What the moment says, where `let_in` spoke of a moment ago."""
    run, code = runs.get(item.run_id), runs.get(item.actor.run_id)
    try:
        if run is None:
            raise NotFound("There is no such run any more.")
        if run.deleted and item.actor.kind != "run":
            raise NotFound("The run was deleted.", code="deleted", run=item.run_id)
        if code is not None and code is not run:  # a child: its code is that of the run which made it
            refuse_late(status=code.status, attempt_no=code.attempt_no, actor=item.actor)
            refuse_ended(run.status)
        else:
            more = takes_more(run.desired, late=item.late)
            refuse_late(status=run.status, attempt_no=run.attempt_no, actor=item.actor, open_ended=more)
    except ZaffreError as error:
        return error
    return None


def _over_the_limit(keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the (run, path) that their runs have no room for."""
    full: set[tuple[str, str]] = set()
    for run_id, count in Counter(run_id for run_id, _ in keys).items():
        held = _counts.get(run_id)
        if held is None or held[0] + count > MOST_OF_A_RUN:
            asked, rows = time.monotonic(), Artifact.objects.filter(run=run_id)
            held = [rows.count()]
            _counts.keep(run_id, held, asked=asked)
            if held[0] + count > MOST_OF_A_RUN:
                paths_ = [path for run, path in keys if run == run_id]
                known = set(rows.filter(path__in=paths_).values_list("path", flat=True))
                new = [(run_id, path) for path in paths_ if path not in known]
                full.update(new[max(0, MOST_OF_A_RUN - held[0]) :])
        held[0] += count
    return full


def _insert(files: dict[tuple[str, str], Kept]) -> None:
    rows = [(run_id, path, *kept) for (run_id, path), kept in files.items()]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [list(column) for column in zip(*rows, strict=True)])


def _tell(added: Sequence[_Item], runs: dict[str, _Run]) -> None:
    """One line of the trail for each person and run of this transaction, one bell for each run."""
    lines: dict[tuple[Actor, str], list[str]] = {}
    for item in added:
        if item.actor.is_user:
            lines.setdefault((item.actor, item.run_id), []).append(item.path)
    for (actor, run_id), added_paths in lines.items():
        workspace = Workspace(pk=runs[run_id].workspace_id, slug=runs[run_id].slug)
        facts = {"files": len(added_paths), "first": added_paths[0][:200]}
        record(actor=actor, workspace=workspace, action="artifact.add", target=run_id, fields=facts)
    for run_id in {item.run_id for item in added}:
        tell(run_id)


_LOCK = """
SELECT run.id, run.status, run.attempt_no, run.desired, run.deleted IS NOT NULL, run.workspace_id, workspace.slug
FROM runs_run run JOIN workspace_workspace workspace ON workspace.id = run.workspace_id
WHERE run.id = ANY(%s::varchar[]) ORDER BY run.id FOR NO KEY UPDATE OF run
"""
_INSERT = """
INSERT INTO artifacts_artifact (run_id, path, sha256, size, created)
SELECT new.*, now() FROM unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::bigint[])
     AS new(run_id, path, sha256, size)
ON CONFLICT (run_id, path) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size, created = excluded.created
"""


def _share(item: _Item) -> tuple[str, int]:
    # In kilobytes: a group of one run has some megabytes at most.
    return item.run_id, 1 + len(item.data) // 1024


_adder: GroupCommit[_Item, Kept] = GroupCommit("files", _write, _share)
#: (actor, workspace, run) that may write.
_let_in: Believed[tuple[Actor, str, str], Writable] = Believed()
#: How many files a run has, with those that were added here since.
_counts: Believed[str, list[int]] = Believed()


def drain() -> None:
    """Write all that is in line and end the commit thread: the server stops."""
    _adder.close()
