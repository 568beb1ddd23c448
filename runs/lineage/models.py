"""What went into runs and what came out of them, as their clients say it."""

from django.db import models

from runs.models import Experiment, Run

#: The tag of a use that says what a dataset was for.
CONTEXT = "mlflow.data.context"


class Source(models.Model):
    """A dataset as a client describes it. Runs that use the same one share the row: profiles may be large."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=500)
    digest = models.CharField(max_length=36)
    source_type = models.CharField(max_length=500)
    source = models.TextField()
    schema = models.TextField(blank=True)
    profile = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "name", "digest"], name="lineage_source_once")]


class SourceUse(models.Model):
    """A run that read a dataset; `tags` say for what, such as mlflow.data.context=training."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="source_uses")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="uses")
    tags = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "source"], name="lineage_use_once")]

    @property
    def context(self) -> str:
        """What the dataset was for, such as training; empty when nobody said."""
        return str(self.tags.get(CONTEXT, ""))


class ModelUse(models.Model):
    """A logged model that went into a run, or came out of it at a step. By its id: models are another room's."""

    class Direction(models.TextChoices):
        INPUT = "input"
        OUTPUT = "output"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="model_uses")
    model_id = models.CharField(max_length=34)
    direction = models.CharField(max_length=6, choices=Direction.choices)
    step = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "model_id", "direction"], name="lineage_model_once"),
        ]
        indexes = [models.Index(fields=["model_id"], name="lineage_of_model")]
