"""Files that a run leaves behind."""

from django.db import models

from runs.models import Run


class Artifact(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="artifacts")
    path = models.CharField(max_length=1024)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "path"], name="artifact_path_once")]
        # The constraint's own index is ordered by the database's language and does not find a beginning of a path.
        indexes = [
            models.Index(fields=["run", "path"], name="artifact_by_folder", opclasses=["", "varchar_pattern_ops"])
        ]
