"""Opening a board for a set of runs, looking through it, stopping it."""

import time
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from runs.models import Run
from runs.tensorboards import states
from runs.tensorboards.models import Board, BoardRun
from runs.tensorboards.queries import OPEN, get_board, has_event_files, reach, runs_of
from runs.tensorboards.services.placing import place
from runs.tensorboards.services.telling import hint_node, tell
from studio.kernel.actors import Actor
from studio.kernel.belief import Believed
from studio.kernel.errors import Conflict
from studio.kernel.ids import ulid
from studio.kernel.states import advance
from workspace.access import authorize
from workspace.audit.services import record
from workspace.models import Workspace

#: A board is noted as used that often while somebody looks.
_NOTED = 10.0
_noted: dict[str, float] = {}
_reached: Believed[tuple[str, str, Actor], str] = Believed()


def open_board(slug: str, *, actor: Actor, run_ids: Sequence[str]) -> tuple[Board, bool]:
    """Return the live board of these runs, and whether it was made now: one for all members of the workspace.

    Raises Invalid, NotFound for the runs; Conflict `no_events` when none has an event file, `too_many_boards`.
    """
    workspace, runs = runs_of(slug, run_ids, actor=actor)
    key = states.key_of(run.pk for run in runs)
    live = Board.objects.filter(workspace=workspace, key=key, state__in=states.LIVE)
    for _ in range(3):
        found = live.first()
        if found is not None:
            Board.objects.filter(pk=found.pk).update(used=Now())
            return found, False
        try:
            with transaction.atomic():
                return _make(workspace, key, runs, actor=actor), True
        except IntegrityError:
            continue  # somebody was faster
    raise Conflict("This TensorBoard is being opened and stopped at once.", hint="Try again.")


def _make(workspace: Workspace, key: str, runs: Sequence[Run], *, actor: Actor) -> Board:
    if not has_event_files([run.pk for run in runs]):
        raise Conflict(
            "These runs have no event files." if len(runs) > 1 else "This run has no event files.",
            code="no_events",
            hint="TensorBoard shows what a script writes below logs/ or outputs/, such as with SummaryWriter('logs').",
        )
    if Board.objects.filter(workspace=workspace, state__in=states.LIVE).count() >= states.MOST_LIVE:
        raise Conflict(
            f"{workspace.slug} has {states.MOST_LIVE} TensorBoards open, the most there may be.",
            code="too_many_boards",
            hint="Stop one of them; one that nobody looks at is stopped by itself.",
        )
    # What ended before is told until the next start, and not longer.
    Board.objects.filter(workspace=workspace, key=key).exclude(state__in=states.LIVE).delete()
    board = Board.objects.create(
        id=ulid(), workspace=workspace, key=key, created_by_id=actor.user_id, used=Now(), last_seen=Now()
    )
    named = states.labels((run.pk, run.name, run.number) for run in runs)
    BoardRun.objects.bulk_create([BoardRun(board=board, run=run, label=named[run.pk]) for run in runs])
    facts = {"runs": len(runs)}
    record(actor=actor, workspace=workspace, action="tensorboard.open", target=runs[0].pk, fields=facts)
    place(board)
    tell(board)
    return board


def use(slug: str, board_id: str, *, actor: Actor) -> str:
    """Return the socket of a board for one request of somebody who looks, and note that somebody does.

    The answer is believed a moment for the same person. Raises as `reach`.
    """
    known = (slug, board_id, actor)
    socket = _reached.get(known)
    if socket is None:
        asked = time.monotonic()
        socket = reach(slug, board_id, actor=actor)
        _reached.keep(known, socket, asked=asked)
    note_use(slug, board_id, actor=actor)
    return socket


def note_use(slug: str, board_id: str, *, actor: Actor) -> None:
    """Note that somebody has a board before their eyes: it is not idle. Raises NotFound."""
    moment = time.monotonic()
    if moment - _noted.get(board_id, -_NOTED) < min(_NOTED, settings.TENSORBOARD_IDLE_SECONDS / 4):
        return
    board = get_board(slug, board_id, actor=actor)
    if len(_noted) > 1000:
        _noted.clear()
    _noted[board_id] = moment
    lately = Now() - timedelta(seconds=1)
    Board.objects.filter(pk=board.pk, state__in=states.LIVE, used__lt=lately).update(used=Now())


@transaction.atomic
def stop_board(slug: str, board_id: str, *, actor: Actor) -> None:
    """End a board; its node ends the process. One that has ended is left as it is. Raises NotFound."""
    board = get_board(slug, board_id, actor=actor)
    authorize(board.workspace, actor=actor, action=OPEN)
    if end(board, states.STOPPED, f"{actor.name} stopped it."):
        record(actor=actor, workspace=board.workspace, action="tensorboard.stop", target=board.pk)


def end(board: Board, state: str, reason: str) -> bool:
    """Move a live board to its end, inside the caller's transaction; False when it had ended already."""
    rows = Board.objects.filter(pk=board.pk)
    if not advance(rows, frm=states.LIVE, field="state", state=state, reason=reason, address="", stage="", note=""):
        return False
    hint_node(board)
    tell(board)
    return True
