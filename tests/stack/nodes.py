"""Nodes that a test starts, kills and brings back, and a witness that the studio never sees."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.stack.running import Studio, until


@dataclass
class NodeProcess:
    """One `zaffre node start` with its own folder, outside of the supervisor's care."""

    studio: Studio
    folder: Path
    name: str
    process: "subprocess.Popen[bytes] | None" = None
    #: Another address of the studio, and what stands before the command.
    url: str = ""
    words: tuple[str, ...] = ()
    #: Without walls by default: what a run tells the witness must reach it.
    flags: tuple[str, ...] = ("--isolation", "none")
    env: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start it (again); returns when the studio sees it online."""
        config = self.folder / "node.json"
        if not config.exists():
            self.folder.mkdir(parents=True)
            made = self.studio.ask("POST", f"{self.studio.ws}/compute/local/enrolments", {})
            assert made.status == 201, made.body
            content = {
                "url": self.url or self.studio.url,
                "token": made.json["token"],
                "target": "local",
                "name": self.name,
            }
            config.write_text(json.dumps(content))
            config.chmod(0o600)
        hidden = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"}
        env = {key: value for key, value in self.studio.env.items() if key not in hidden}
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.words,
                    str(Path(sys.executable).parent / "zaffre"),
                    "node",
                    "start",
                    "--config",
                    str(config),
                    *self.flags,
                ],
                cwd=self.folder,
                env={**env, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self.is_online, f"node {self.name} online; its log:\n{self.said()}")

    def is_online(self) -> bool:
        assert self.process is not None and self.process.poll() is None, f"the node ended:\n{self.said()}"
        nodes = self.studio.ask("GET", f"{self.studio.ws}/compute/local").json["nodes"]
        return any(node["name"] == self.name and node["online"] for node in nodes)

    def said(self) -> str:
        return (self.folder / "node.log").read_text(errors="replace")[-4000:]

    def tree(self) -> list[psutil.Process]:
        """The agent, its descendants, and whatever left the tree but works in its folder."""
        found: dict[int, psutil.Process] = {}
        if self.process is not None and self.process.poll() is None:
            agent = psutil.Process(self.process.pid)
            found = {one.pid: one for one in [agent, *agent.children(recursive=True)]}
        for one in psutil.process_iter():
            try:
                words = " ".join([*one.cmdline(), *one.environ().values(), one.cwd()])
            except (psutil.Error, OSError):
                continue
            if str(self.folder) in words and one.pid != os.getpid():
                found[one.pid] = one
        return list(found.values())

    def kill_agent(self) -> None:
        """SIGKILL to the agent alone: what runs on is left to its own devices."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def kill_tree(self) -> None:
        """What a machine does that loses its power: everything ends at once."""
        left = self.tree()
        for one in left:  # first nobody can react, then all die
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(left, timeout=10)
        if self.process is not None:
            self.process.wait()

    def signal_tree(self, sig: signal.Signals) -> None:
        for one in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(sig)


#: A script that tells the witness every 50 ms that it lives, and prints a numbered line each time. A third argument is
#: how many seconds its first attempt takes.
REPORTING = """
import os, sys, time
where, seconds = sys.argv[1], float(sys.argv[-1 if os.environ["ZAFFRE_ATTEMPT"] == "1" else 2])
witness = os.open(where, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
end, number = time.monotonic() + seconds, 0
while time.monotonic() < end:
    os.write(witness, f"{os.environ['ZAFFRE_ATTEMPT']} {os.getpid()} {time.monotonic()}\\n".encode())
    print(f"line {number:05d}", flush=True)
    number += 1
    time.sleep(0.05)
print(f"DONE after {number}", flush=True)
"""


class Witness:
    """The file to which REPORTING reports. Times are of the machine's monotonic clock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def spans(self) -> dict[tuple[int, int], tuple[float, float]]:
        """First and last sign of life by (attempt, pid)."""
        times = defaultdict(list)
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        for line in lines:
            words = line.split()
            if len(words) == 3:  # a killed writer may leave half a line
                times[int(words[0]), int(words[1])].append(float(words[2]))
        return {key: (min(found), max(found)) for key, found in times.items()}

    def attempts(self) -> list[int]:
        return sorted(attempt for attempt, _ in self.spans())

    def lives(self, attempt: int) -> bool:
        return attempt in self.attempts()

    def require_no_overlap(self) -> None:
        """No two executions at once: each began after the one before had given its last sign."""
        ordered = sorted(self.spans().values())
        for (_, last), (first, _) in itertools.pairwise(ordered):
            assert last < first, f"two executions at once: {self.spans()}"
