"""Which commit a folder is: remote without credentials, branch, commit, and whether it was changed since."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, Optional
from urllib.parse import urlsplit, urlunsplit

_SECONDS = 10.0
#: A repository must not make us start a program that it names.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def git_facts(folder: Path) -> Dict[str, Any]:
    """{remote, branch, commit, dirty}, with what is known; empty outside of a work tree or without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    facts: Dict[str, Any] = {"commit": commit}
    branch = _git(folder, "symbolic-ref", "--short", "--quiet", "HEAD")
    if branch:
        facts["branch"] = branch
    remote = _git(folder, "config", "--get", "remote.origin.url")
    if remote:
        facts["remote"] = without_credentials(remote)
    status = _git(folder, "status", "--porcelain", "--", ".")
    if status is not None:
        facts["dirty"] = bool(status)
    return facts


def without_credentials(remote: str) -> str:
    """The address of a remote without user, password, token or query."""
    if "://" not in remote:
        return re.sub(r"^[^@/]*:[^@/]*@", "", remote)  # user:secret@host:path; git@host:path stays
    parts = urlsplit(remote)
    host = parts.netloc.rpartition("@")[2]
    user = parts.netloc.rpartition("@")[0]
    if parts.scheme == "ssh" and user and ":" not in user:
        host = f"{user}@{host}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _git(folder: Path, *words: str) -> Optional[str]:
    """What git says, None when it failed or is not there."""
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *_SAFE, "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
