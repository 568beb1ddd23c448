"""Files that a run leaves behind."""

from django.db import models

from runs.models import Run


class Artifact(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="artifacts")
    path = models.CharField(max_length=1024)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    #: Of a run on several nodes: which of them left it here (merging.py).
    rank = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: It lies in a folder of its node, because another node left other bytes under its own path.
    aside = models.BooleanField(default=False, db_default=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "path"], name="artifact_path_once")]
        # The constraint's own index is ordered by the database's language and does not find a beginning of a path.
        indexes = [
            models.Index(fields=["run", "path"], name="artifact_by_folder", opclasses=["", "varchar_pattern_ops"])
        ]


class Upload(models.Model):
    """A large file on its way in, part by part; its bytes lie in the store's staging folder until it is whole."""

    id = models.CharField(primary_key=True, max_length=26)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="uploads")
    #: Who began it: an attempt of the run, or a person. Nobody else may go on with it.
    attempt = models.PositiveIntegerField(null=True)
    user_id = models.BigIntegerField(null=True)
    #: Empty: the bytes are stored and become no file of the run by themselves.
    path = models.CharField(max_length=1024, blank=True)
    size = models.BigIntegerField()
    part_size = models.PositiveIntegerField()
    #: What the whole must be; empty = not announced, then the parts' own hashes are checked again.
    sha256 = models.CharField(max_length=64, blank=True)
    #: What it became: a repeated call to complete it gets the same answer.
    result = models.CharField(max_length=64, blank=True)
    touched = models.DateTimeField(auto_now=True)


class UploadPart(models.Model):
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["upload", "number"], name="upload_part_once")]
