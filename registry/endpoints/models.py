"""Real-time endpoints, their deployments and the replicas that answer."""

from django.db import models

from registry.endpoints import states
from registry.models import ModelVersion
from runs.snapshots.models import Snapshot
from workspace.accounts.models import User
from workspace.compute.models import ComputeTarget, Node
from workspace.environments.models import EnvironmentVersion
from workspace.models import Workspace


class Endpoint(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="endpoints")
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    #: Two keys, so that one can be rotated while the other works; sealed, because they are shown again.
    #: The hashes are SHA-256 of the whole key, without the pepper of other tokens: the gateway compares with them,
    #: and it must not hold the studio's secret. 256 random bits cannot be guessed from a hash.
    primary_sealed = models.TextField()
    secondary_sealed = models.TextField()
    primary_hash = models.CharField(max_length=64)
    secondary_hash = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="endpoint_name_once")]


class Deployment(models.Model):
    """A model version with its scoring code, packaged immutably. An update is a new deployment."""

    class State(models.TextChoices):
        TRANSITIONING = states.TRANSITIONING
        HEALTHY = states.HEALTHY
        UNHEALTHY = states.UNHEALTHY
        FAILED = states.FAILED
        RETIRED = states.RETIRED

    #: States in which its replicas are kept alive.
    LIVE = (State.TRANSITIONING, State.HEALTHY, State.UNHEALTHY)

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deployments")
    number = models.PositiveIntegerField()
    model_version = models.ForeignKey(ModelVersion, on_delete=models.RESTRICT, related_name="deployments")
    code = models.ForeignKey(Snapshot, on_delete=models.RESTRICT, related_name="+")
    entry_script = models.CharField(max_length=300)
    environment_version = models.ForeignKey(EnvironmentVersion, on_delete=models.RESTRICT, related_name="deployments")
    target = models.ForeignKey(ComputeTarget, on_delete=models.RESTRICT, related_name="deployments")
    replicas_wanted = models.PositiveIntegerField(default=1)
    traffic = models.PositiveIntegerField(default=0)  # percent
    state = models.CharField(max_length=14, choices=State.choices, default=State.TRANSITIONING)
    reason = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Since when another deployment answers instead; its replicas still finish what they were asked.
    retired = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "number"], name="deployment_number_once")]

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE


class Replica(models.Model):
    """One process of a deployment on one node."""

    class State(models.TextChoices):
        WAITING = states.WAITING
        STARTING = states.STARTING
        READY = states.READY
        FAILED = states.FAILED
        STOPPED = states.STOPPED

    id = models.CharField(primary_key=True, max_length=26)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="replicas")
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="replicas")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    wanted = models.BooleanField(default=True)
    #: unix:/path or http://host:port, as its node reported.
    address = models.CharField(max_length=300, blank=True)
    reason = models.TextField(blank=True)
    log_tail = models.TextField(blank=True)
    last_seen = models.DateTimeField(null=True)
    created = models.DateTimeField(auto_now_add=True)
