"""What a workspace keeps secret: names that people see, and values that only the key ring opens."""

from django.db import models
from django.db.models import Q

from workspace.accounts.models import User
from workspace.models import Workspace


class Secret(models.Model):
    id = models.CharField(primary_key=True, max_length=26)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=127)
    description = models.TextField(blank=True)
    #: Empty for people's own. Else the thing that needs it, such as `compute/gpu-box`: nobody sees or names it, and it
    #: goes with that thing.
    held_by = models.CharField(max_length=100, blank=True)
    #: Number of the newest version.
    latest = models.PositiveIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    updated = models.DateTimeField(auto_now_add=True)
    updated_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Since then it can be restored and nothing else; another of the same name may be made.
    deleted = models.DateTimeField(null=True)
    deleted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "held_by", "name"], condition=Q(deleted__isnull=True), name="secret_name_once"
            )
        ]
        indexes = [models.Index(fields=["deleted"], condition=Q(deleted__isnull=False), name="secrets_deleted")]


class SecretVersion(models.Model):
    """One value, as `studio.kernel.envelope` sealed it."""

    secret = models.ForeignKey(Secret, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    #: Which key of the ring wraps the data key.
    kek_id = models.CharField(max_length=60, db_index=True)
    wrapped = models.BinaryField()
    content = models.BinaryField()
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["secret", "number"], name="secret_version_once")]
