"""Snapshots: the code of a run as a manifest of content-addressed files."""

from django.db import models

from workspace.models import Workspace


class Snapshot(models.Model):
    """Immutable; the same tree in the same workspace is the same row."""

    #: Set on what a creation returns when it found its tree known already.
    unchanged = False

    id = models.CharField(primary_key=True, max_length=26)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="snapshots")
    digest = models.CharField(max_length=64)
    files = models.JSONField()  # FileEntry list, in the order of their paths
    file_count = models.PositiveIntegerField()
    size = models.BigIntegerField()
    created = models.DateTimeField(auto_now_add=True)
    #: When somebody last sent the same tree again: a run of it may follow.
    sent_again = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="snapshot_once_per_tree")]
