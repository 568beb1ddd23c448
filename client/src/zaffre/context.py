"""Which run this process belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from zaffre import protocol
from zaffre.errors import UserErrorException

if TYPE_CHECKING:
    from zaffre.core.offline import OfflineRun
    from zaffre.core.run import Run

_current: "Optional[Run]" = None
_offline: "Optional[OfflineRun]" = None


def current_run(*, allow_offline: bool = True) -> "Union[Run, OfflineRun]":
    """The run that the node told us, or an offline one; the same object each time.

    Raises UserErrorException outside of a run with `allow_offline=False`.
    """
    global _current, _offline
    run, token = os.environ.get(protocol.ENV_RUN_ID), os.environ.get(protocol.ENV_RUN_TOKEN)
    url = os.environ.get(protocol.ENV_URL)
    if run and token and url:
        if _current is None or _current.id != run:
            _current = _inside(run, token, url)
        return _current
    if not allow_offline:
        raise UserErrorException(
            "This code does not belong to a run.", hint="Submit it: zaffre run submit … -- train.py"
        )
    if _offline is None:
        from zaffre.core.offline import OfflineRun

        _offline = OfflineRun()
    return _offline


def _inside(run_id: str, token: str, url: str) -> "Run":
    from zaffre.core.experiment import Experiment
    from zaffre.core.run import Run
    from zaffre.core.workspace import Workspace
    from zaffre.transport import Client

    workspace = Workspace(os.environ.get(protocol.ENV_WORKSPACE, ""), client=Client(url, token))
    run = Run(Experiment(workspace, os.environ.get(protocol.ENV_EXPERIMENT, "")), run_id)
    run.inside = True
    run.own_address = f"{protocol.AGENT}/runs/{run_id}"
    run.blobs_address = f"{run.own_address}/blobs"
    spool = os.environ.get(protocol.ENV_SPOOL)
    if spool:
        run._spool = Path(spool)
    return run
