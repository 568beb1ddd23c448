"""Giving boards to nodes."""

from typing import Any

from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone

from runs.tensorboards import states
from runs.tensorboards.models import Board, BoardRun
from runs.tensorboards.services.telling import hint_node
from workspace.compute.models import Node
from workspace.compute.queries import is_online

NO_NODE = "No node of this workspace is online. It starts as soon as one is."


def place(board: Board) -> bool:
    """Give a waiting board to the online node with the fewest of them, of the compute of its runs if possible.

    One that gets none waits, and says why.
    """
    node = _choose(board)
    rows = Board.objects.filter(pk=board.pk, state=states.WAITING)
    if node is None:
        rows.exclude(reason=NO_NODE).update(reason=NO_NODE)
        return False
    # Somebody may place at the same time: only one of us finds it waiting.
    if not rows.update(node=node, state=states.STARTING, stage=states.STAGES[0], reason="", last_seen=Now()):
        return False
    board.node = node
    hint_node(board)
    return True


def wait_again(board: Board, **more: Any) -> bool:
    """Have a live board wait for a node as in the beginning; False when somebody ended it."""
    rows = Board.objects.filter(pk=board.pk, state__in=states.LIVE)
    return bool(rows.update(state=states.WAITING, node=None, address="", stage="", note="", reason="", **more))


def _choose(board: Board) -> Node | None:
    targets = set(BoardRun.objects.filter(board=board).values_list("run__target_id", flat=True))
    nodes = Node.objects.filter(target__workspace_id=board.workspace_id, draining__isnull=True, removed__isnull=True)
    loaded = nodes.exclude(pk__in=board.avoid).annotate(held=Count("boards", filter=Q(boards__state__in=states.LIVE)))
    moment = timezone.now()
    online = [node for node in loaded.order_by("held", "-last_seen") if is_online(node, moment)]
    near = [node for node in online if node.target_id in targets]
    return next(iter(near or online), None)
