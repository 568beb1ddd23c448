"""Runs with what is compared: parameters, metrics, code and files."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from runs.artifacts.models import Artifact
from runs.models import Run
from runs.snapshots.models import Snapshot
from studio.kernel import blobs
from studio.kernel.ids import ulid
from tests.pages.conftest import languages  # noqa: F401 - a fixture
from tests.runs.telemetry import make_run  # noqa: F401 - a fixture


def series(last: Any, *, least: Any = None, most: Any = None) -> dict[str, Any]:
    low, high = (last if one is None else one for one in (least, most))
    return {"kind": "list", "last": last, "min": low, "max": high}


@pytest.fixture
def told(make_run: Callable[..., Any], lab: Any) -> Callable[..., str]:  # noqa: F811
    """`told(name="one", params={…}, files={…})` → the id of a run that has this; `files` are its snapshot."""

    def tell(*, files: dict[str, bytes] | None = None, artifacts: dict[str, bytes] | None = None, **facts: Any) -> str:
        run = make_run(status=facts.pop("status", "completed"), kind="interactive")
        if files is not None:
            facts["snapshot"] = snapshot_of(lab, files)
        Run.objects.filter(pk=run.id).update(**facts)
        for path, data in (artifacts or {}).items():
            sha256, size = blobs.put([data], workspace_id=lab.pk)
            Artifact.objects.create(run_id=run.id, path=path, sha256=sha256, size=size)
        return run.id

    return tell


def snapshot_of(lab: Any, files: dict[str, bytes]) -> Snapshot:
    entries = []
    for path, data in sorted(files.items()):
        sha256, size = blobs.put([data], workspace_id=lab.pk)
        entries.append({"path": path, "sha256": sha256, "size": size, "mode": 0o644})
    digest = hashlib.sha256(repr(entries).encode()).hexdigest()
    return Snapshot.objects.create(
        id=ulid(), workspace=lab, digest=digest, files=entries, file_count=len(entries), size=0
    )


def where(ids: list[str] | tuple[str, ...], **words: str) -> str:
    pairs = [("run", one) for one in ids] + list(words.items())
    return "/w/lab/compare?" + "&".join(f"{key}={value}" for key, value in pairs)
