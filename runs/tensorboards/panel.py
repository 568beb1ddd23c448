"""What a page shows of the board of some runs."""

from collections.abc import Sequence
from typing import Any

from runs.tensorboards import queries, states, tickets
from runs.tensorboards.addresses import address
from studio.kernel.actors import Actor


def panel(slug: str, run_ids: Sequence[str], *, actor: Actor, session: str) -> dict[str, Any]:
    """{board, board_src, board_live, board_steps}. Raises as `queries.runs_of`.

    The address is made anew at each look: it ends with the session of who looks.
    """
    board = queries.newest_board(slug, run_ids, actor=actor)
    ready = board is not None and board.state == states.READY
    live = board is not None and board.state in states.LIVE
    return {
        "board": board,
        "board_runs": list(run_ids),
        "board_live": live,
        "board_src": address(slug, board.pk, tickets.issue(board.pk, session=session)) if board and ready else "",
        "board_steps": _steps(board.stage) if board and live and not ready else [],
    }


def _steps(stage: str) -> list[dict[str, Any]]:
    at = states.STAGES.index(stage) if stage in states.STAGES else -1
    return [{"name": name, "done": place < at, "now": place == at} for place, name in enumerate(states.STAGES)]
