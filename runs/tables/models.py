"""What a workspace keeps about its tables of runs: views by name, pinned runs, and the run that others are held to."""

from django.db import models
from django.db.models import Q

from runs.models import Experiment, Run
from workspace.accounts.models import User
from workspace.models import Workspace


class SavedView(models.Model):
    """A table's query string under a name that everybody in the workspace sees."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="saved_views")
    #: Whose table it is a view of; None for the table of all runs.
    experiment = models.ForeignKey(Experiment, null=True, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=100)
    query = models.TextField(blank=True)
    #: What the experiment's page shows when its address says nothing else.
    is_default = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    updated = models.DateTimeField(auto_now_add=True)
    updated_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="saved_view_name_once"),
            models.UniqueConstraint(
                fields=["experiment"], condition=Q(is_default=True), name="saved_view_default_once"
            ),
        ]


class Mark(models.Model):
    """A run that stands out in its experiment's table, for everybody."""

    class Kind(models.TextChoices):
        PIN = "pin"
        BASELINE = "baseline"

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="marks")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="marks")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "kind"], name="mark_once"),
            models.UniqueConstraint(fields=["experiment"], condition=Q(kind="baseline"), name="baseline_once"),
        ]
        indexes = [models.Index(fields=["experiment", "kind"], name="marks_of_experiment")]
