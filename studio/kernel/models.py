"""Tables that no room owns: the outbox, repeated requests, and which workspace holds which blob."""

from django.db import models


class Outbox(models.Model):
    """A message to the queue, written in the transaction that makes it true; the relay sends it."""

    class Lane(models.TextChoices):
        CONTROL = "control"
        POOL = "pool"

    lane = models.CharField(max_length=8, choices=Lane.choices, default=Lane.CONTROL)
    #: Celery task name, such as `registry.publish_routes`.
    task = models.CharField(max_length=100)
    args = models.JSONField(default=list)
    #: Compute target whose nodes should hear it; control lane: null.
    pool_id = models.BigIntegerField(null=True)
    created = models.DateTimeField(auto_now_add=True)
    sent = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], condition=models.Q(sent__isnull=True), name="outbox_unsent")]


class IdempotencyKey(models.Model):
    """The first answer to a POST that named a key; a repeat within 24 h gets the same one."""

    owner = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_once")]


class BlobRef(models.Model):
    """Proof that somebody of this workspace sent these bytes.

    Without it, knowing a hash would be enough to read another workspace's file.
    """

    workspace_id = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    created = models.DateTimeField(auto_now_add=True)
    #: When a collection first found that no row of the workspace names it; whoever asks for it makes it null again.
    unnamed = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["sha256"], name="blob_by_hash")]
        constraints = [models.UniqueConstraint(fields=["workspace_id", "sha256"], name="blob_once_per_workspace")]
