"""Series of numbers, stored in chunks of columns rather than a row per point, and what is no number as items."""

from django.db import models

from runs.models import Run


class MetricChunk(models.Model):
    """Some points of one series. `id` is the sequence that live watchers resume from.

    A run's chunks are inserted under the run's row lock, so within a run the order of ids is the
    order of commits: whoever has seen id N has seen all that came before it.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=250)
    count = models.PositiveIntegerField()
    first_step = models.BigIntegerField()
    last_step = models.BigIntegerField()
    #: Little-endian columns one after another: step int64, time ms int64, value float64.
    data = models.BinaryField()
    #: Of a merged chunk: the ids it was merged from and the points of each (int64 columns: id, count),
    #: so that a watcher who has some of them is not told them twice. `id` is the highest of them.
    parts = models.BinaryField(default=b"")
    #: What the merge sums a full chunk up to (runs/metrics/pyramid.py): of all its points, and of each few of them in
    #: `fine`. A chart of a long series reads these instead of the points. All null until the merge came by.
    first_time = models.BigIntegerField(null=True)
    last_time = models.BigIntegerField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    total = models.FloatField(null=True)
    odd = models.PositiveIntegerField(null=True)
    fine = models.BinaryField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["run", "key", "id"], name="chunks_of_series"),
            models.Index(fields=["run", "id"], name="chunks_of_run"),
        ]


class MetricItem(models.Model):
    """Something logged that is no number: a text, rows of a table, an image, a chart. `id` is the order of logging."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=250)
    kind = models.CharField(max_length=20)
    step = models.BigIntegerField(null=True)
    #: Milliseconds since 1970.
    time = models.BigIntegerField()
    description = models.TextField(blank=True)
    rows = models.PositiveIntegerField(default=1)
    #: JSON as it was sent: jsonb would forget -0.0 and refuse NUL in a text.
    value = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["run", "key", "id"], name="items_of_key"),
            models.Index(fields=["run", "id"], name="items_of_run"),
        ]


class MetricBatch(models.Model):
    """Which batches were taken: a repeat after a cut answer adds nothing."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    batch = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "batch"], name="batch_once")]
