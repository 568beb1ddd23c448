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
    #: {name: value}, for people and their scripts; nothing here reads them.
    tags = models.JSONField(default=dict, db_default={})
    #: What this kind lets people choose, as workspace/compute/kinds.py checked it.
    settings = models.JSONField(default=dict)
    #: Whose machine an instance is: nobody else's runs go there.
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Of an instance: what it is doing, as workspace/compute/lifecycle.py knows it. Others have no state of their own.
    state = models.CharField(max_length=12, blank=True)
    #: Why a cluster has its size, or an instance its state: a word for programs, {code, numbers} that
    #: workspace/compute/words.py puts into words, what nobody can put into other words, and since when.
    reason_code = models.CharField(max_length=20, blank=True)
    why = models.JSONField(default=dict, db_default={})
    reason = models.TextField(blank=True)
    since = models.DateTimeField(null=True)
    #: Of an instance: somebody asked that it be not stopped before then, and when its schedule was looked at last.
    kept_until = models.DateTimeField(null=True)
    scheduled = models.DateTimeField(null=True)
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

    @property
    def shown_state(self) -> str:
        """Its state as people see it, of a row with `online`, `present`, `running` and `machine`, as the room's
        queries do."""
        online, present, running = (getattr(self, name, 0) for name in ("online", "present", "running"))
        if self.kind == self.Kind.INSTANCE:
            return self.state
        if self.kind != self.Kind.CLUSTER:
            # An attached machine that is not ready says how far it came; one that is has a node, which may be silent.
            machine = getattr(self, "machine", None) or ""
            unheard = machine if machine not in {"", "running"} else "offline" if present else "no_machine"
            return "online" if online else unheard
        if running:
            return "running"
        if self.reason_code == "failing":
            return "unusable"
        if not present:
            return "no_nodes"
        return "idle" if online else "preparing"


class Node(models.Model):
    """A machine that serves a target. Its token's hash lives here; removing the node kills the token."""

    class State(models.TextChoices):
        #: Its machine is being started.
        PREPARING = "preparing"
        #: It takes runs, as long as it is heard of.
        READY = "ready"
        #: It goes when what runs there has ended.
        LEAVING = "leaving"
        #: It did not come up, or fell silent.
        UNUSABLE = "unusable"
        #: Its machine was taken away.
        PREEMPTED = "preempted"
        #: Its machine is off, and its disk is kept.
        STOPPED = "stopped"

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
    #: Who starts and stops its machine (workspace/compute/providers); empty for one that came by an invitation.
    provider = models.CharField(max_length=20, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.READY)
    since = models.DateTimeField(null=True)
    #: Whether its machine is to run, and when it was seen to be gone after it was not.
    wanted = models.BooleanField(default=True)
    ended = models.DateTimeField(null=True)
    #: What the provider calls the machine, and how often it was started.
    handle = models.JSONField(default=dict)
    #: Why it is unusable, as {code, numbers} for words.py; what others said of it, such as the last lines of its agent.
    why = models.JSONField(default=dict, db_default={})
    note = models.TextField(blank=True)
    idle_since = models.DateTimeField(null=True)
    #: The end of the agent's own log, sent while somebody looks at it.
    said = models.TextField(blank=True)
    said_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    #: The environments that it keeps, as `shelves.clean_shelf` has it; empty before the first report.
    shelf = models.JSONField(default=dict)
    #: What somebody wants removed from it: {digest: when that was asked}, until it is gone, or in use after all.
    evicting = models.JSONField(default=dict, db_default={})
    #: When the last sample of its load was kept.
    sampled = models.DateTimeField(null=True)
    #: Takes nothing new since then; what runs there goes on to its end.
    draining = models.DateTimeField(null=True)
    removed = models.DateTimeField(null=True)

    @property
    def shown_state(self) -> str:
        """Its state as people see it: a ready node is idle or running, leaving, or offline when it is not heard of.

        Of a row with `online` and `busy`, as the room's queries return them.
        """
        if self.state != self.State.READY:
            return str(self.state)
        if not getattr(self, "online", False):
            return "offline"
        if self.draining is not None:
            return "leaving"
        return "running" if getattr(self, "busy", 0) else "idle"


class Enrolment(models.Model):
    """Permission for machines to become nodes of a target, until it expires or is revoked."""

    id = models.CharField(primary_key=True, max_length=26)
    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="enrolments")
    #: Admits this node only, which the studio starts itself.
    node = models.ForeignKey(Node, null=True, on_delete=models.CASCADE, related_name="enrolments")
    secret_hash = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    expires = models.DateTimeField()
    revoked = models.DateTimeField(null=True)


class Sample(models.Model):
    """How busy a node was at one moment; kept for an hour."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    load = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["node", "at"], name="samples_of_node")]


class Happening(models.Model):
    """What happened to a target: a node came or went, somebody did something with one, or it has another size."""

    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="happenings")
    at = models.DateTimeField(auto_now_add=True)
    code = models.CharField(max_length=20)
    node = models.CharField(max_length=80, blank=True)
    #: More about it: {code, numbers} for words.py, or words that nobody translates, such as a person's name.
    why = models.JSONField(default=dict, db_default={})
    text = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["target", "-id"], name="happenings_newest")]
