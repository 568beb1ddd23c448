"""`python -m zaffre.serve.board --socket PATH --logdir DIR`: TensorBoard on a unix socket, until SIGTERM.

Exit code 69: TensorBoard is missing in this environment, or it is one that cannot be started like this.
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any, List, Optional

from zaffre.serve import parent

EXIT_NO_TENSORBOARD = 69
#: Seconds between two looks of TensorBoard into its folder.
RELOAD_SECONDS = 5

log = logging.getLogger("zaffre.serve")


def main(words: Optional[List[str]] = None) -> int:
    """Configure TensorBoard as its own command does, with a server of ours in the place of its port."""
    parser = argparse.ArgumentParser(prog="python -m zaffre.serve.board", description=__doc__)
    parser.add_argument("--socket", required=True, help="path of the unix socket to listen on")
    parser.add_argument("--logdir", required=True, help="the folder with event files")
    parser.add_argument("--title", default="", help="of the browser's window")
    parser.add_argument("--parent", type=int, help="end when this process does; standard input must be its pipe")
    options = parser.parse_args(words)
    if options.parent:
        parent.end_with(options.parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for chatty in ("werkzeug", "tensorboard"):  # a line for each request, and some for each look into the folder
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        from tensorboard import default, program
        from werkzeug import serving
    except ImportError:
        log.exception("TensorBoard cannot be imported")
        return EXIT_NO_TENSORBOARD

    class OnSocket:
        """What TensorBoard asks of its server."""

        def __init__(self, app: Any, flags: Any) -> None:
            self._server = serving.make_server(f"unix://{options.socket}", 0, app, threaded=True)

        def serve_forever(self) -> None:
            self._server.serve_forever()

        def get_url(self) -> str:
            # It is written down for other TensorBoards of this user, in a folder that only this one has.
            return "http://localhost:1/"

        def print_serving_message(self) -> None:
            log.info("TensorBoard listens")

    board = program.TensorBoard(default.get_plugins(), server_class=OnSocket)
    board.configure(
        [
            "tensorboard",
            f"--logdir={options.logdir}",
            f"--window_title={options.title or 'TensorBoard'}",
            f"--reload_interval={RELOAD_SECONDS}",
            "--reload_multifile=true",
            # Its other reader is a program of its own, which would have to be ended, too.
            "--load_fast=false",
        ]
    )
    return int(board.main() or 0)


if __name__ == "__main__":
    sys.exit(main())
