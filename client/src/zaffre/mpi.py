"""The processes of MPI on one node or several, for `zaffre.ranks`: mpirun on the first node, its daemons on the others.

mpirun starts a daemon on each further node by a remote shell. Ours is `python mpi.py PLAN HOST orted …` on the first
node: it hands the words over to the launcher of that node, which is the run's own process there. So no node runs
anything for another but this one program, found on its own PATH, inside the run's own walls, limits and lease.

A node that loses its line to another ends nothing itself: the studio finds out which one is lost, and ends the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Tuple

from zaffre.handover import Broken, Line, join, welcome
from zaffre.mpiwords import SHELL, command_in, daemon_of, mpirun_words, version_of

#: Until all nodes are there: each has met the others before, and makes its sandbox in between.
_COME_SECONDS = 180.0
#: How long the first node waits for what the others say of a failure.
_TELL_SECONDS = 15.0
#: After a lost line, until the studio has found out and ends us.
_HOLD_SECONDS = 900.0
_LOOK_SECONDS = 0.1


class Launcher:
    """What the launchers of all nodes do: keep the ranks of this node, and end them when asked."""

    def __init__(self, plan: Dict[str, Any], place: str) -> None:
        self.plan, self.told, self.place = plan, plan["mpi"], place
        self.child: Optional["subprocess.Popen[bytes]"] = None
        self.asked = False
        self._signaled: Set[int] = set()
        self.folder = Path(self.told["folder"])
        shutil.rmtree(str(self.folder), ignore_errors=True)
        self.folder.mkdir(parents=True)
        _write_shell(self.folder / SHELL, place)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def start(self, words: List[str], program: str) -> None:
        """Start mpirun or a daemon: away from our signals, since both answer one by killing what they have started."""
        env = {
            **os.environ,
            "PATH": f"{self.folder}:{os.environ.get('PATH', '')}",
            "ZAFFRE_MPI_PYTHON": sys.executable,
            "ZAFFRE_MPI_RANKS": str(Path(__file__).parent / "ranks.py"),
            "ZAFFRE_MPI_PLAN": self.place,
        }
        # By its name and not by its path: else mpirun tells other nodes that path, and to set variables by a shell.
        self.child = subprocess.Popen(
            words, executable=program, env=env, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def is_calm(self) -> bool:
        """Whether no rank of this node runs, after each was asked once to end."""
        (self.folder / "stopping").touch()
        left = ranks_in(self.folder)
        for pid in left - self._signaled:
            self._signaled.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return not left

    def ended(self) -> Optional[int]:
        """The exit status of what was started, as shells say it."""
        code = self.child.poll() if self.child is not None else None
        return 128 - code if code is not None and code < 0 else code

    def failed(self) -> Optional[int]:
        """The code of a rank of this node that failed by itself."""
        try:
            code = int(json.loads(Path(self.plan["failed"]).read_text(encoding="utf-8"))["code"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return 128 - code if code < 0 else code

    def hold(self) -> None:
        """Until the studio ends us: it knows which node was lost, and whether the run is tried again."""
        end = time.monotonic() + _HOLD_SECONDS
        while time.monotonic() < end and not self.asked:
            time.sleep(_LOOK_SECONDS)


class First(Launcher):
    """The first node: mpirun, and a line to each other node."""

    def __init__(self, plan: Dict[str, Any], place: str) -> None:
        super().__init__(plan, place)
        self.others = range(1, len(self.told["addresses"]))
        self.events: "queue.Queue[Tuple[Line, Optional[Dict[str, Any]]]]" = queue.Queue()
        self.lines: Dict[int, Line] = {}
        self.shells: Dict[int, Line] = {}
        self.failures: Set[int] = set()
        self.over: Set[int] = set()
        self.lost: Set[int] = set()

    def run(self) -> int:
        server = self._listen() if self.others else None
        try:
            end = time.monotonic() + _COME_SECONDS
            while len(self.lines) < len(self.others) and not self.asked:
                self._take()
                if time.monotonic() > end:
                    missing = ", ".join(str(rank) for rank in self.others if rank not in self.lines)
                    return _say(f"Node {missing} of the run did not come within {_COME_SECONDS:g} s.")
            if not self.asked:
                self.start(self._words(), self.told["program"])
            told = False
            while self.ended() is None:
                self._take()
                if self.asked:
                    told = told or self._tell(stop=True)
                    if self.is_calm() and self.over | self.lost >= set(self.lines):
                        return 0
            return self._judge(self.ended() or 0)
        finally:
            self._tell(over=True)
            if server is not None:
                server.close()

    def _tell(self, **words: Any) -> bool:
        for line in self.lines.values():
            with contextlib.suppress(Broken):
                line.say(**words)
        return True

    def _judge(self, code: int) -> int:
        """Our own exit status after mpirun's: who failed names itself, on its own node."""
        own = self.failed()
        if own is not None or code == 0 or self.asked:
            return own or 0
        end = time.monotonic() + _TELL_SECONDS
        while self.over | self.lost < set(self.lines) and not self.failures and time.monotonic() < end:
            self._take()
        if self.failures:
            return 0
        if self.lost:
            _say(f"The line to node {min(self.lost)} of the run is lost.")
            self.hold()
        return code

    def _words(self) -> List[str]:
        return mpirun_words(self.told, version_of(self.told["program"]))

    def _listen(self) -> socket.socket:
        own = self.told["addresses"][0]
        kind = socket.AF_INET6 if ":" in own else socket.AF_INET
        server = socket.create_server((own, self.told["port"]), family=kind)
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()
        return server

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = server.accept()
                threading.Thread(target=self._greet, args=(link,), daemon=True).start()

    def _greet(self, link: socket.socket) -> None:
        try:
            line = welcome(link, secret=self.told["secret"], run=self.told["run"])
        except (Broken, OSError):
            link.close()
            return
        self._follow(line)

    def _follow(self, line: Line) -> None:
        try:
            while True:
                self.events.put((line, line.hear()))
        except Broken:
            self.events.put((line, None))

    def _take(self) -> None:
        try:
            line, told = self.events.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return
        if line.role == "shell":
            self._of_shell(line, told)
        elif line.rank in self.others:
            self._of_node(line, told)

    def _of_node(self, line: Line, told: Optional[Dict[str, Any]]) -> None:
        if self.lines.setdefault(line.rank, line) is not line:
            line.close()  # its place is taken
            return
        if told is None:
            if line.rank not in self.over:
                self.lost.add(line.rank)
        elif "ended" in told:
            self.over.add(line.rank)
            if told.get("failed"):
                self.failures.add(line.rank)
        if (told is None or "ended" in told) and line.rank in self.shells:
            with contextlib.suppress(Broken):
                self.shells[line.rank].say(ended=told["ended"] if told else 255)

    def _of_shell(self, line: Line, told: Optional[Dict[str, Any]]) -> None:
        if told is None or not isinstance(told.get("start"), list):
            return
        self.shells[line.rank] = line
        try:
            self.lines[line.rank].say(start=told["start"])
        except (Broken, KeyError):
            with contextlib.suppress(Broken):
                line.say(ended=255)


