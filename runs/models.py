"""Experiments, runs and their attempts.

`Run` is what people see, `Attempt` is one execution. Both change by compare-and-set updates only:
`save()` would write every column and undo another writer's change (an architecture test forbids it).
"""

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce

from runs.snapshots.models import Snapshot
from studio.kernel.documents import QuickDecoder, UnreadJSON
from workspace.accounts.models import User
from workspace.compute.models import ComputeTarget, Node
from workspace.environments.models import EnvironmentVersion
from workspace.models import Workspace
from zaffre import protocol

#: Colours of series: --s1 to --s8 of the pages.
COLOURS = 8


def colour_of(number: int, given: int | None = None) -> int:
    """Which colour is that of the run with this number in its experiment: the same on every page, for everybody.

    `given`: the one that somebody has given it.
    """
    return (number - 1) % COLOURS if given is None else given % COLOURS


class Experiment(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="experiments")
    name = models.CharField(max_length=500)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    #: Where MLflow's client wanted artifacts to lie. Told back, and nothing else: the studio keeps them itself.
    artifact_location = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    #: When its name, tags or place in the lists changed last.
    updated = models.DateTimeField(null=True)
    archived = models.DateTimeField(null=True)
    #: Number of the newest run, counted up in the submit transaction.
    run_counter = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="experiment_name_once")]


class Status(models.TextChoices):
    NOT_STARTED = protocol.NOT_STARTED
    QUEUED = protocol.QUEUED
    STARTING = protocol.STARTING
    PREPARING = protocol.PREPARING
    RUNNING = protocol.RUNNING
    FINALIZING = protocol.FINALIZING
    CANCEL_REQUESTED = protocol.CANCEL_REQUESTED
    COMPLETED = protocol.COMPLETED
    FAILED = protocol.FAILED
    CANCELED = protocol.CANCELED


