"""What this machine is: measured and tried once at the start of the node, each look within a bounded time."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional
from urllib.parse import urlsplit

from zaffre.agent import gpus, groups, sandbox

_SECONDS = 10.0
#: An engine looks through all that it keeps, on a busy machine too; without an answer the node would take no images.
_ENGINE_SECONDS = 30.0
_ENGINES = ("buildah", "podman", "docker", "nerdctl")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?\Z")
MAX_LABELS = 32

ISOLATIONS = ("auto", "none", "bubblewrap")


def label(text: str) -> "tuple[str, str]":
    """`k=v` as a pair. Raises ValueError with a sentence."""
    key, equals, value = text.partition("=")
    if not equals or not _LABEL.match(key) or (value and not _LABEL.match(value)):
        raise ValueError(f"{text!r} is no label; write key=value with letters, digits, dots, dashes and slashes.")
    return key, value


def processors() -> int:
    """How many processors this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


def memory_bytes() -> int:
    """The memory of the machine, or of the container that we are in; 0 where it is not told."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
    for place in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            whole = min(whole, int(Path("/sys/fs/cgroup", place).read_text()) or whole)
    return whole


def pythons() -> List[str]:
    """The versions of Python that environments can be made of, such as ["3.9", "3.11"]."""
    found = {platform.python_version()}
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        asked = [uv, "python", "list", "--only-installed", "--offline", "--no-config", "--output-format", "json"]
        with suppress(OSError, subprocess.SubprocessError, ValueError, TypeError, KeyError):
            told = subprocess.run(
                asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=True, cwd="/"
            )
            known = json.loads(told.stdout)
            found |= {str(one["version"]) for one in known if one.get("implementation", "cpython") == "cpython"}
    short = {tuple(int(part) for part in one.split(".")[:2]) for one in found if re.match(r"\d+\.\d+", one)}
    return [f"{major}.{minor}" for major, minor in sorted(short)]


def engines() -> List[str]:
    """Container engines that answer: not those whose command is there while nothing works."""
    found = []
    for name in _ENGINES:
        command = shutil.which(name)
        if command is None:
            continue
        with suppress(OSError, subprocess.SubprocessError):
            asked = [command, "info"]
            done = subprocess.run(
                asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ENGINE_SECONDS, check=False
            )
            if done.returncode == 0:
                found.append(name)
    return found


def address_towards(url: str) -> str:
    """The address of this machine on the way to `url`, which is how others on that way reach it; "" if unknown."""
    parts = urlsplit(url)
    try:
        kind, _, _, _, there = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect(there)  # of a datagram socket: chooses the way and sends nothing
            return str(probe.getsockname()[0])
    except (OSError, UnicodeError, IndexError):
        return ""


def isolation(wish: str, folder: Path) -> str:
    """The isolation that runs get: `bubblewrap` where it works and is not refused. Raises ValueError."""
    if wish == "none":
        return "none"
    bwrap = sandbox.binary()
    if bwrap and sandbox.works(bwrap, folder):
        return "bubblewrap"
    if wish == "bubblewrap":
        why = "cannot make a sandbox here" if bwrap else "is not installed"
        raise ValueError(f"--isolation bubblewrap: bubblewrap (bwrap) {why}. Install it, or say --isolation none.")
    return "none"


def limits(found: "Optional[groups.Groups]") -> str:
    """By what limits of runs are kept: cgroup2, cgroup1, rlimit (a watch over the tree) or none."""
    if found is not None:
        return found.kind
    return "rlimit" if os.path.isdir("/proc/self") else "none"


@dataclass(frozen=True)
class Machine:
    """What was measured, and by what runs are isolated and limited."""

    facts: Dict[str, Any]
    isolation: str
    groups: Optional[groups.Groups]


def measure(url: str, folder: Path, *, wish: str = "auto") -> Machine:
    """Measure and try everything; several looks at once. Raises ValueError when the wished isolation cannot be had."""
    with ThreadPoolExecutor(5) as looks:
        slow = {name: looks.submit(look) for name, look in _SLOW.items()}
        place = groups.find()
        kind = isolation(wish, folder)
        facts = {name: one.result() for name, one in slow.items()}
    facts.update(
        {
            "cpu": processors(),
            "memory_gb": round(memory_bytes() / 2**30, 1),
            "python": platform.python_version(),
            "platform": platform.platform(terse=True),
            "isolation": kind,
            "limits": limits(place),
            "address": address_towards(url),
        }
    )
    return Machine(facts, kind, place)


_SLOW: Dict[str, Callable[[], Any]] = {"pythons": pythons, "gpus": gpus.found, "engines": engines}
