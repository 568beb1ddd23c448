"""What the tabs of a run's page show, beyond the run itself. The caller has opened the row for the actor."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from runs import children, queries, sections, story
from runs.lineage import queries as lineage
from runs.models import Run, Status
from runs.snapshots import browsing
from runs.snapshots import queries as snapshots
from runs.tables.columns import columns
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound

#: Runs in the tree of child runs.
CHILDREN = 500
#: Metrics of the card that holds the run to its baseline.
RESULTS = 14
#: Entries of one box in the graph of where a run came from.
BOX = 40
_GIT_HOSTS = {"github.com", "gitlab.com", "bitbucket.org", "codeberg.org"}


def course(row: Run, told: Mapping[str, Any], *, actor: Actor) -> dict[str, Any]:
    """Its phases, what it waits for, how long it may still take, and why it failed."""
    found = story.phases(told)
    now = story.present(found)
    shown: dict[str, Any] = {
        "phases": found,
        "waits": story.waits_for(told, now, node=getattr(row, "node", None), grace=settings.GRACE_SECONDS),
        "failure": story.failure(told),
        "now": now,
    }
    if row.status == Status.RUNNING and row.kind == Run.Kind.SCRIPT and row.started:
        elapsed = (timezone.now() - row.started).total_seconds()
        guess = story.estimate(queries.took_like(row, actor=actor), elapsed)
        if guess:
            guess |= {"left_text": story.about(guess["left"]), "usual_text": story.about(guess["usual"])}
        shown["estimate"] = guess
    return shown


def overview(ws: str, row: Run, told: Mapping[str, Any], *, actor: Actor) -> dict[str, Any]:
    shown: dict[str, Any] = sections.metrics(row.metrics) | sections.phase(told)
    shown["results"] = results(shown["numbers"])
    shown["lineage"] = lineage.of_run(ws, row, actor=actor)
    # By the relation and not by its class: models are built on runs, and not the other way round.
    shown["logged"] = row.logged_models.filter(deleted__isnull=True).order_by("created") if row.has_lineage else []
    shown["commit_url"] = commit_url(told["git"])
    return shown


def results(numbers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The numbers of the model by name, the shortest names first, as in tables: {key, last, min, max, count}."""
    keys = sorted(numbers, key=lambda key: (len(key), key))[:RESULTS]
    return [{"key": key, **{part: numbers[key].get(part) for part in ("last", "min", "max", "count")}} for key in keys]


def commit_url(git: Mapping[str, Any]) -> str:
    """Where the commit can be looked at, for hosts whose addresses are known; else empty."""
    remote, commit = str(git.get("remote") or ""), str(git.get("commit") or "")
    if remote.startswith("git@") and ":" in remote:
        host, _, path = remote[4:].partition(":")
    else:
        try:
            parts = urlsplit(remote)
        except ValueError:
            return ""
        host, path = parts.hostname or "", parts.path if parts.scheme in ("https", "http", "ssh") else ""
    path = path.strip("/").removesuffix(".git")
    if host not in _GIT_HOSTS or not path or not commit.isalnum():
        return ""
    return f"https://{host}/{path}/commit/{commit}"


def below(ws: str, row: Run, *, actor: Actor) -> dict[str, Any]:
    """The tree of child runs, each with what is below it by status and the metrics that most of them have."""
    rows = children.list_children(ws, row.pk, actor=actor, recursive=True, limit=CHILDREN)
    found = [queries.run_out(one) for one in rows]
    chosen = columns(found, "metrics", most=sections.MOST_COLUMNS)
    drawn = sections.with_cells(sections.rolled_up(sections.tree(found, row.pk)), chosen)
    return {"columns": chosen, "below": drawn, "more": len(found) == CHILDREN, "statuses": sections.by_status(found)}


def snapshot(ws: str, row: Run, given: Mapping[str, str], *, actor: Actor) -> dict[str, Any]:
    """The files of its code as a tree, and the chosen one. Raises NotFound for a path that is not there."""
    if row.snapshot is None:
        return {}
    files = row.snapshot.files
    path = given.get("path", "") or browsing.first(files, str((row.config or {}).get("script") or ""))
    entry = next((one for one in files if one["path"] == path), None)
    if entry is None:
        raise NotFound(f"The snapshot has no file {path[:200]!r}.")
    return {
        "nodes": browsing.tree(files, path),
        "file": entry,
        "text": snapshots.get_text(ws, row.snapshot.pk, path, actor=actor),
    }


def origins(ws: str, row: Run, *, actor: Actor) -> dict[str, Any]:
    """What went in, what came out, the runs that made what went in and those that use what came out."""
    told = lineage.of_run(ws, row, actor=actor)
    logged = list(row.logged_models.filter(deleted__isnull=True).order_by("created")[:BOX])
    versions = list(row.model_versions.select_related("model").order_by("model__name", "version")[:BOX])
    made = [one.pk for one in logged] + [use.model_id for use in told.models_out]
    around = lineage.around(ws, row, taken=[use.model_id for use in told.models_in], made=made, actor=actor)
    datasets = row.inputs or {}
    return {
        "datasets": datasets,
        "lineage": told,
        "logged": logged,
        "versions": versions,
        "before": around.before,
        "after": around.after,
        "bare": not (datasets or told.sources or told.models_in or logged or versions or told.models_out),
    }
