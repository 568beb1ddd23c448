"""Datasets: named, versioned lists of files."""

from django.db import models

from workspace.accounts.models import User
from workspace.models import Workspace


class Dataset(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    latest = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="dataset_name_once")]


class DatasetVersion(models.Model):
    """Immutable: the files of one version never change."""

    #: Set on what a registration returns when it found its content registered already.
    unchanged = False

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    files = models.JSONField()  # FileEntry list, in the order of their paths
    digest = models.CharField(max_length=64)
    file_count = models.PositiveIntegerField()
    size = models.BigIntegerField()
    #: Made of one file and not of a folder: a script is given the path of that file.
    single_file = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "version"], name="dataset_version_once")]
