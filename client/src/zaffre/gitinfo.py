"""Which commit a folder is: remote without credentials, branch, commit, and what was changed since."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlsplit, urlunsplit

_SECONDS = 10.0
#: With one of these words in ZAFFRE_GIT_DIFF the changes since the commit stay here.
_OFF = ("0", "no", "off", "false")
#: Bytes of changes as they travel, in JSON; a file whose changes do not fit is named instead.
MOST_DIFF = 600 * 1000
#: A repository must not make us start a program that it names.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_DIFF = ("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--relative", "--no-renames")


def git_facts(folder: Path, *, diff: bool = True) -> Dict[str, Any]:
    """{remote, branch, commit, dirty, diff, left_out}, with what is known; empty outside of a work tree or without git.

    `diff` are the changes since the commit of the files that git follows, below `folder`; `left_out` are the paths
    whose changes are too large. Both stay away with `diff=False`, or ZAFFRE_GIT_DIFF=0 in the environment.
    """
    commit = _git(folder, "rev-parse", "HEAD") if _may_be_in_a_tree(folder) else None
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
    if status and diff and os.environ.get("ZAFFRE_GIT_DIFF", "").lower() not in _OFF:
        facts["diff"], facts["left_out"] = _changes(folder)
    return facts


def _may_be_in_a_tree(folder: Path) -> bool:
    """False where git need not be started to be told that there is nothing."""
    here = folder.resolve()
    return "GIT_DIR" in os.environ or any((place / ".git").exists() for place in (here, *here.parents))


def _changes(folder: Path) -> "Tuple[str, List[str]]":
    """The changes since the commit, whole files of them, and the paths of those that do not fit."""
    named = _git(folder, "diff", "HEAD", "--name-only", "-z", "--relative", "--no-renames", "--", ".") or ""
    kept: List[str] = []
    left_out: List[str] = []
    size = 0
    for path in filter(None, named.split("\0")):
        text = _git(folder, *_DIFF, "--", path, strip=False) if size < MOST_DIFF else None
        if text is None or size + len(json.dumps(text)) > MOST_DIFF:
            left_out.append(path)
            continue
        kept.append(text)
        size += len(json.dumps(text))
    return "".join(kept), left_out


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


def _git(folder: Path, *words: str, strip: bool = True) -> Optional[str]:
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
    if done.returncode != 0:
        return None
    said = done.stdout.decode("utf-8", "replace")
    return said.strip() if strip else said