class Other(Launcher):
    """Any other node: it waits for the words of the daemon and runs it."""

    def run(self) -> int:
        line = self._reach()
        if line is None:
            return 0 if self.asked else _say("The first node of the run was not reached.")
        heard: "queue.Queue[Optional[Dict[str, Any]]]" = queue.Queue()
        threading.Thread(target=_listen_to, args=(line, heard), daemon=True).start()
        with contextlib.suppress(Broken):
            line.say(here=True)
        told = False
        while True:
            if self.asked and self.is_calm() and not told:
                told = self._tell(line, 0)
            if not told and self.ended() is not None:
                told = self._tell(line, self.ended() or 0)
                if self.failed() is not None:
                    return self.failed() or 0
            try:
                word = heard.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if word is None:
                return self._without_line()
            if word.get("over"):
                return self.failed() or 0
            self.asked = self.asked or bool(word.get("stop"))
            if word.get("start") is not None and self.child is None and not self.asked:
                self.start(*daemon_of(word.get("start"), os.environ.get("PATH", "")))

    def _tell(self, line: Line, code: int) -> bool:
        with contextlib.suppress(Broken):
            line.say(ended=code, failed=self.failed() is not None)
        return True

    def _without_line(self) -> int:
        own = self.failed()
        if own is None and not self.asked:
            _say("The line to the first node of the run is lost.")
            self.hold()
        return 0 if self.asked else own or 1

    def _reach(self) -> Optional[Line]:
        end, told = time.monotonic() + _COME_SECONDS, self.told
        while not self.asked and time.monotonic() < end:
            try:
                facts = {"secret": told["secret"], "run": told["run"], "role": "node", "rank": told["rank"]}
                return join(told["addresses"][0], told["port"], **facts)
            except (Broken, OSError):
                time.sleep(_LOOK_SECONDS)
        return None


def launch(plan: Dict[str, Any], place: str) -> int:
    """All ranks of this node, from their start to their end; the exit status of the run's process here."""
    kind = First if plan["mpi"]["rank"] == 0 else Other
    try:
        return kind(plan, place).run()
    except (OSError, ValueError) as error:
        return _say(f"{plan['mpi']['program']} cannot be started: {getattr(error, 'strerror', None) or error}", 127)


def ranks_in(folder: Path) -> Set[int]:
    """The pids of the ranks whose code runs on this node."""
    found = set()
    for one in folder.glob("rank-*"):
        with contextlib.suppress(OSError, ValueError):
            found.add(int(one.read_text()))
    return found


def _write_shell(path: Path, place: str) -> None:
    """mpirun takes one word for its remote shell, without spaces: a script of constants, and its words as they are."""
    words = " ".join(map(shlex.quote, (sys.executable, str(Path(__file__).absolute()), place)))
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    path.chmod(0o700)


def _listen_to(line: Line, heard: "queue.Queue[Optional[Dict[str, Any]]]") -> None:
    try:
        while True:
            heard.put(line.hear())
    except Broken:
        heard.put(None)


def _say(text: str, code: int = 1) -> int:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return code


# --- the remote shell of mpirun ---------------------------------------------------------------------------------------


def shell(place: str, words: List[str]) -> int:
    """`HOST COMMAND…` as mpirun gives it to a remote shell; ends when the command has ended there, and as it did."""
    told = json.loads(Path(place).read_text(encoding="utf-8"))["mpi"]
    rank = int(words[0].rpartition("-")[2])
    asked = command_in(words[1:])
    try:
        facts = {"secret": told["secret"], "run": told["run"], "role": "shell", "rank": rank}
        line = join(told["addresses"][0], told["port"], **facts)
        line.say(start=asked)
        return int(line.hear()["ended"])
    except (Broken, OSError, KeyError, ValueError) as error:
        return _say(f"Node {rank} of the run is not reached: {error}", 255)


if __name__ == "__main__":
    sys.exit(shell(sys.argv[1], sys.argv[2:]))
