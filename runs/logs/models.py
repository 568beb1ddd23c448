"""The output of an attempt, byte for byte."""

from django.db import models

from runs.lines.span import Span
from runs.models import Run


class Log(models.Model):
    """Length and completeness of one attempt's log: bytes [0, head) and [head + elided, length) are held."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="logs")
    attempt = models.PositiveIntegerField()
    #: Bytes that the program wrote, as far as we were told; a chunk's insert moves it in the same transaction.
    length = models.BigIntegerField(default=0)
    #: Where the bytes begin that are left out, and how many they are; 0 and 0 = nothing is missing.
    head = models.BigIntegerField(default=0)
    elided = models.BigIntegerField(default=0)
    #: How many lines have ended, those of bytes that are left out too; null = written before lines were counted.
    newlines = models.BigIntegerField(default=0, null=True)
    #: Bytes were left out whose lines nobody counted: numbers behind them are lower than the program's.
    uncounted = models.BooleanField(default=False)
    sha256 = models.CharField(max_length=64, blank=True)
    #: The sender's length and hash matched what is held.
    complete = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "attempt"], name="log_once_per_attempt")]

    @property
    def span(self) -> Span:
        return Span(self.head, self.head + self.elided, self.length) if self.elided else Span(length=self.length)


class LogChunk(models.Model):
    """Bytes [offset, offset + length) of a log; chunks touch each other, but for what is left out."""

    log = models.ForeignKey(Log, on_delete=models.CASCADE, related_name="chunks")
    offset = models.BigIntegerField()
    length = models.PositiveIntegerField()
    #: How many lines ended before `offset`; null as in `Log.newlines`.
    first_line = models.BigIntegerField(null=True)
    data = models.BinaryField()
    #: When and by which stream the bytes were written (`marks.pack`), from `offset` on; null = nobody said.
    marks = models.BinaryField(null=True)
    #: The time of the first mark that has one, in ms since 1970: where in a log a moment lies.
    time = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "offset"], name="log_chunk_once")]
