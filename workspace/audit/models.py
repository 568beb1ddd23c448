"""The history of who did what, appended in the transaction of the deed."""

from django.db import models

from workspace.models import Workspace


class Entry(models.Model):
    at = models.DateTimeField(auto_now_add=True)
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.SET_NULL, related_name="audit_entries")
    #: Kept apart from the key: the line outlives a deleted workspace.
    workspace_slug = models.CharField(max_length=32, blank=True)
    actor_kind = models.CharField(max_length=12)
    actor_name = models.CharField(max_length=150)
    credential = models.CharField(max_length=26, blank=True)
    address = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=300, blank=True)
    #: Names of changed fields, or small facts; never a secret's value.
    fields = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["workspace", "-id"], name="audit_by_workspace")]
        verbose_name_plural = "entries"
