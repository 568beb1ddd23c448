"""What nodes report of their boards, and which they should keep."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from runs.forms import clean_text
from runs.tensorboards import states
from runs.tensorboards.models import Board
from runs.tensorboards.services.opening import end
from runs.tensorboards.services.placing import place, wait_again
from runs.tensorboards.services.telling import tell
from studio.kernel.actors import Actor
from workspace.compute.addresses import is_socket_of
from workspace.compute.queries import node_of
from zaffre.protocol import BoardSpec

MAX_NOTE, MAX_REASON, MAX_TAIL = 200, 1000, 8000


@transaction.atomic
def sync_boards(*, actor: Actor, epoch: str, boards: Sequence[Mapping[str, Any]]) -> list[BoardSpec]:
    """Take a node's report and return the boards that it should keep: it ends all others.

    Reports about boards of other nodes are passed over. Raises as `node_of`.
    """
    node = node_of(actor=actor, epoch=epoch, action="board.sync")
    told = {str(one.get("id", "")): one for one in boards}
    mine = Board.objects.filter(node=node, state__in=states.LIVE)
    for board in mine.select_related("node", "workspace").order_by("pk"):
        report = told.get(board.pk)
        if report is not None:
            _take(board, report)
        elif board.state == states.READY:
            # The node was started anew: it has what is below from this answer.
            _change(board, {"state": states.STARTING, "address": "", "stage": states.STAGES[0]})
    environment = {"spec": states.ENVIRONMENT}
    return [
        BoardSpec(id=one.pk, workspace=one.workspace.slug, title="TensorBoard", environment=environment)
        for one in mine.select_related("workspace").order_by("pk")
    ]


def _take(board: Board, report: Mapping[str, Any]) -> None:
    state = str(report.get("state", ""))
    if state not in states.REPORTED:
        return
    said = {
        "reason": clean_text(str(report.get("reason") or ""), MAX_REASON),
        "log_tail": clean_text(str(report.get("log_tail") or "")[-MAX_TAIL:], MAX_TAIL),
    }
    if state == states.FAILED:
        Board.objects.filter(pk=board.pk).update(log_tail=said["log_tail"])
        end(board, states.FAILED, said["reason"] or "TensorBoard could not be started.")
        return
    if state != states.READY:
        stage = str(report.get("stage") or "")
        note = clean_text(str(report.get("note") or ""), MAX_NOTE)
        known = stage if stage in states.STAGES else states.STAGES[0]
        _change(board, {"state": states.STARTING, "address": "", "stage": known, "note": note, **said})
        return
    address = str(report.get("address") or "")
    path = address.removeprefix("unix:")
    if not address.startswith("unix:") or not is_socket_of(path, noun="board", name=board.pk):
        end(board, states.FAILED, "Its node gave an address that the studio does not call.")
    elif not _is_here(path):
        _elsewhere(board)
    else:
        # Whoever opened it may have waited long for this: nobody is late yet.
        begun = {} if board.state == states.READY else {"used": Now()}
        _change(board, {"state": states.READY, "address": address, "stage": "", "note": "", **begun, **said})


def _is_here(path: str) -> bool:
    try:
        return Path(path).is_socket()
    except OSError:
        return False


def _elsewhere(board: Board) -> None:
    """The node is on another machine, where nothing of the studio reaches its socket: another node is asked."""
    name = board.node.name if board.node else "Its node"
    avoid = [*board.avoid, board.node_id]
    wait_again(board, avoid=avoid)
    board.avoid, board.node, board.state = avoid, None, states.WAITING
    if not place(board):
        why = (
            f"{name} runs on another machine than the studio, which cannot reach TensorBoard there. "
            "Start a node on the studio's own machine and open it again."
        )
        end(board, states.FAILED, why)


def _change(board: Board, after: dict[str, Any]) -> None:
    news = any(getattr(board, field) != after[field] for field in after.keys() - {"log_tail", "used"})
    # Somebody may have ended it since it was read.
    rows = Board.objects.filter(pk=board.pk, state__in=states.LIVE)
    if rows.update(**after, last_seen=Now()) and news:
        tell(board)
