"""`python -m zaffre.serve --socket PATH --script score.py`: serve a scoring script until SIGTERM.

Exit codes: 65 the script cannot be served, 69 uvicorn is missing, 70 init() raised.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import List, Optional

from zaffre.serve import lines, parent
from zaffre.serve.app import App
from zaffre.serve.script import BadScript, Script, load

EXIT_BAD_SCRIPT, EXIT_NO_SERVER, EXIT_INIT_FAILED = 65, 69, 70
_DEFAULT_TIMEOUT_MS = 3_600_000
_DRAIN_SECONDS = 30

log = logging.getLogger("zaffre.serve")


def main(words: Optional[List[str]] = None) -> int:
    """Load the script, call init(), then bind the socket: whoever can connect gets answers."""
    parser = argparse.ArgumentParser(prog="python -m zaffre.serve", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", help="path of the unix socket to listen on")
    where.add_argument("--port", type=int, help="port of 127.0.0.1 to listen on")
    parser.add_argument("--script", default=os.environ.get("AZUREML_ENTRY_SCRIPT"), help="the file with init and run")
    parser.add_argument("--parent", type=int, help="end when this process does; standard input must be its pipe")
    options = parser.parse_args(words)
    if options.parent:
        parent.end_with(options.parent)
    lines.prefix_all()
    if not options.script:
        log.error("No script: give --script, or set AZUREML_ENTRY_SCRIPT.")
        return EXIT_BAD_SCRIPT
    try:
        import uvicorn
    except ImportError:
        log.error("uvicorn is not in this environment; add it to the environment's requirements.")
        return EXIT_NO_SERVER
    script = _prepare(Path(options.script))
    if isinstance(script, int):
        return script
    workers, timeout = _number("WORKER_COUNT", 1), _number("SCORING_TIMEOUT_MS", _DEFAULT_TIMEOUT_MS) / 1000
    with ThreadPoolExecutor(workers, "run") as executor:
        app = App(script, executor=executor, name=os.environ.get("SERVICE_NAME", "service"), timeout=timeout)
        config = uvicorn.Config(
            app,
            uds=options.socket,
            host="127.0.0.1",
            port=options.port or 0,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            timeout_keep_alive=75,
        )
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        server = uvicorn.Server(config)
        server.run()
    return 0


def _prepare(path: Path) -> "Script | int":
    """The loaded script after its init(); an exit code when that failed, with the reason in the log."""
    try:
        script = load(path.absolute())
    except BadScript as error:
        if error.__cause__ is not None:
            traceback.print_exception(type(error.__cause__), error.__cause__, error.__cause__.__traceback__)
        log.error("%s", error)
        return EXIT_BAD_SCRIPT
    try:
        script.init()
    except (Exception, SystemExit):
        log.exception("init() raised an exception")
        return EXIT_INIT_FAILED
    log.info("init() of %s is done", path.name)
    return script


def _number(name: str, otherwise: int) -> int:
    try:
        return max(1, int(os.environ.get(name, otherwise)))
    except ValueError:
        log.warning("%s is no number; using %d", name, otherwise)
        return otherwise


if __name__ == "__main__":
    sys.exit(main())
