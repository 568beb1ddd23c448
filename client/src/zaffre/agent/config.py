"""What a node knows of itself: how it was told to start, and who the studio says it is."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlsplit

from zaffre.agent import machine
from zaffre.agent.disk import read_json, write_json
from zaffre.protocol import VERSION

IDENTITY = "identity.json"
DEFAULT_SLOTS = 2
#: Processes and threads of one run.
MAX_PROCESSES = 4096
DEFAULT_ENVIRONMENTS_GB = 20.0
#: What the SDK and the scoring server need in every environment that the node builds.
SDK_REQUIREMENTS = ("urllib3>=1.26,<3", "uvicorn>=0.30")


class ConfigError(Exception):
    """The node cannot start as it was told to."""


@dataclass(frozen=True)
class NodeConfig:
    """How this node was told to start. `folder` holds its state, cache and runs."""

    url: str
    folder: Path
    name: str
    slots: int = DEFAULT_SLOTS
    join_token: Optional[str] = None
    sdk_requirements: Tuple[str, ...] = SDK_REQUIREMENTS
    labels: Tuple[Tuple[str, str], ...] = ()
    #: Less than the machine has, when not all of it is for runs.
    cpus: Optional[float] = None
    memory_gb: Optional[float] = None
    isolation: str = "auto"
    max_processes: int = MAX_PROCESSES
    #: Built environments take so much of the disk; beyond it the least recently used ones go.
    environments_gb: float = DEFAULT_ENVIRONMENTS_GB

    @property
    def most(self) -> int:
        """Runs that may be here at once: those in slots, and those that say how many processors they need.

        The studio, which knows what each was given, decides; this only ends the asking.
        """
        return max(self.slots, os.cpu_count() or 1)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"


@dataclass(frozen=True)
class Identity:
    """What registration gave to the node. The token lies in a file that only its user may read."""

    url: str
    node_id: str
    token: str
    broker: Dict[str, str] = field(default_factory=dict)
    settings: Dict[str, float] = field(default_factory=dict)
    workspace: str = ""
    target: str = ""
    #: The name of the invitation that admitted it; empty for one that joined before this was kept.
    enrolment: str = ""
    name: str = ""

    @property
    def heartbeat(self) -> float:
        return float(self.settings.get("heartbeat", 5.0))

    @property
    def lease(self) -> float:
        return float(self.settings.get("lease", 120.0))

    @property
    def grace(self) -> float:
        return float(self.settings.get("grace", 10.0))

    @property
    def look(self) -> float:
        """Seconds between samples of the machine, and between looks into logs/."""
        return float(self.settings.get("look", 5.0))

    @property
    def recheck(self) -> float:
        return float(self.settings.get("recheck", 10.0))


def read_config(
    *,
    file: Optional[Path] = None,
    join: Optional[List[str]] = None,
    name: Optional[str] = None,
    slots: Optional[int] = None,
    folder: Optional[Path] = None,
    **more: Any,
) -> NodeConfig:
    """The configuration from a node.json and the words of the command line, which win.

    node.json holds url, token (an enrolment), and optionally name, slots, dir, and what `more` may hold: labels (a list
    of k=v), cpus, memory_gb, isolation, max_processes, environments_gb.
    Raises ConfigError.
    """
    told: Dict[str, Any] = {}
    if file is not None:
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file} cannot be read: {error}") from None
        if not isinstance(told, dict):
            raise ConfigError(f"{file} must hold a JSON object with url and token.")
    if join:
        told["url"], told["token"] = join
    default = file.parent if file is not None else Path.home() / ".zaffre" / "node"
    place = Path(folder or told.get("dir") or default).expanduser().absolute()
    # A machine that was enrolled before knows its studio: it is started again without an invitation.
    url = str(told.get("url") or (read_json(place / "state" / IDENTITY) or {}).get("url") or "")
    if not url:
        raise ConfigError(
            f"No node is enrolled in {place}, so the studio's address is missing: give --join URL TOKEN, or url in the "
            "file of --config."
        )
    _check_url(url)
    count = slots if slots is not None else told.get("slots", DEFAULT_SLOTS)
    if not isinstance(count, int) or not 1 <= count <= 256:
        raise ConfigError(f"slots is {count!r}; it must be a number from 1 to 256.")
    return NodeConfig(
        url=url.rstrip("/"),
        folder=place,
        name=str(name or told.get("name") or socket.gethostname() or "node")[:80],
        slots=count,
        join_token=told.get("token"),
        sdk_requirements=tuple(told.get("sdk_requirements", SDK_REQUIREMENTS)),
        environments_gb=gigabytes(told.get("environments_gb", DEFAULT_ENVIRONMENTS_GB)),
        **_shares({**told, **{key: value for key, value in more.items() if value is not None}}),
    )


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and url.isprintable()
    except ValueError:  # a port that is no number
        good = False
    if not good or " " in url:
        raise ConfigError(f"{url[:100]!r} is no address of a studio, such as https://studio.example:8000.")


def _shares(told: Dict[str, Any]) -> Dict[str, Any]:
    """What of this machine is for runs, and how they are kept apart. Raises ConfigError."""
    found: Dict[str, Any] = {}
    try:
        labels = told.get("labels") or []
        pairs = [f"{key}={value}" for key, value in labels.items()] if isinstance(labels, dict) else labels
        found["labels"] = tuple(sorted(dict(map(machine.label, pairs)).items()))
        for name in ("cpus", "memory_gb"):
            if told.get(name) is not None:
                found[name] = float(told[name])
                if not 0 < found[name] < 1e6:
                    raise ValueError(f"{name} is {told[name]!r}; it must be a number above 0.")
        if told.get("max_processes") is not None:
            found["max_processes"] = int(told["max_processes"])
            if not 16 <= found["max_processes"] <= 2**22:
                raise ValueError(f"max_processes is {told['max_processes']!r}; it must be from 16 to {2**22}.")
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None
    if len(found["labels"]) > machine.MAX_LABELS:
        raise ConfigError(f"A node may have {machine.MAX_LABELS} labels.")
    found["isolation"] = str(told.get("isolation") or "auto")
    if found["isolation"] not in machine.ISOLATIONS:
        raise ConfigError(f"isolation is {found['isolation']!r}; it must be one of {', '.join(machine.ISOLATIONS)}.")
    return found


def gigabytes(told: Any) -> float:
    if isinstance(told, bool) or not isinstance(told, (int, float)) or not 0 <= told <= 1e6:
        raise ConfigError(f"environments_gb is {told!r}; it must be a number of gigabytes, such as 20.")
    return float(told)


def identity_path(config: NodeConfig) -> Path:
    return config.state / IDENTITY


def read_identity(config: NodeConfig) -> Optional[Identity]:
    """Who this node is, if it was registered with this studio before."""
    known = read_json(identity_path(config))
    if not isinstance(known, dict) or known.get("url") != config.url or not known.get("token"):
        return None
    return Identity(**{key: value for key, value in known.items() if key in Identity.__dataclass_fields__})


def keep_identity(config: NodeConfig, answer: Dict[str, Any]) -> Identity:
    """Store what the registration answered."""
    known: Dict[str, Any] = {
        "url": config.url,
        "node_id": str(answer["node_id"]),
        "token": str(answer["token"]),
        "broker": answer.get("broker") or {},
        "settings": answer.get("settings") or {},
        "workspace": _word(answer.get("workspace")),
        "target": _word(answer.get("target")),
        "enrolment": enrolment_of(config.join_token),
        "name": config.name,
    }
    write_json(identity_path(config), known, mode=0o400)
    return Identity(**known)


def enrolment_of(token: Optional[str]) -> str:
    """What of an invitation's token is its name, and no secret; empty when it is none."""
    parts = (token or "").split("_")
    return parts[2] if len(parts) > 3 and parts[1] == "reg" else ""


