"""Keeping what a run leaves behind."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from runs.artifacts.forms import too_many_files
from runs.artifacts.merging import Merged, merged
from runs.artifacts.models import Artifact
from runs.artifacts.telling import tell
from runs.fencing import admit, hold_own_run, refuse_late_row
from runs.models import Run
from studio.kernel import db, manifests, paths
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound, TooLarge
from workspace.audit.services import record
from zaffre.protocol import FileEntry

#: Files of one call, and of one run.
MOST_FILES = 20_000
MOST_OF_A_RUN = 100_000
MOST_BYTES = 2**62


@transaction.atomic
def add_artifacts(
    run_id: str,
    *,
    actor: Actor,
    files: Sequence[Mapping[str, Any]],
    workspace: str | None = None,
    late: bool = False,
) -> int:
    """Make uploaded bytes files of the run; returns how many. A path that is there gets the new bytes.

    `workspace` is the slug of the user door, None on the agent door. Raises as `runs.fencing` does for who may
    not write to this run or comes too late (`stale_attempt`, `final`), Invalid for unsafe or doubled paths and
    bytes that the workspace does not hold, TooLarge over the limits. All of the files are taken, or none.
    With `late` a person's interactive run takes more after its end.
    """
    admit(run_id, actor=actor, workspace=workspace)
    run = open_run(run_id, actor=actor, late=late)
    return add_to(run, actor=actor, files=files)


def add_to(run: Run, *, actor: Actor, files: Sequence[Mapping[str, Any]]) -> int:
    """`add_artifacts` to a run that the caller has opened and locked, in the caller's transaction."""
    if len(files) > MOST_FILES:
        raise TooLarge(f"{len(files)} files, and one call takes at most {MOST_FILES}.", code="too_many_files")
    manifest = manifests.check(
        [{"path": _text(item, "path"), "sha256": _text(item, "sha256")} for item in files],
        workspace_id=run.workspace_id,
        max_files=MOST_FILES,
        max_bytes=MOST_BYTES,
    )
    several = of_several(run.nodes, actor=actor)
    rank = actor.rank if several else 0
    found = _merge(run, manifest, rank=rank) if several else Merged(list(manifest))
    # A script may have made such a folder itself: a path is written once.
    kept = {entry["path"]: (entry, False) for entry in found.files}
    kept |= {entry["path"]: (entry, True) for entry in found.aside}
    _refuse_too_many(run, list(kept))
    Artifact.objects.bulk_create(
        [
            Artifact(run_id=run.pk, path=path, sha256=entry["sha256"], size=entry["size"], rank=rank, aside=aside)
            for path, (entry, aside) in kept.items()
        ],
        batch_size=2000,
        update_conflicts=True,
        unique_fields=["run", "path"],
        update_fields=["sha256", "size", "rank", "aside", "created"],
    )
    if actor.is_user and manifest:
        facts = {"files": len(manifest), "first": manifest[0]["path"][:200]}
        record(actor=actor, workspace=run.workspace, action="artifact.add", target=run.pk, fields=facts)
    tell(run.pk)
    return len(manifest)


def of_several(nodes: int, *, actor: Actor) -> bool:
    """Whether files come from one of several nodes, so that those of others have to be looked at."""
    return nodes > 1 and actor.kind == "run"


def _merge(run: Run, manifest: Sequence[FileEntry], *, rank: int) -> Merged:
    """What a node of several leaves, under the paths that are its own; what has to give way is moved."""
    rows = Artifact.objects.filter(run=run, path__in=[entry["path"] for entry in manifest])
    held = {path: (owner, sha256) for path, owner, sha256 in rows.values_list("path", "rank", "sha256")}
    found = merged(manifest, held, rank=rank)
    if any(len(path) > paths.MAX_PATH for path in (*found.moved.values(), *(entry["path"] for entry in found.aside))):
        raise Invalid("A path is too long for a folder of its own node.", field="files")
    for path, to in found.moved.items():
        Artifact.objects.filter(run=run, path=to).delete()
        Artifact.objects.filter(run=run, path=path).update(path=to, aside=True)
    if found.gone:
        Artifact.objects.filter(run=run, path__in=found.gone, rank=rank, aside=True).delete()
    return found


@transaction.atomic
def remove_artifacts(run_id: str, path: str, *, actor: Actor, workspace: str | None = None, late: bool = False) -> int:
    """Take a file, or a folder with all below it, out of the run; returns how many files.

    Raises as `add_artifacts` does for who may not write, NotFound when nothing lies at `path`.
    """
    admit(run_id, actor=actor, workspace=workspace)
    run = open_run(run_id, actor=actor, late=late)
    inside = paths.clean(path)
    count, _ = Artifact.objects.filter(Q(path=inside) | Q(path__startswith=f"{inside}/"), run=run).delete()
    if not count:
        raise NotFound(f"The run has no file {inside[:200]!r}.")
    if actor.is_user:
        facts = {"files": count, "first": inside[:200]}
        record(actor=actor, workspace=run.workspace, action="artifact.remove", target=run.pk, fields=facts)
    tell(run.pk)
    return count


def open_run(run_id: str, *, actor: Actor, late: bool) -> Run:
    """The run, locked until the commit: its end, or another attempt, comes wholly before or wholly after."""
    hold_own_run(run_id, actor=actor)
    rows = Run.objects.select_for_update(of=("self",), no_key=True).select_related("workspace")
    run = rows.filter(pk=run_id.replace("\0", "")).first()
    if run is None:
        raise NotFound(f"There is no run {run_id[:40]!r}.")
    refuse_late_row(run, actor=actor, late=late)
    return run


def _refuse_too_many(run: Run, paths: list[str]) -> None:
    ((count,),) = db.ask("SELECT count(*) FROM artifacts_artifact WHERE run_id = %(run)s", {"run": run.pk})
    if count + len(paths) <= MOST_OF_A_RUN:
        return
    if count + len(paths) - Artifact.objects.filter(run=run, path__in=paths).count() > MOST_OF_A_RUN:
        raise too_many_files(MOST_OF_A_RUN)


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""
