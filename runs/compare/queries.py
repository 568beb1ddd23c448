"""Reading runs beside each other: the same few statements for two and for two hundred."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from runs.artifacts.models import Artifact
from runs.compare import code, logged, packages, pictures, rows
from runs.compare.choice import MOST
from runs.compare.rows import Facts
from runs.family import may_meet
from runs.forms import no_such_run
from runs.metrics import items
from runs.models import Run
from runs.queries import run_out, shown
from runs.snapshots.queries import get_snapshot
from runs.tables.models import Mark
from studio.kernel import blobs
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound, ZaffreError
from workspace.access import get_workspace

#: Files of runs that are looked at for pictures and lists of packages.
MOST_FILES = 5000
#: Logged tables, and rows that were logged one by one, that are read to be put beside each other.
MOST_TABLES = 2000
#: Bytes of a list of packages that is read.
MOST_LIST = 200_000


@dataclass(frozen=True)
class Missing:
    """A run that cannot be shown; its name where it is known that it was deleted."""

    id: str
    name: str = ""


@dataclass
class Comparison:
    runs: list[Facts]
    missing: list[Missing]
    #: Place of the baseline among `runs`, None without any.
    base: int | None

    @property
    def ids(self) -> list[str]:
        return [run.id for run in self.runs]

    def place(self, run_id: str) -> int | None:
        return next((at for at, run in enumerate(self.runs) if run.id == run_id), None)


def compared(slug: str, ids: Sequence[str], *, actor: Actor, base: str = "") -> Comparison:
    """The runs in the order of `ids`, and which of these cannot be shown: unknown, deleted, another workspace's.

    `base` is the baseline, else that of an experiment, else the first one. Raises Invalid `too_many`, and as
    get_workspace does.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    if len(ids) > MOST:
        raise Invalid(
            gettext("%(most)s runs are the most that can be compared at once.") % {"most": MOST},
            code="too_many",
            field="run",
        )
    asked = [one for one in ids if "\0" not in one and len(one) <= 26]
    found = shown(Run.objects.filter(workspace=workspace, pk__in=asked))
    known = {run.pk: run for run in found if may_meet(run, actor=actor, read=True)}
    present = [_facts(known[one]) for one in ids if one in known and not known[one].deleted]
    gone = [Missing(one[:40], known[one].name if one in known else "") for one in ids if _is_gone(known.get(one))]
    comparison = Comparison(present, gone, 0 if present else None)
    chosen = comparison.place(base) if base else _marked(comparison)
    comparison.base = comparison.base if chosen is None else chosen
    return comparison


def _marked(comparison: Comparison) -> int | None:
    """The place of the first run that is the baseline of its experiment."""
    marked = set(Mark.objects.filter(run__in=comparison.ids, kind=Mark.Kind.BASELINE).values_list("run_id", flat=True))
    return next((at for at, run in enumerate(comparison.runs) if run.id in marked), None)


def _is_gone(run: Run | None) -> bool:
    return run is None or run.deleted is not None


def require(slug: str, ids: Sequence[str], *, actor: Actor, base: str = "") -> Comparison:
    """`compared` for doors that answer whole or not at all.

    Raises Invalid `too_few` for less than two runs, NotFound that names the first that there is not.
    """
    if len(ids) < 2:
        raise Invalid(
            gettext("A comparison takes at least two runs."),
            code="too_few",
            hint=gettext("Name them with ?run=…&run=…"),
            field="run",
        )
    found = compared(slug, ids, actor=actor, base=base)
    if found.missing:
        raise no_such_run(slug, found.missing[0].id)
    if base and found.place(base) is None:
        raise NotFound(
            gettext("The baseline %(base)s is not among the runs.") % {"base": repr(base[:40])}, run=base[:40]
        )
    return found


def _facts(run: Run) -> Facts:
    told = run_out(run)
    environment = run.environment_version
    spec: Mapping[str, Any] = environment.spec if environment else {}
    return Facts(
        id=run.pk,
        number=run.number,
        name=run.name,
        experiment=run.experiment.name,
        status=run.status,
        reachable=told["reachable"],
        final=run.is_final,
        colour=run.colour,
        snapshot=run.snapshot_id,
        git=run.git,
        sections={
            "attributes": _attributes(run, told),
            "params": run.params,
            "tags": run.tags,
            "inputs": {name: f"{one['dataset']}:{one['version']}" for name, one in told["inputs"].items()},
            "environment": {"environment": told["environment"], "python": spec.get("python"), "kind": spec.get("kind")},
            "configuration": _configuration(run.config),
            "properties": run.properties,
        },
        metrics=run.metrics,
    )


