"""How much of the compute a workspace and its people may use at once."""

from django.db import models
from django.db.models import Q

from workspace.accounts.models import User
from workspace.models import Workspace


class Quota(models.Model):
    """One limit. An amount that is None is not limited."""

    class Scope(models.TextChoices):
        #: Of the whole workspace, set by administrators of the site.
        SITE = "site"
        #: Of the whole workspace, set by its owners.
        WORKSPACE = "workspace"
        #: Of each person in it, or of one: `user`.
        USER = "user"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="quotas")
    scope = models.CharField(max_length=12, choices=Scope.choices)
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    runs = models.PositiveIntegerField(null=True)
    cpus = models.PositiveIntegerField(null=True)
    gpus = models.PositiveIntegerField(null=True)
    nodes = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "scope", "user"], nulls_distinct=False, name="quota_once"),
            models.CheckConstraint(condition=Q(user__isnull=True) | Q(scope="user"), name="quota_of_a_user"),
        ]
