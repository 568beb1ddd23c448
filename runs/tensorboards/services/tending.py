"""Looking after boards: the relay's part. The database is the record, and doing this twice is harmless."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from runs.tensorboards import states
from runs.tensorboards.models import Board, BoardRun
from runs.tensorboards.services.opening import end
from runs.tensorboards.services.placing import place, wait_again
from runs.tensorboards.services.telling import tell
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden

#: A start may have to build an environment first, which nobody has to watch.
_STARTS = timedelta(minutes=30)
#: What ended is told for so long.
_TOLD = timedelta(days=7)


def tend(*, actor: Actor) -> None:
    """One round: stop what nobody looks at, have wait what was lost with its node, place what waits, forget the old."""
    if actor.kind != "system":
        raise Forbidden("Only the studio itself looks after boards.")
    live = Board.objects.filter(state__in=states.LIVE).select_related("node", "workspace")
    idle = settings.TENSORBOARD_IDLE_SECONDS
    shown = BoardRun.objects.filter(board=OuterRef("pk"), run__deleted__isnull=True)
    for board in live.filter(~Exists(shown)):
        _stop(board, "Its runs were deleted.")
    unused = Q(used__lt=Now() - timedelta(seconds=idle))
    for board in live.filter(unused, Q(state=states.READY) | Q(used__lt=Now() - _STARTS)):
        _stop(board, f"Nobody looked at it for {_minutes(idle)}.")
    lost = live.exclude(state=states.WAITING).filter(last_seen__lt=Now() - timedelta(seconds=settings.LEASE_SECONDS))
    for board in lost:
        _lost(board)
    for board in live.filter(state=states.WAITING):
        with transaction.atomic():
            place(board)
    Board.objects.exclude(state__in=states.LIVE).filter(used__lt=Now() - _TOLD).delete()


@transaction.atomic
def _stop(board: Board, reason: str) -> None:
    end(board, states.STOPPED, reason)


@transaction.atomic
def _lost(board: Board) -> None:
    """Its node is not heard of: another one takes it, or the same when it is back and has ended what it had."""
    if wait_again(board):
        tell(board)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"
