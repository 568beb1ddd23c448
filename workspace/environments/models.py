"""Environments: named, versioned lists of packages that a run or a deployment needs."""

from django.db import models

from workspace.accounts.models import User
from workspace.models import Workspace


class Environment(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="environments")
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    #: Made by the studio for every workspace.
    curated = models.BooleanField(default=False)
    latest = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="environment_name_once")]


class EnvironmentVersion(models.Model):
    """Immutable. `spec` is zaffre.protocol.EnvironmentSpec."""

    #: Set on what a registration returns when it found its content registered already.
    unchanged = False

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    spec = models.JSONField()
    digest = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "version"], name="environment_version_once")]