class Run(models.Model):
    class Kind(models.TextChoices):
        SCRIPT = "script"
        INTERACTIVE = "interactive"

    #: Seconds of the present attempt's lease; set on what a report of progress returns.
    valid_for = 0.0

    id = models.CharField(primary_key=True, max_length=26)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="runs")
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=256)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.SCRIPT)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")

    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    desired = models.CharField(max_length=8, default=protocol.DESIRED_RUN)
    reason_code = models.CharField(max_length=40, blank=True)
    reason = models.TextField(blank=True)
    attempt_no = models.PositiveIntegerField(default=0)
    retries_used = models.PositiveIntegerField(default=0)
    max_retries = models.PositiveIntegerField(default=0)
    #: What it asks of each node, as numbers that a claim can compare; all 0 when it takes a slot.
    cpus = models.FloatField(default=0, db_default=0)
    memory_mb = models.PositiveIntegerField(default=0, db_default=0)
    gpus = models.PositiveSmallIntegerField(default=0, db_default=0)
    wanted_labels = models.JSONField(default=dict, db_default={})
    #: The higher one starts first. As it is now: `config` says what was asked for at submit.
    priority = models.SmallIntegerField(default=0, db_default=0)
    #: Among runs of its priority that wait for its target: people alternate (turns.py).
    turn = models.PositiveIntegerField(default=0, db_default=0)
    #: How many nodes it takes at the same time; the columns above are what it asks of each.
    nodes = models.PositiveSmallIntegerField(default=1, db_default=1)
    #: Earliest time of the next attempt: the growing pause between retries.
    not_before = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    signal = models.IntegerField(null=True)
    #: Last lines of the log at the end, for the failure card without reading the log.
    log_tail = models.TextField(blank=True)

    config = models.JSONField(default=dict)
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.RESTRICT, related_name="runs")
    target = models.ForeignKey(ComputeTarget, null=True, on_delete=models.RESTRICT, related_name="runs")
    environment_version = models.ForeignKey(
        EnvironmentVersion, null=True, on_delete=models.RESTRICT, related_name="runs"
    )
    #: {name: {dataset, version, version_id, mode}} as resolved at submit.
    inputs = models.JSONField(default=dict)
    git = models.JSONField(default=dict)

    #: Who runs it as MLflow's client says; `submitted_by` is who it is.
    client_user = models.CharField(max_length=256, blank=True)
    #: Its client said what it reads or makes (runs/lineage): nobody else costs a question about it.
    has_lineage = models.BooleanField(default=False)
    submitted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField(null=True)
    started = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    #: In the recycle bin since then: out of every list and closed for writing, until it is restored or goes for good.
    #: What went together has the same moment.
    deleted = models.DateTimeField(null=True)
    deleted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Out of the lists that do not ask for it; all else works as before.
    archived = models.DateTimeField(null=True)
    #: The colour that somebody gave it on pages; None for that of its number.
    given_colour = models.PositiveSmallIntegerField(null=True)

    params = models.JSONField(default=dict, decoder=QuickDecoder)
    tags = models.JSONField(default=dict, decoder=QuickDecoder)
    properties = models.JSONField(default=dict)
    #: {key: {kind, last, last_step, min, max, count}}: kept in the transaction that stores the points.
    metrics = models.JSONField(default=dict, decoder=QuickDecoder)
    #: {key: latest value} of the series, written by PostgreSQL from `metrics`: small enough to stay in the row, so that
    #: a search by one metric does not unpack the summaries of every run.
    latest = models.GeneratedField(
        expression=Func(F("metrics"), function="zaffre_latest"), output_field=UnreadJSON(), db_persist=True
    )
    #: What people should know although the run went on, each once (services/warning.py).
    warnings = models.JSONField(default=list)
    #: [{name, state, started, ended, note}] of the present attempt.
    steps = models.JSONField(default=list)

    #: Hash of the one-time ticket of the last hint, and when it was sent.
    ticket_hash = models.CharField(max_length=64, blank=True)
    hinted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["experiment", "number"], name="run_number_once")]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="runs_newest"),
            models.Index(fields=["experiment", "-id"], name="runs_newest_of_experiment"),
            models.Index("experiment", Coalesce("started", "created").desc(), "id", name="runs_begun_of_experiment"),
            # The order in which the runs of a target start; whose they are is asked at each submit.
            models.Index(
                fields=["target", "-priority", "turn", "id"],
                include=["submitted_by"],
                condition=Q(status="queued"),
                name="runs_waiting",
            ),
            # What the reaper looks at for runs past their time: the few that execute, of all that ever did.
            models.Index(
                fields=["started"],
                condition=Q(status__in=["running", "starting", "preparing", "finalizing"]),
                name="runs_executing",
            ),
            models.Index(fields=["workspace", "deleted"], condition=Q(deleted__isnull=False), name="runs_in_bin"),
        ]

    @property
    def colour(self) -> int:
        return colour_of(self.number, self.given_colour)

    @property
    def is_final(self) -> bool:
        return self.status in protocol.FINAL_STATES


class Attempt(models.Model):
    """One execution of a run on one node. Fencing: every write names (run, no) and must be the present one."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts")
    no = models.PositiveIntegerField()
    #: 0 is the node that speaks for the run; a run on several nodes has a row, a seat, for each.
    rank = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: {address, ports} where the other nodes of the run reach this one, once it is ready.
    meeting = models.JSONField(null=True)
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="attempts")
    #: The node's word of chance for this claim: the same node asking again gets the same answer.
    nonce = models.CharField(max_length=64, blank=True)
    token_id = models.CharField(max_length=26, unique=True)
    secret_hash = models.CharField(max_length=64)
    #: The token sealed, so that a repeated claim after a cut answer can be answered the same.
    sealed_token = models.TextField(blank=True)
    lease_until = models.DateTimeField()
    last_seen = models.DateTimeField()
    started = models.DateTimeField(auto_now_add=True)
    #: When the user's code began; None if it never did (a retry then costs nothing).
    launched = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    signal = models.IntegerField(null=True)
    reason_code = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "no", "rank"], name="attempt_once")]
        indexes = [
            models.Index(fields=["lease_until"], condition=Q(ended__isnull=True), name="attempts_held"),
            # What a node has given away; of all that it ever ran, few attempts go on.
            models.Index(fields=["node"], condition=Q(ended__isnull=True), name="attempts_of_node"),
        ]
