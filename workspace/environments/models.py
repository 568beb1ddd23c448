"""Environments: named, versioned lists of packages that a run or a deployment needs."""

from django.db import models

from workspace.accounts.models import User
from workspace.compute.models import ComputeTarget, Node
from workspace.environments import states
from workspace.models import Workspace


class Environment(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="environments")
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    #: Made by the studio for every workspace.
    curated = models.BooleanField(default=False)
    latest = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="environment_name_once")]


class EnvironmentVersion(models.Model):
    """Immutable. `spec` is zaffre.protocol.EnvironmentSpec."""

    #: Set on what a registration returns when it found its content registered already.
    unchanged = False

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    spec = models.JSONField()
    digest = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "version"], name="environment_version_once")]


class EnvironmentLock(models.Model):
    """What a version was resolved to, for one Python and for every platform (`any`) or one. The first one stays."""

    version = models.ForeignKey(EnvironmentVersion, on_delete=models.CASCADE, related_name="locks")
    python = models.CharField(max_length=8)
    platform = models.CharField(max_length=40)
    #: Exact packages with the hashes of their files, as an installer reads them.
    requirements = models.TextField()
    sha256 = models.CharField(max_length=64)
    packages = models.PositiveIntegerField()
    #: Which node asked the index.
    node_name = models.CharField(max_length=80, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "python", "platform"], name="environment_lock_once")]


class EnvironmentBuild(models.Model):
    """One making of a version on one node: because somebody asked for it, or because a run needed it."""

    class Status(models.TextChoices):
        QUEUED = states.QUEUED
        RUNNING = states.RUNNING
        SUCCEEDED = states.SUCCEEDED
        FAILED = states.FAILED
        CANCELED = states.CANCELED

    id = models.CharField(primary_key=True, max_length=26)
    version = models.ForeignKey(EnvironmentVersion, on_delete=models.CASCADE, related_name="builds")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    #: Where it was asked for; None for what a run made necessary.
    target = models.ForeignKey(ComputeTarget, null=True, on_delete=models.CASCADE, related_name="builds")
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="builds")
    node_name = models.CharField(max_length=80, blank=True)
    #: The run whose node built it, if it was for one.
    run = models.CharField(max_length=26, blank=True)
    #: Made anew where a node has it already.
    again = models.BooleanField(default=False)
    cancel_requested = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    started = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    last_seen = models.DateTimeField(null=True)
    #: Seconds and bytes on the node, how many packages, which Python, and the lock's SHA-256.
    seconds = models.FloatField(null=True)
    size = models.BigIntegerField(null=True)
    packages = models.PositiveIntegerField(null=True)
    python = models.CharField(max_length=20, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    #: Of a failure: one sentence, the package at fault, and the requirement that asks for it.
    reason = models.TextField(blank=True)
    package = models.CharField(max_length=120, blank=True)
    line = models.CharField(max_length=500, blank=True)
    log = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["version", "-id"], name="builds_newest"),
            models.Index(fields=["target", "id"], condition=models.Q(status="queued"), name="builds_waiting"),
            models.Index(fields=["node"], condition=models.Q(status="running"), name="builds_of_node"),
        ]
