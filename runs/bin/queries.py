"""Reading the recycle bin, and what the deletion of runs frees.

A file counts as freed when no other row of the workspace names it: not another run, a snapshot, a dataset or a model.
What other workspaces hold is not told, so it is counted as if there were none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Func, IntegerField, QuerySet, Sum
from django.utils import timezone

from runs.children import trees
from runs.filters import Tree, parse_tree
from runs.logs.models import LogChunk
from runs.metrics.models import MetricChunk, MetricItem
from runs.models import Run
from runs.queries import get_run
from runs.search import condition, look
from studio.kernel import store
from studio.kernel.actors import Actor
from workspace.access import can, get_workspace
from workspace.models import Workspace

#: Entries of the bin on one page, and runs that one question is about.
PAGE, MOST = 100, 1000

# Of each file of each tree: its size, and whether all runs of the workspace that name it are in this tree.
_FILES = """
WITH tree AS (SELECT * FROM unnest(%s::varchar[], %s::varchar[]) AS pairs (root, id)),
mine AS (
    SELECT tree.root, file.sha256, max(file.size) AS size, count(DISTINCT file.run_id) AS runs
    FROM tree JOIN artifacts_artifact AS file ON file.run_id = tree.id GROUP BY 1, 2
),
everywhere AS (
    SELECT file.sha256, count(DISTINCT file.run_id) AS runs
    FROM artifacts_artifact AS file JOIN runs_run AS run ON run.id = file.run_id
    WHERE run.workspace_id = %s AND file.sha256 IN (SELECT sha256 FROM mine) GROUP BY 1
)
SELECT mine.root, mine.sha256, mine.size, mine.runs = everywhere.runs FROM mine JOIN everywhere USING (sha256)
"""


@dataclass
class Freed:
    """Bytes that go with some runs: of files that nothing else names, of logs, of metrics and logged items."""

    runs: int = 0
    files: int = 0
    log: int = 0
    metrics: int = 0
    #: Of files that something else names, too: they stay.
    shared: int = 0

    @property
    def size(self) -> int:
        return self.files + self.log + self.metrics

    def out(self) -> dict[str, int]:
        """As the JSON door tells it."""
        told = {"runs": self.runs, "files": self.files, "log": self.log, "metrics": self.metrics}
        return {**told, "shared": self.shared, "bytes": self.size}


@dataclass
class Binned:
    """A deleted run with what went into the bin together with it."""

    run: Run
    freed: Freed
    #: Seconds until it goes for good.
    left: float
    #: The actor may restore it, or remove it now.
    mine: bool

    @property
    def days(self) -> int:
        """Days that are left, the begun one counts."""
        return int(self.left // 86400) + 1 if self.left > 0 else 0

    @property
    def below(self) -> int:
        return self.freed.runs - 1


def freed(slug: str, run_ids: Sequence[str], *, actor: Actor) -> Freed:
    """What goes with these runs and all that is below them, together. Unknown ones are left out."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    below = trees(workspace, list(run_ids)[:MOST])
    all_of_them = sorted({one for ids in below.values() for one in ids})
    return _freed(workspace, {"all": all_of_them})["all"]


