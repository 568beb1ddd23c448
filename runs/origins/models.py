"""What a run came from, beyond its snapshot: changes that no commit holds, and what makes two runs the same work."""

from django.db import models

from runs.models import Run


class Patch(models.Model):
    """What differed from the commit when the code was sent, as `git diff` says it, without the files in `left_out`."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, primary_key=True, related_name="patch")
    text = models.TextField()
    left_out = models.JSONField(default=list)


class Likeness(models.Model):
    """The digest of all that decides what a run computes. Runs with equal ones do the same work."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, primary_key=True, related_name="likeness")
    workspace_id = models.BigIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        indexes = [models.Index(fields=["workspace_id", "digest"], name="runs_alike")]
