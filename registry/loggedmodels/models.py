"""Logged models: what a training wrote as its model, before anybody gives it a name in the registry."""

from django.db import models

from runs.models import Experiment, Run
from workspace.accounts.models import User
from workspace.models import Workspace


class LoggedModel(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending"
        READY = "ready"
        FAILED = "failed"

    #: `m-` and 32 hexadecimal digits, as MLflow's clients recognize them.
    id = models.CharField(primary_key=True, max_length=34)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="logged_models")
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="logged_models")
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="logged_models")
    name = models.CharField(max_length=500)
    kind = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    params = models.JSONField(default=dict)
    tags = models.JSONField(default=dict)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now_add=True)
    #: Hidden everywhere; its files stay while the experiment does.
    deleted = models.DateTimeField(null=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["experiment", "-created"], name="logged_model_newest"),
            models.Index(fields=["run", "name"], name="logged_model_of_run"),
        ]


class LoggedFile(models.Model):
    model = models.ForeignKey(LoggedModel, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "path"], name="logged_file_once")]


class LoggedMetric(models.Model):
    """A number that a run measured of the model, perhaps on a dataset."""

    model = models.ForeignKey(LoggedModel, on_delete=models.CASCADE, related_name="metrics")
    run_id = models.CharField(max_length=26)
    key = models.CharField(max_length=250)
    value = models.FloatField()
    step = models.BigIntegerField()
    #: Milliseconds since 1970, as the client says.
    time = models.BigIntegerField()
    dataset_name = models.CharField(max_length=500, blank=True)
    dataset_digest = models.CharField(max_length=36, blank=True)

    class Meta:
        constraints = [
            # A repeated call adds nothing.
            models.UniqueConstraint(
                fields=["model", "key", "time", "step", "run_id", "dataset_name", "dataset_digest"],
                name="logged_metric_once",
            )
        ]
