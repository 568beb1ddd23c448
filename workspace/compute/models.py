"""Where runs execute: compute targets and the nodes that serve them."""

from django.db import models
from django.db.models import Q

from workspace.accounts.models import User
from workspace.models import Workspace


class ComputeTarget(models.Model):
    class Kind(models.TextChoices):
        #: The studio's own host.
        LOCAL = "local"
        #: One person's machine, started and stopped.
        INSTANCE = "instance"
        #: Nodes that come and go with the work.
        CLUSTER = "cluster"
        #: Machines that the studio reaches and looks after.
        ATTACHED = "attached"
        #: Machines that came by an invitation.
        JOINED = "joined"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="targets")
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.LOCAL)
    description = models.TextField(blank=True)
    #: What this kind lets people choose, as workspace/compute/kinds.py checked it.
    settings = models.JSONField(default=dict)
    #: Whose machine an instance is: nobody else's runs go there.
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Sealed password of the pool's own Redis user, limited to the pool's prefix.
    broker_secret = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    updated = models.DateTimeField(null=True)
    #: Gone since then. The row stays, because runs of the past say where they ran; the name is free again.
    deleted = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=Q(deleted__isnull=True), name="target_name_once"
            )
        ]


class Enrolment(models.Model):
    """Permission for machines to become nodes of a target, until it expires or is revoked."""

    id = models.CharField(primary_key=True, max_length=26)
    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="enrolments")
    secret_hash = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    expires = models.DateTimeField()
    revoked = models.DateTimeField(null=True)


class Node(models.Model):
    """A machine that serves a target. Its token's hash lives here; removing the node kills the token."""

    id = models.CharField(primary_key=True, max_length=26)
    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=80)
    secret_hash = models.CharField(max_length=64)
    #: Random name of the agent's present life; a new one means that it started anew.
    epoch = models.CharField(max_length=40, blank=True)
    #: cpu, memory_gb, python, platform, version, slots, isolation: as the agent reported.
    facts = models.JSONField(default=dict)
    load = models.JSONField(default=dict)
    slots = models.PositiveIntegerField(default=1)
    registered = models.DateTimeField(auto_now_add=True)
    last_seen = models.DateTimeField()
    #: Takes nothing new since then; what runs there goes on to its end.
    draining = models.DateTimeField(null=True)
    removed = models.DateTimeField(null=True)