def list_bin(slug: str, *, actor: Actor, page: int = 1, filter: str = "") -> list[Binned]:
    """The recycle bin, the last deleted first: one entry for what went together, `PAGE` of them.

    `filter`: of the runs that were deleted themselves, as the tables of runs read it. Raises Invalid `bad_filter`.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    start = PAGE * (max(1, page) - 1)
    roots, tree = _fitting(workspace, filter)
    return _binned(workspace, look(tree, lambda: list(roots[start : start + PAGE])), actor=actor)


def get_binned(slug: str, run_id: str, *, actor: Actor) -> Binned | None:
    """A run of the bin as an entry; None for one that is not deleted. Raises NotFound."""
    run = get_run(slug, run_id, actor=actor, deleted=True)
    if run.deleted is None:
        return None
    rows = _shown(Run.objects.filter(pk=run.pk))
    return _binned(run.workspace, list(rows), actor=actor)[0]


def count_bin(slug: str, *, actor: Actor, filter: str = "") -> int:
    """How many entries the bin has. Raises as `list_bin` does."""
    roots, tree = _fitting(get_workspace(slug, actor=actor, action="run.read"), filter)
    return look(tree, roots.count)


def _fitting(workspace: Workspace, filter: str) -> tuple[QuerySet[Run], Tree | None]:
    tree = parse_tree(filter) if filter.strip() else None
    roots = _roots(workspace)
    return (roots if tree is None else roots.filter(condition(tree))), tree


def _roots(workspace: Workspace) -> QuerySet[Run]:
    # What went with the run above it is part of that one's entry.
    rows = Run.objects.filter(workspace=workspace, deleted__isnull=False)
    return _shown(rows.exclude(parent__deleted=F("deleted"))).order_by("-deleted", "-pk")


def _shown(rows: QuerySet[Run]) -> QuerySet[Run]:
    told = ("name", "number", "status", "deleted", "submitted_by_id", "parent_id", "experiment__name")
    people = ("deleted_by__username", "deleted_by__display_name")
    return rows.select_related("experiment", "deleted_by").only(*told, *people)


def _binned(workspace: Workspace, roots: list[Run], *, actor: Actor) -> list[Binned]:
    below = trees(workspace, [run.pk for run in roots])
    moments = dict(
        Run.objects.filter(pk__in=[one for ids in below.values() for one in ids]).values_list("pk", "deleted")
    )
    together = {run.pk: [one for one in below[run.pk] if moments.get(one) == run.deleted] for run in roots}
    sizes = _freed(workspace, together)
    any_of_them = can(workspace, actor=actor, action="run.delete_any")
    mine = any_of_them or can(workspace, actor=actor, action="run.delete")
    keeps, now = timedelta(seconds=settings.BIN_SECONDS), timezone.now()
    return [
        Binned(
            run,
            sizes[run.pk],
            left=max(0.0, ((run.deleted or now) + keeps - now).total_seconds()),
            mine=mine and (any_of_them or run.submitted_by_id == actor.user_id),
        )
        for run in roots
    ]


def _freed(workspace: Workspace, groups: Mapping[str, Sequence[str]]) -> dict[str, Freed]:
    """Of each group of runs, what goes with it: a few statements for all of them."""
    found = {root: Freed(runs=len(ids)) for root, ids in groups.items()}
    pairs = [(root, one) for root, ids in groups.items() for one in ids]
    if not pairs:
        return found
    owner: dict[str, list[str]] = {}
    for root, one in pairs:
        owner.setdefault(one, []).append(root)
    for run_id, size in _lengths(LogChunk.objects.values("log__run_id"), "log__run_id", F("length"), list(owner)):
        for root in owner[run_id]:
            found[root].log += size
    for table, columns in ((MetricChunk, ("data", "parts")), (MetricItem, ("value",))):
        for column in columns:
            measured = Func(F(column), function="octet_length", output_field=IntegerField())
            for run_id, size in _lengths(table._default_manager.values("run_id"), "run_id", measured, list(owner)):
                for root in owner[run_id]:
                    found[root].metrics += size
    for root, size, alone in _files(workspace, pairs):
        if alone:
            found[root].files += size
        else:
            found[root].shared += size
    return found


def _lengths(rows: QuerySet[Any], key: str, measured: Any, run_ids: list[str]) -> list[tuple[str, int]]:
    summed = rows.filter(**{f"{key}__in": run_ids}).annotate(size=Sum(measured)).order_by().values_list(key, "size")
    return [(run_id, int(size or 0)) for run_id, size in summed]


def _files(workspace: Workspace, pairs: list[tuple[str, str]]) -> list[tuple[str, int, bool]]:
    """(group, size, nothing else names it) of each file of each group."""
    with connection.cursor() as cursor:
        cursor.execute(_FILES, [[root for root, _ in pairs], [one for _, one in pairs], workspace.pk])
        rows = cursor.fetchall()
    asked = {sha256 for _, sha256, _, alone in rows if alone}
    named: set[str] = set()
    if asked:
        for one in store.all_names():
            if one.model != "artifacts.Artifact":
                named |= one.among(sorted(asked), workspace_id=workspace.pk)
    return [(root, size, alone and sha256 not in named) for root, sha256, size, alone in rows]