def facts(config: NodeConfig, measured: Dict[str, Any]) -> Dict[str, Any]:
    """What the studio's people see of this machine, and what runs are placed by.

    {cpu, memory_gb, disk_free_gb, gpus: [{name, memory_gb}], pythons: ["3.11"], labels: {}, isolation, limits, address,
    engines: [], version, slots, python, platform}; `measured` comes from `machine.measure`.
    """
    found = {
        **measured,
        "disk_free_gb": round(shutil.disk_usage(str(config.folder)).free / 2**30, 1),
        "version": VERSION,
        "slots": config.slots,
        "labels": dict(config.labels),
    }
    if config.cpus is not None:
        found["cpu"] = config.cpus
    if config.memory_gb is not None:
        found["memory_gb"] = config.memory_gb
    return found


class _Processors:
    """How much of their time the processors worked. A load average would count what waits for them, too."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._before = (0, 0)

    def share(self) -> float:
        """Since the call before, at the first one since the machine started; 0 where that is not told."""
        try:
            line = self._place.read_text().split("\n", 1)[0]
            spent = [int(word) for word in line.split()[1:9]]
            (idle, total), before = (spent[3] + spent[4], sum(spent)), self._before
        except (OSError, ValueError, IndexError):
            return 0.0
        self._before = (idle, total)
        passed = total - before[1]
        return round(1 - (idle - before[0]) / passed, 3) if passed > 0 else 0.0


_processors = _Processors(Path("/proc/stat"))


def memory_share() -> float:
    """Share of the memory in use, 0 to 1; 0 where that is not told."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
        return round(1 - sizes["MemAvailable"] / sizes["MemTotal"], 3)
    except (OSError, KeyError, ValueError, IndexError):
        return 0.0


def load(folder: Path, gpus: Any = None) -> Dict[str, float]:
    """Share of the processors, of the memory, of the disk that holds `folder`, and of the GPUs in use, 0 to 1.

    Of the processors since the call before, so this is for the renewals alone; what a machine does not have or does not
    tell is left out.
    """
    used: Dict[str, float] = {"cpu": _processors.share(), "memory": memory_share()}
    if gpus is not None:
        shares = [value / 100 for key, value in gpus.read().items() if key.endswith("_utilization_percentage")]
        used.update({"gpu": round(sum(shares) / len(shares), 3)} if shares else {})
    with suppress(OSError):
        disk = shutil.disk_usage(str(folder))
        used["disk"] = round(1 - disk.free / disk.total, 3) if disk.total else 0.0
    return used


def new_epoch() -> str:
    """The random name of one life of the agent."""
    return secrets.token_hex(12)


def _word(value: Any) -> str:
    return str(value.get("slug") or value.get("name") or "") if isinstance(value, dict) else str(value or "")


def interpreter() -> str:
    """The node's own Python, which `system` environments use."""
    return sys.executable
