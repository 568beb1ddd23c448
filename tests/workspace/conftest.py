"""Shared by the tests of the workspace's rooms."""

from collections.abc import Callable, Mapping

import pytest
from rest_framework.test import APIClient

from studio.kernel import blobs
from workspace.audit.models import Entry
from workspace.models import Workspace

#: Everybody who may knock; None is a visitor.
EVERYBODY = ("olga", "carl", "rio", "mallory", "ada", None)

Files = list[dict[str, str]]
Upload = Callable[[Mapping[str, bytes]], Files]
Enter = Callable[[str | None], APIClient]


@pytest.fixture
def upload(lab: Workspace) -> Upload:
    """`upload({"a.csv": b"…"})` stores bytes for `lab` and returns the manifest that names them."""

    def store(contents: Mapping[str, bytes]) -> Files:
        return [
            {"path": path, "sha256": blobs.put([content], workspace_id=lab.pk)[0]} for path, content in contents.items()
        ]

    return store


@pytest.fixture
def trail() -> Callable[[], list[tuple[str, str, str]]]:
    """`trail()` is the audit trail as (actor, action, target), oldest first."""

    def read() -> list[tuple[str, str, str]]:
        return list(Entry.objects.order_by("pk").values_list("actor_name", "action", "target"))

    return read
