"""A snapshot as both of its doors show it."""

from typing import Any

from runs.snapshots.models import Snapshot


def snapshot_out(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.pk,
        "digest": snapshot.digest,
        "file_count": snapshot.file_count,
        "size": snapshot.size,
        "created": snapshot.created,
    }
