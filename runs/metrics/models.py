"""Series of numbers, stored in chunks of columns rather than a row per point."""

from django.db import models

from runs.models import Run


class MetricChunk(models.Model):
    """Some points of one series. `id` is the sequence that live watchers resume from."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=250)
    count = models.PositiveIntegerField()
    first_step = models.BigIntegerField()
    last_step = models.BigIntegerField()
    #: Little-endian columns one after another: step int64, time ms int64, value float64.
    data = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["run", "key", "id"], name="chunks_of_series")]


class MetricBatch(models.Model):
    """Which batches were taken: a repeat after a cut answer adds nothing."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    batch = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "batch"], name="batch_once")]
