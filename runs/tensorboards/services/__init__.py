"""Everything that changes boards: people open and stop them, nodes report, the relay looks after them."""

from runs.tensorboards.services.nodes import sync_boards
from runs.tensorboards.services.opening import note_use, open_board, stop_board, use
from runs.tensorboards.services.tending import tend

__all__ = ["note_use", "open_board", "stop_board", "sync_boards", "tend", "use"]
