"""Reports: text and comparisons that stay readable after the runs have gone."""

from django.db import models

from workspace.accounts.models import User
from workspace.models import Workspace


class Report(models.Model):
    """Changed by compare-and-swap on `version`: who edits an older one is told, and nothing is overwritten."""

    id = models.CharField(primary_key=True, max_length=26)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="reports")
    title = models.CharField(max_length=200)
    #: [{kind: "text", text} | {kind: "comparison", query, names: {run: name at the time}}] in their order.
    blocks = models.JSONField(default=list)
    version = models.PositiveIntegerField(default=1)
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    changed_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["workspace", "-changed"], name="reports_newest")]
