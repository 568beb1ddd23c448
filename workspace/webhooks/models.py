"""Where a workspace tells the outside what happens in it, and what became of each telling."""

from django.db import models

from workspace.accounts.models import User
from workspace.models import Workspace


class Webhook(models.Model):
    id = models.CharField(primary_key=True, max_length=26)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(max_length=63)
    description = models.TextField(blank=True)
    url = models.CharField(max_length=2000)
    #: What signs the messages, sealed; empty: they are not signed.
    sealed_secret = models.TextField(blank=True)
    #: Names of `workspace.webhooks.events`.
    events = models.JSONField()
    active = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")


class Delivery(models.Model):
    """One message: written in the transaction of what it tells, kept for a week after its end."""

    id = models.CharField(primary_key=True, max_length=26)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=60)
    #: The bytes that are sent and signed, the same at every try.
    body = models.TextField()
    tries = models.PositiveIntegerField(default=0)
    #: When it is tried next; null once it was taken or given up.
    due = models.DateTimeField(null=True)
    delivered = models.DateTimeField(null=True)
    status = models.PositiveIntegerField(null=True)
    error = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["due"], condition=models.Q(due__isnull=False), name="deliveries_due"),
            models.Index(fields=["webhook", "-id"], name="deliveries_newest"),
        ]
