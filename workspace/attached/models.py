"""A machine that the studio reaches over SSH, and what came of it so far."""

from django.db import models

from workspace.attached import states
from workspace.compute.models import ComputeTarget, Node


class Attachment(models.Model):
    target = models.OneToOneField(ComputeTarget, on_delete=models.CASCADE, related_name="attachment", primary_key=True)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=22)
    username = models.CharField(max_length=64)
    #: How it logs in; the password or the key is kept among the workspace's secrets, held by this target.
    by_key = models.BooleanField(default=True)
    slots = models.PositiveIntegerField(default=1)
    #: Where the machine finds the studio; empty: through a port that our connection forwards.
    studio_url = models.CharField(max_length=300, blank=True)
    #: That port, once the machine has given one: the node knows the studio by it.
    forwarded = models.PositiveIntegerField(null=True)

    #: The machine's key that somebody has confirmed, and one that it showed and nobody has confirmed yet.
    host_key = models.TextField(blank=True)
    shown_key = models.TextField(blank=True)
    #: Take the first key without asking, as scripts need it.
    trust_first = models.BooleanField(default=False)

    state = models.CharField(max_length=12, default=states.CONNECTING)
    #: Why, as a word of workspace/attached/words.py, and what belongs to it, such as a version.
    code = models.CharField(max_length=40, blank=True)
    about = models.TextField(blank=True)
    steps = models.JSONField(default=list)
    log = models.TextField(blank=True)
    failures = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(auto_now_add=True)
    #: What is there: {python, version, home, folder}.
    found = models.JSONField(default=dict)
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="+")
    detaching = models.BooleanField(default=False)
    #: Counted up whenever somebody wants something else: whoever works for an older number stops and writes nothing.
    asked = models.PositiveIntegerField(default=1)


class Host(models.Model):
    """A machine of a pool, from which a cluster of the provider `ssh` takes its nodes."""

    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="hosts")
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=22)
    username = models.CharField(max_length=64)
    #: The workspace's secret that holds its private key or password; empty: it is logged in to as the pool is.
    secret = models.CharField(max_length=127, blank=True, default="", db_default="")
    #: It cannot reach the studio, and comes through a port that our connection forwards: this one, once it gave one.
    forward = models.BooleanField(default=False, db_default=False)
    forwarded = models.PositiveIntegerField(null=True)
    host_key = models.TextField(blank=True)
    shown_key = models.TextField(blank=True)
    trust_first = models.BooleanField(default=False)
    #: The id of the node that it serves now; empty: it is free. Written before anything is started there.
    node = models.CharField(max_length=26, blank=True)
    #: When the client was installed there; it stays while the machine is in the pool.
    prepared = models.DateTimeField(null=True)
    #: Why it cannot be used, as a word of workspace/attached/words.py; when it is tried again, unless a person has to
    #: do something first.
    code = models.CharField(max_length=40, blank=True)
    about = models.TextField(blank=True)
    blocked = models.BooleanField(default=False)
    failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    since = models.DateTimeField(auto_now_add=True)
    #: What is there: {python, version, home, folder}.
    found = models.JSONField(default=dict)
    #: It is to go from the pool, and what is on it with it.
    leaving = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["target", "host", "port"], name="host_once")]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}" if self.port != 22 else self.host

    @property
    def state(self) -> str:
        """One word for pages and scripts: `confirm` waits for a person who knows its key."""
        if self.leaving:
            return "leaving"
        if self.shown_key:
            return "confirm"
        if self.code:
            return "failed" if self.blocked else "unreachable"
        if self.node:
            return "busy"
        return "free" if self.prepared else "installing" if self.host_key else "connecting"