def _attributes(run: Run, told: Mapping[str, Any]) -> dict[str, Any]:
    end: datetime | None = run.ended or getattr(run, "asked", None)
    return {
        "status": run.status,
        "reason": run.reason or None,
        "exit_code": run.exit_code,
        "experiment": run.experiment.name,
        "submitted_by": told["submitted_by"],
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "duration": (end - run.started).total_seconds() if run.started and end else None,
        "compute": told["target"],
        "attempt": run.attempt_no or None,
        "snapshot": run.snapshot_id,
        "git_branch": run.git.get("branch"),
        "git_commit": run.git.get("commit"),
        "git_changed": run.git.get("dirty"),
        "git_remote": run.git.get("remote"),
        "description": run.description or None,
    }


def _configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the run was told to do, one line for each word; who began it is no setting."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if key in {"code_of", "code_attempt", "inputs", "environment", "target"} or value in (None, [], {}, ""):
            continue
        if isinstance(value, dict):
            found |= {f"{key}.{name}": one for name, one in value.items()}
        else:
            found[key] = " ".join(map(str, value)) if isinstance(value, list) else value
    return found


def code_between(slug: str, old: Facts, new: Facts, *, actor: Actor) -> tuple[list[code.Change], int]:
    """What is not the same in the snapshots of two runs, and how many files are. Raises NotFound without a snapshot."""
    lists = [get_snapshot(slug, one.snapshot or "", actor=actor).files for one in (old, new)]
    return code.changes(*lists)


def file_between(change: code.Change, *, actor: Actor) -> code.FileDiff:
    """The difference of one file that `code_between` told the actor of. Damaged or lost bytes count as binary."""
    if actor.kind == "anonymous" or code.is_big(change):
        return code.FileDiff("big")
    try:
        held = [blobs.read_small(entry["sha256"]) if entry else b"" for entry in (change.old, change.new)]
    except ZaffreError:
        return code.FileDiff("lost")
    return code.compare(*held)


def packages_of(slug: str, comparison: Comparison, *, actor: Actor) -> dict[str, list[rows.Row]]:
    """{asked, recorded: rows}: what the environments ask for, and what the runs wrote of what was installed.

    The latter is a requirements.txt among the files of a run: what the node wrote to logs/ when it made the
    environment, else what MLflow's client writes beside a model.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    mine = Run.objects.filter(workspace=workspace, pk__in=comparison.ids)
    specs = dict(mine.values_list("pk", "environment_version__spec"))
    asked = [packages.asked_for(specs.get(run)) for run in comparison.ids]
    files = Artifact.objects.filter(run__workspace=workspace, run__in=comparison.ids, path__endswith="requirements.txt")
    lists: dict[str, tuple[str, str]] = {}
    told = files.filter(size__lte=MOST_LIST).order_by("path").values_list("run_id", "path", "sha256")[:MOST_FILES]
    for run_id, path, sha256 in told:
        if run_id not in lists or _rank(path) < _rank(lists[run_id][0]):
            lists[run_id] = (path, sha256)
    read = {sha256: _lines_of(sha256) for _, sha256 in lists.values()}
    recorded = [packages.named(read[lists[run][1]]) if run in lists else {} for run in comparison.ids]
    return {"asked": rows.section(asked), "recorded": rows.section(recorded)}


def installed(slug: str, run: Run, *, actor: Actor) -> tuple[str, list[str]]:
    """(path, lines) of the list of packages that a run wrote down, as `packages_of` finds it; empty when it did not."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    files = Artifact.objects.filter(run__workspace=workspace, run=run, path__endswith="requirements.txt")
    told = list(files.filter(size__lte=MOST_LIST).values_list("path", "sha256")[:MOST_FILES])
    if not told:
        return "", []
    path, sha256 = min(told, key=lambda one: (*_rank(one[0]), one[0]))
    return path, _lines_of(sha256)


def _rank(path: str) -> tuple[bool, int]:
    """Of several lists the node's own is taken, else the one that lies least deep."""
    return path != "logs/requirements.txt", path.count("/")


def _lines_of(sha256: str) -> list[str]:
    try:
        return blobs.read_small(sha256).decode(errors="replace").splitlines()
    except ZaffreError:
        return []


def pictures_of(slug: str, comparison: Comparison, *, actor: Actor) -> tuple[list[pictures.Shelf], bool]:
    """The pictures of the runs by what they are called, each with its steps; True when there are more than are read."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    mine = {"run__workspace": workspace, "run__in": comparison.ids}
    files = Artifact.objects.filter(**mine, path__iregex=pictures.PATTERN).order_by("path")
    found = list(files.values_list("run_id", "path")[: MOST_FILES + 1])
    logged = items.pictures(comparison.ids, limit=MOST_FILES)
    return pictures.shelves(found[:MOST_FILES], logged), len(found) > MOST_FILES


def tables_of(slug: str, comparison: Comparison, *, actor: Actor) -> tuple[list[logged.Merged], bool]:
    """The tables that the runs logged, those of one name as one; True when there are more than are read."""
    get_workspace(slug, actor=actor, action="run.read")
    found = items.tables(comparison.ids, limit=MOST_TABLES + 1)
    return logged.merged(found[:MOST_TABLES]), len(found) > MOST_TABLES
