"""What the tabs of a run's page show, beyond the run itself. The caller has opened the row for the actor."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from runs import children, queries, sections, story
from runs.cloning import CLONED_FROM
from runs.compare import code
from runs.compare import queries as comparing
from runs.compare.rows import delta, number
from runs.lineage import queries as lineage
from runs.models import Run, Status
from runs.origins.known import origin_out
from runs.origins.queries import REPRODUCES, agreement
from runs.seatlist import seats
from runs.snapshots import browsing
from runs.snapshots import queries as snapshots
from runs.tables.columns import columns
from runs.tables.queries import baseline_of
from studio.kernel import markdown
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound

#: Runs in the tree of child runs.
CHILDREN = 500
#: Metrics of the card that holds the run to its baseline.
RESULTS = 14
#: Entries of one box in the graph of where a run came from.
BOX = 40
#: Files whose differences are in the page at once, and their bytes; the others come when they are opened.
OPEN_FILES, OPEN_BYTES = 12, 200_000
_GIT_HOSTS = {"github.com", "gitlab.com", "bitbucket.org", "codeberg.org"}


def course(row: Run, told: Mapping[str, Any], *, actor: Actor) -> dict[str, Any]:
    """Its phases, what it waits for, how long it may still take, and why it failed."""
    found = story.phases(told)
    now = story.present(found)
    shown: dict[str, Any] = {
        "phases": found,
        "waits": story.waits_for(told, now, node=getattr(row, "node", None), grace=settings.GRACE_SECONDS),
        "failure": story.failure(told),
        "kids": queries.count_children(row, actor=actor),
        "now": now,
    }
    if row.status == Status.RUNNING and row.kind == Run.Kind.SCRIPT and row.started:
        elapsed = (timezone.now() - row.started).total_seconds()
        guess = story.estimate(queries.took_like(row, actor=actor), elapsed)
        if guess:
            guess |= {"left_text": story.about(guess["left"]), "usual_text": story.about(guess["usual"])}
        shown["estimate"] = guess
    return shown


def measured(row: Run, told: Mapping[str, Any], *, actor: Actor) -> dict[str, Any]:
    """What the run measured, each number of the model with its `delta` from the baseline of the experiment."""
    shown: dict[str, Any] = sections.metrics(row.metrics) | sections.phase(told)
    baseline = baseline_of(row.experiment, actor=actor)
    shown["is_baseline"] = baseline is not None and baseline.pk == row.pk
    shown["baseline"] = None if shown["is_baseline"] else baseline
    base = shown["baseline"].metrics if shown["baseline"] else {}
    shown["numbers"] = {
        key: {**one, "delta": delta(number(one.get("last")), number((base.get(key) or {}).get("last")))}
        for key, one in shown["numbers"].items()
    }
    return shown


def overview(ws: str, row: Run, told: Mapping[str, Any], *, actor: Actor) -> dict[str, Any]:
    shown = measured(row, told, actor=actor)
    shown["results"] = results(shown["numbers"])
    shown["notes"] = markdown.render(row.description)
    shown["lineage"] = lineage.of_run(ws, row, actor=actor)
    # By the relation and not by its class: models are built on runs, and not the other way round.
    shown["logged"] = row.logged_models.filter(deleted__isnull=True).order_by("created") if row.has_lineage else []
    shown["commit_url"] = commit_url(told["git"])
    shown["seats"] = seats(ws, row, actor=actor)
    return shown | origin(ws, row, actor=actor)


def origin(ws: str, row: Run, *, actor: Actor) -> dict[str, Any]:
    """The identical run before this one, and whether this one's numbers are those of the run that it reproduces."""
    shown: dict[str, Any] = {"origin": origin_out(row)}
    if row.properties.get(REPRODUCES):
        try:
            found = agreement(ws, row.pk, actor=actor)
        except NotFound:
            return shown  # the other one was deleted
        names = {"code": _("code"), "environment": _("environment"), "data": _("data"), "words": _("words")}
        found["same"] = [(names[what], same) for what, same in found["same"].items()]
        found["metrics"] = [{**one, "delta": delta(one["second"], one["first"])} for one in found["metrics"]]
        shown["agreement"] = found
    return shown


