"""Reading boards: for pages, for who looks through one, and for the node that runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from runs.artifacts.models import Artifact
from runs.models import Run
from runs.tensorboards import states
from runs.tensorboards.models import Board, BoardRun
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from workspace.access import get_workspace
from workspace.models import Workspace
from zaffre.protocol import FINAL_STATES, FileEntry

OPEN = "tensorboard.open"


@dataclass(frozen=True, slots=True)
class Files:
    """The event files of a board's runs, and how many there were no room for."""

    files: list[FileEntry]
    left_out: int
    growing: bool


def runs_of(slug: str, run_ids: Sequence[str], *, actor: Actor) -> tuple[Workspace, list[Run]]:
    """The workspace and these runs of it, by number. Raises Invalid for none or too many, NotFound."""
    workspace = get_workspace(slug, actor=actor, action=OPEN)
    wanted = {one.replace("\0", "") for one in run_ids if one}
    if not wanted:
        raise Invalid(_("Name at least one run."), field="runs")
    if len(wanted) > states.MOST_RUNS:
        most = _("A TensorBoard shows %(most)s runs at most, and these are %(wanted)s.")
        raise Invalid(most % {"most": states.MOST_RUNS, "wanted": len(wanted)}, field="runs")
    rows = Run.objects.filter(workspace=workspace, pk__in=wanted, deleted__isnull=True)
    found = list(rows.select_related("experiment").order_by("pk"))
    if len(found) < len(wanted):
        missing = sorted(wanted - {run.pk for run in found})[0]
        raise NotFound(_("There is no run %(run_id)s in %(slug)s.") % {"run_id": repr(missing[:40]), "slug": slug})
    return workspace, found


def event_files(run_ids: Sequence[str]) -> QuerySet[Artifact]:
    """The event files of runs that the caller may read."""
    return Artifact.objects.filter(run__in=list(run_ids), path__contains="tfevents", path__regex=states.EVENT_FILE)


def has_event_files(run_ids: Sequence[str]) -> bool:
    """Whether runs that the caller may read left something for TensorBoard."""
    return event_files(run_ids).exists()


def can_show(run_ids: Sequence[str]) -> bool:
    """Whether one board shows all of these runs, which the caller may read, and has something to show."""
    return has_event_files(run_ids) and len(run_ids) <= states.MOST_RUNS


def newest_board(slug: str, run_ids: Sequence[str], *, actor: Actor) -> Board | None:
    """The board of exactly these runs: the live one, else the one that ended last. Raises as `runs_of`."""
    workspace, found = runs_of(slug, run_ids, actor=actor)
    key = states.key_of(run.pk for run in found)
    rows = Board.objects.filter(workspace=workspace, key=key).select_related("node", "created_by", "workspace")
    return rows.order_by("-pk").first()


def get_board(slug: str, board_id: str, *, actor: Actor) -> Board:
    """One board. Raises NotFound."""
    workspace = get_workspace(slug, actor=actor, action=OPEN)
    rows = Board.objects.filter(workspace=workspace, pk=board_id.replace("\0", ""))
    found = rows.select_related("node", "created_by", "workspace").first()
    if found is None:
        raise NotFound(
            _("There is no TensorBoard %(board_id)s in %(slug)s.") % {"board_id": repr(board_id[:40]), "slug": slug}
        )
    return found


def reach(slug: str, board_id: str, *, actor: Actor) -> str:
    """The socket of a board, for who may look at it. Raises as `get_board`, Conflict `stopped`, `not_ready`."""
    board = get_board(slug, board_id, actor=actor)
    if board.state not in states.LIVE:
        raise Conflict(
            _("This TensorBoard was stopped."), code="stopped", hint=_("Open it again on the page of the run.")
        )
    if board.state != states.READY or not board.address:
        raise Conflict(
            _("This TensorBoard is still starting."), code="not_ready", hint=_("Try again in a few seconds.")
        )
    return board.address.removeprefix("unix:")


def board_out(board: Board) -> dict[str, Any]:
    """The board as doors show it."""
    return {
        "id": board.pk,
        "state": board.state,
        "stage": board.stage,
        "note": board.note,
        "reason": board.reason,
        "log_tail": board.log_tail,
        "node": board.node.name if board.node else None,
        "runs": list(BoardRun.objects.filter(board=board).order_by("run").values_list("run_id", flat=True)),
        "created": board.created,
        "created_by": board.created_by.shown_name if board.created_by else None,
        "used": board.used,
    }


def files_of(board_id: str, *, actor: Actor) -> Files:
    """What the node of a board has to fetch. Raises Forbidden for anybody else, NotFound when it is not its board."""
    board = _board_of_node(board_id, actor=actor)
    shown = BoardRun.objects.filter(board=board, run__deleted__isnull=True).select_related("run")
    labels = {one.run_id: one.label for one in shown}
    growing = any(one.run.status not in FINAL_STATES for one in shown)
    rows = event_files(list(labels)).order_by("run", "path")
    files: list[FileEntry] = []
    size = left_out = 0
    for run_id, path, sha256, length in rows.values_list("run_id", "path", "sha256", "size"):
        if len(files) >= states.MOST_FILES or size + length > states.MOST_BYTES:
            left_out += 1
            continue
        size += length
        files.append({"path": f"{labels[run_id]}/{path}", "sha256": sha256, "size": length})
    return Files(files, left_out, growing)


def blob_size(board_id: str, sha256: str, *, actor: Actor) -> int:
    """The size of an event file of a board's runs. Raises as `files_of`, NotFound for any other file."""
    board = _board_of_node(board_id, actor=actor)
    runs = BoardRun.objects.filter(board=board, run__deleted__isnull=True).values_list("run_id", flat=True)
    rows = event_files(list(runs)).filter(sha256=sha256)
    size = rows.values_list("size", flat=True).first()
    if size is None:
        raise NotFound(_("This file belongs to no run of the board, or it was replaced."))
    return size


def _board_of_node(board_id: str, *, actor: Actor) -> Board:
    if actor.kind != "node":
        raise Forbidden(_("This address takes the token of a node."))
    rows = Board.objects.filter(pk=board_id.replace("\0", ""), node_id=actor.node_id, state__in=states.LIVE)
    found = rows.first()
    if found is None:
        raise NotFound(_("This node has no such board."))
    return found
