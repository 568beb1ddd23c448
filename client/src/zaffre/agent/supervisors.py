"""The agent's end of its supervisors: starting one, and speaking to one that an earlier agent started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Optional

from zaffre.agent import processes, quarters, talk
from zaffre.agent.rundir import RunDir
from zaffre.protocol import ENV_ATTEMPT, ENV_RUN_ID, ENV_SPOOL

_PACKAGES = Path(__file__).resolve().parent.parent.parent
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def spawn(place: RunDir, cord: Optional[socket.socket] = None, lock: Optional[int] = None) -> "subprocess.Popen[bytes]":
    """Start the supervisor of an attempt, in a session of its own, at the other end of the agent's cord.

    It takes the lock of the attempt, or inherits it from who holds it.
    """
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    env["PYTHONPATH"] = str(_PACKAGES)
    handles = [handle for handle in (cord.fileno() if cord is not None else None, lock) if handle is not None]
    with (place.path / "supervisor.log").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "zaffre.agent.supervise", str(place.path), *map(str, handles)],
            cwd=str(place.path),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            pass_fds=handles,
        )


def ask(place: RunDir, **question: Any) -> Optional[Dict[str, Any]]:
    """What the attempt's supervisor answers; None when there is none that listens."""
    launch = place.launch
    return talk.ask(Path(launch["socket"]), **question) if launch else None


def renew(place: RunDir, *, sent: float, valid_for: float) -> None:
    ask(place, op="renew", sent=sent, valid_for=valid_for)


def stop(place: RunDir, *, reason: str, grace: Optional[float] = None) -> None:
    """Ask users' code to end, and end it after the grace period (the one of the launch, if None)."""
    more = {} if grace is None else {"grace": grace}
    ask(place, op="stop", reason=reason, **more)


def kill(place: RunDir, *, reason: str) -> None:
    """End users' code and all its descendants now, with or without the help of a living supervisor."""
    if ask(place, op="kill", reason=reason) is not None:
        end = time.monotonic() + 10
        while place.supervised and time.monotonic() < end:
            time.sleep(0.05)
    clear(place)


def clear(place: RunDir) -> bool:
    """End what an attempt left behind when its supervisor is gone. False if something could not be ended."""
    launch = place.launch
    if launch is None:
        return True
    if place.supervised:
        known = place.pid("supervisor")
        if known and processes.began(known["pid"]) == known["began"]:
            processes.send(known["pid"], 9)
    known = place.pid("main")
    if known and known["began"] and processes.began(known["pid"]) == known["began"]:
        processes.send(known["pid"], 9, group=True)
    still = quarters.end_left(place)
    # Its own mark finds those that left the session; only a program that rewrote its environment hides. The folder is
    # among them: another node on this machine may have a seat of the same attempt.
    marks = {
        ENV_RUN_ID: str(launch["run"]),
        ENV_ATTEMPT: str(launch["attempt"]),
        ENV_SPOOL: str(place.spool),
    }
    done = processes.end_all(lambda: processes.marked(marks) | still(), seconds=10)
    quarters.remove_left(place)
    return done
