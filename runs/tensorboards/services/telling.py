"""Telling others that a board changed: whoever has one of its runs on a page, and the nodes of a target."""

from runs.tensorboards.models import Board, BoardRun
from studio.kernel.events import publish
from studio.kernel.jobs import hint_pool
from zaffre.protocol import SYNC_TASK


def tell(board: Board) -> None:
    """After the commit: whoever looks at a run of it."""
    for run_id in BoardRun.objects.filter(board=board).values_list("run_id", flat=True):
        publish(f"run.{run_id}", t="run")


def hint_node(board: Board) -> None:
    """Have the node of a board ask which it should keep."""
    if board.node is not None:
        hint_pool(board.node.target_id, SYNC_TASK)
