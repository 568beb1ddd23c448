"""The output of an attempt, byte for byte."""

from django.db import models

from runs.models import Run


class Log(models.Model):
    """Length and completeness of one attempt's log."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="logs")
    attempt = models.PositiveIntegerField()
    #: Bytes held; a chunk's insert moves it in the same transaction.
    length = models.BigIntegerField(default=0)
    #: Bytes that the sender had but we did not keep, because the log was full; 0 = nothing is missing.
    elided = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    #: The sender's length and hash matched what is held.
    complete = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "attempt"], name="log_once_per_attempt")]


class LogChunk(models.Model):
    """Bytes [offset, offset + length) of a log; chunks touch each other without gap or overlap."""

    log = models.ForeignKey(Log, on_delete=models.CASCADE, related_name="chunks")
    offset = models.BigIntegerField()
    length = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "offset"], name="log_chunk_once")]
