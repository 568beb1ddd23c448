"""What a supervised program is and how it is started, so that it cannot outlive us unnoticed."""

import contextlib
import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class StackError(Exception):
    """The stack cannot go on; the message says what happened, why, and what to do."""


@dataclass(frozen=True)
class Account:
    """An account of this machine that a program runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """One child process: what to execute, as whom, and how it is told to stop."""

    name: str
    argv: tuple[str, ...]
    #: The whole environment; see `environment`.
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path = Path("/")
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    #: Seconds between the stop signal and SIGKILL.
    patience: float = 20
    #: Higher tiers start later and stop earlier; one tier stops all at once.
    tier: int = 0
    #: Sent when the supervisor itself is killed.
    orphan_signal: signal.Signals = signal.SIGTERM


def account_of(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def environment(extra: Mapping[str, str], *, hidden: Iterable[str] = ()) -> dict[str, str]:
    """Our own environment with `extra` on top: installers need its certificates, engines its paths."""
    return without({**os.environ, **extra}, hidden)


def without(env: Mapping[str, str], hidden: Iterable[str]) -> dict[str, str]:
    """The environment without some variables; a name that ends with `_` hides all that begin with it."""
    names = set(hidden)
    beginnings = tuple(name for name in names if name.endswith("_"))
    return {key: value for key, value in env.items() if key not in names and not key.startswith(beginnings)}


def spawn_options(program: Program) -> dict[str, Any]:
    """Keyword arguments for Popen or create_subprocess_exec, without the pipes."""
    options: dict[str, Any] = {
        "env": dict(program.env),
        "cwd": str(program.cwd),
        "start_new_session": True,
        "preexec_fn": die_with_parent(program.orphan_signal),
    }
    if program.account is not None:
        options |= {"user": program.account.uid, "group": program.account.gid, "extra_groups": []}
    return options


def die_with_parent(sig: signal.Signals) -> Callable[[], None]:
    """Return a function to call in the child before exec: the kernel then sends `sig` when we die.

    Linux only; elsewhere a killed supervisor leaves its children to the next start, which finds them
    by their lock files.
    """
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def arm() -> None:
        if prctl is None:
            return
        prctl(1, int(sig))  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # we died between fork and prctl
            os.kill(os.getpid(), signal.SIGKILL)

    return arm


def signal_group(pid: int, sig: signal.Signals) -> None:
    """Send `sig` to the process group of a program started with spawn_options; a dead one is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, sig)