def results(numbers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Some numbers of the model by name, the shortest names first, as in tables."""
    keys = sorted(numbers, key=lambda key: (len(key), key))[:RESULTS]
    parts = ("last", "min", "max", "count", "delta")
    return [{"key": key, **{part: numbers[key].get(part) for part in parts}} for key in keys]


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
    """The files of its code as a tree and the chosen one, or with `against` what differs from another run's.

    Raises NotFound for a path that is not there.
    """
    if row.snapshot is None:
        return {}
    shown = beside(ws, row, given, actor=actor)
    if shown["other"] is not None and not shown["other"].snapshot_id:
        shown |= {"other": None, "no_other": _("%(name)s has no snapshot.") % {"name": shown["other"].name}}
    if shown["other"] is not None:
        return shown | _code_between(ws, row, shown["other"], shown["view"], actor=actor)
    files = row.snapshot.files
    path = given.get("path", "") or browsing.first(files, str((row.config or {}).get("script") or ""))
    entry = next((one for one in files if one["path"] == path), None)
    if entry is None:
        raise NotFound(_("The snapshot has no file %(path)s.") % {"path": repr(path[:200])})
    text = snapshots.get_text(ws, row.snapshot.pk, path, actor=actor)
    return shown | {
        "nodes": browsing.tree(files, path),
        "file": entry,
        "text": text,
        "patch": getattr(row, "patch", None),
    }


def _code_between(ws: str, row: Run, other: Run, view: str, *, actor: Actor) -> dict[str, Any]:
    old, new = comparing.compared(ws, [other.pk, row.pk], actor=actor).runs
    changes, same = comparing.code_between(ws, old, new, actor=actor)
    counts, diffs, left = Counter(one.state for one in changes), list[dict[str, Any]](), OPEN_BYTES
    for at, change in enumerate(changes):
        size = sum(entry["size"] for entry in (change.old, change.new) if entry)
        opened = at < OPEN_FILES and change.state != "moved" and not code.is_big(change) and size <= left
        left -= size if opened else 0
        diff = comparing.file_between(change, actor=actor) if opened else None
        diffs.append({"at": at, "change": change, "diff": diff, "big": code.is_big(change)})
    zero = dict.fromkeys(("added", "removed", "changed", "moved"), 0)
    return {"diffs": diffs, "same": same, "counts": {**zero, **counts}}


def environment(ws: str, row: Run, given: Mapping[str, str], *, actor: Actor) -> dict[str, Any]:
    """What its environment asks for and what was installed, or with `against` what differs from another run's."""
    shown = beside(ws, row, given, actor=actor)
    if shown["other"] is None:
        path, lines = comparing.installed(ws, row, actor=actor)
        return shown | {"lock": lines, "lock_path": path}
    pair = comparing.compared(ws, [shown["other"].pk, row.pk], actor=actor)
    found = comparing.packages_of(ws, pair, actor=actor)
    labels = {"asked": _("Asked for by the environment"), "recorded": _("Installed, as the run wrote it down")}
    shown["packages"] = [
        {
            "label": labels[name],
            "rows": [one for one in rows if one.differs],
            "same": sum(not one.differs for one in rows),
        }
        for name, rows in found.items()
        if rows
    ]
    return shown


def beside(ws: str, row: Run, given: Mapping[str, str], *, actor: Actor) -> dict[str, Any]:
    """The run that the address wants to hold this one to, by its id or its name, and those that come to mind."""
    word = given.get("against", "").strip()[:300]
    shown: dict[str, Any] = {"against": word, "other": None, "no_other": "", "mode": given.get("mode", "")}
    shown["view"] = "split" if shown["mode"] == "split" else "unified"
    shown["nearby"] = _nearby(ws, row, actor=actor)
    if word:
        shown["other"] = queries.find_run(ws, word, experiment=row.experiment_id, actor=actor)
        if shown["other"] is None:
            shown["no_other"] = _("There is no run %(word)s in this workspace.") % {"word": word[:80]}
        elif shown["other"].pk == row.pk:
            shown |= {"other": None, "no_other": _("This is the run itself. Name another one.")}
    return shown


def _nearby(ws: str, row: Run, *, actor: Actor) -> list[tuple[str, Run]]:
    """Runs that people want to compare with: the one above, the one that it was cloned from, the baseline, the last."""
    wanted = {_("Parent"): row.parent_id, _("Cloned from"): row.properties.get(CLONED_FROM)}
    baseline = baseline_of(row.experiment, actor=actor)
    wanted[_("Baseline")] = baseline.pk if baseline else None
    wanted[_("Run before")] = queries.run_before(row, actor=actor)
    known = {one.pk: one for one in queries.list_by_id(ws, [str(pk) for pk in wanted.values() if pk], actor=actor)}
    found: dict[str, tuple[str, Run]] = {}
    for label, pk in wanted.items():
        if pk in known and pk != row.pk:
            found.setdefault(str(pk), (label, known[str(pk)]))
    return list(found.values())


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
        "bare": not (datasets or told.sources or told.models_in or made or versions or row.snapshot),
    }
