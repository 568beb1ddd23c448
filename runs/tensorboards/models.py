"""TensorBoards that nodes run for people who look at runs."""

from django.db import models

from runs.models import Run
from runs.tensorboards import states
from workspace.accounts.models import User
from workspace.compute.models import Node
from workspace.models import Workspace


class Board(models.Model):
    """One start of TensorBoard for one set of runs. The next start is another row."""

    class State(models.TextChoices):
        WAITING = states.WAITING
        STARTING = states.STARTING
        READY = states.READY
        STOPPED = states.STOPPED
        FAILED = states.FAILED

    id = models.CharField(primary_key=True, max_length=26)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="boards")
    #: Names the set of runs: a hash of their ids.
    key = models.CharField(max_length=64)
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="boards")
    #: Ids of nodes whose board could not be reached from here.
    avoid = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    #: What a starting one does, and how far it is: as its node says.
    stage = models.CharField(max_length=20, blank=True)
    note = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    log_tail = models.TextField(blank=True)
    #: unix:/path, as its node reported.
    address = models.CharField(max_length=300, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    #: When its node spoke of it last, and when somebody looked at it last.
    last_seen = models.DateTimeField(null=True)
    used = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "key"], condition=models.Q(state__in=states.LIVE), name="board_live_once"
            )
        ]
        indexes = [
            models.Index(fields=["node"], condition=models.Q(state__in=states.LIVE), name="boards_of_node"),
            models.Index(fields=["workspace", "key", "-id"], name="boards_newest"),
        ]


class BoardRun(models.Model):
    """A run of a board, and the name of the folder that holds its files."""

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="shown")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    label = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["board", "run"], name="board_run_once")]
