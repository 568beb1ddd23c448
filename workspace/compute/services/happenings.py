"""What happened to a target: nodes that came and went, and why it has its size. Kept for people, and bounded."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from studio.kernel.events import publish
from workspace.compute.models import ComputeTarget, Happening, Sample

KEPT, SAMPLES_KEPT = timedelta(days=30), timedelta(hours=1)


def happened(
    target: ComputeTarget, code: str, *, node: str = "", text: str = "", why: Mapping[str, Any] | None = None
) -> None:
    """Write it down, in the transaction that makes it true, and tell who looks at the page."""
    Happening.objects.create(target=target, code=code, node=node, text=text[:500], why=dict(why or {}))
    publish(f"compute.{target.workspace.slug}", target=target.name)


def forget_old() -> None:
    """What happened long ago is forgotten, and how busy nodes were more than an hour ago."""
    Happening.objects.filter(at__lt=Now() - KEPT).delete()
    Sample.objects.filter(at__lt=Now() - SAMPLES_KEPT).delete()
