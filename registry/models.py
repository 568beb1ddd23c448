"""Models: named, versioned files that runs produced."""

from django.db import models

from runs.models import Run
from workspace.accounts.models import User
from workspace.models import Workspace


class Model(models.Model):
    """A registry entry. (A Django class of this kind is called a table in this project's prose.)"""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=256)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    #: The highest number that a version ever had.
    latest = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="model_name_once")]


class Stage(models.TextChoices):
    """How far a version has come, for those who work with stages; aliases say the same more freely."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


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
    #: Where it was said to come from; empty for the files of a run, and for uploaded ones.
    source = models.TextField(blank=True)
    run_link = models.TextField(blank=True)
    #: The run as its maker named it, which may be one of another server.
    client_run = models.CharField(max_length=256, blank=True)
    #: The logged model that it was registered from, by its id.
    logged_model = models.CharField(max_length=34, blank=True)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.NONE)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "version"], name="model_version_once")]


class ModelAlias(models.Model):
    """A name for one version of a model, such as `champion`, which moves to another one when people say so."""

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="aliases")
    alias = models.CharField(max_length=255)
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="aliases")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "alias"], name="model_alias_once")]
