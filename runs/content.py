"""Which bytes belong to a run: the files of its snapshot and of its inputs, and no others."""

from collections.abc import Sequence
from functools import lru_cache

from runs.fencing import refuse_late
from runs.models import Run
from runs.snapshots.models import Snapshot
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound
from workspace.datasets.models import DatasetVersion


def blob_size(run_id: str, sha256: str, *, actor: Actor) -> int:
    """Return the size in bytes of a file that the running attempt needs.

    Raises NotFound for a hash that is in neither its snapshot nor its inputs, even if the workspace
    holds it: code must not read what its run was not given. Raises Conflict for a lost attempt.
    """
    return blob_sizes(run_id, [sha256], actor=actor)[sha256][1]


def blob_sizes(run_id: str, sha256s: Sequence[str], *, actor: Actor) -> dict[str, tuple[str, int]]:
    """(hash, size in bytes) of several such files, by hash. Raises as `blob_size`."""
    if actor.kind != "run":
        raise Forbidden("This address takes the token of a run.")
    run = Run.objects.filter(pk=run_id).values("status", "attempt_no", "snapshot_id", "inputs").first()
    if run is None or actor.run_id != run_id:
        raise NotFound("This token belongs to another run.")
    refuse_late(status=run["status"], attempt_no=run["attempt_no"], actor=actor)
    versions = [given["version_id"] for given in run["inputs"].values()]
    lists = [_snapshot_sizes(run["snapshot_id"]), *(_version_sizes(version) for version in versions)]
    found = {sha256: sizes[sha256] for sizes in lists for sha256 in sha256s if sha256 in sizes}
    if len(found) < len(set(sha256s)):
        raise NotFound("This file belongs neither to the run's snapshot nor to its inputs.")
    return {sha256: (sha256, size) for sha256, size in found.items()}


# A node fetches thousands of files one after another; both tables are immutable, so a few lists are kept.
@lru_cache(maxsize=16)
def _snapshot_sizes(snapshot_id: str | None) -> dict[str, int]:
    files = Snapshot.objects.filter(pk=snapshot_id).values_list("files", flat=True).first()
    return {entry["sha256"]: entry["size"] for entry in files or []}


@lru_cache(maxsize=16)
def _version_sizes(version_id: int) -> dict[str, int]:
    files = DatasetVersion.objects.filter(pk=version_id).values_list("files", flat=True).first()
    return {entry["sha256"]: entry["size"] for entry in files or []}
