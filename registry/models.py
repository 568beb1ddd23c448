"""Models: named, versioned files that runs produced."""

from django.db import models

from runs.models import Run
from workspace.accounts.models import User
from workspace.models import Workspace


class Model(models.Model):
    """A registry entry. (A Django class of this kind is called a table in this project's prose.)"""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    latest = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="model_name_once")]


class ModelVersion(models.Model):
    """Immutable files with their story: the run they came from, framework, tags."""

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    files = models.JSONField()  # FileEntry list
    size = models.BigIntegerField()
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="model_versions")
    framework = models.CharField(max_length=40, blank=True)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    properties = models.JSONField(default=dict)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "version"], name="model_version_once")]
