"""`python ranks.py PLAN`: starts the processes that a run has on this node, and ends them together.

It belongs to the run, as its first process: below the run's supervisor, in the run's environment, with the standard
library alone. Each process writes into a file of its own, the first one of the node also to the output of the run.
The first that fails ends the others, and is written down for the node.

PLAN is a JSON file: {argv, cwd, env: [{…} for each process], ranks: [rank of each], size: of all nodes, folder, failed,
hide: [variables whose values are not written], mpi: what `mpi` launches them by instead of us, or null}.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, Deque, Dict, Iterator, List, Optional

#: After SIGTERM, for those that did not fail.
_GRACE_SECONDS = 5.0
#: How long something that outlives a process may hold its output.
_DRAIN_SECONDS = 2.0
_LAST_LINES, _LONGEST_LINE = 40, 1000
_SHORTEST_SECRET = 4
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")


def with_variables(word: str, env: Dict[str, str]) -> str:
    """A word of the script with what the process is told of the others in the place of `$RANK` and the like.

    Scripts of the Azure ML SDK v1 pass these on as arguments. What is not one of ours stays, and so does a text.
    """
    if "$" not in word or any(one.isspace() for one in word):
        return word
    return _VARIABLE.sub(lambda found: env.get(found[1] or found[2], found[0]), word)


class Process:
    """One process with its output: into its file, and where `aloud` to our own."""

    def __init__(self, plan: Dict[str, Any], rank: int, env: Dict[str, str], *, aloud: bool) -> None:
        self.rank = rank
        self.aloud = aloud
        self.last: Deque[bytes] = deque(maxlen=_LAST_LINES)
        hidden = (os.environ.get(name, "").encode() for name in plan.get("hide") or ())
        self._hidden = [value for value in hidden if len(value) >= _SHORTEST_SECRET]
        folder = Path(plan["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"std_log_process_{rank}.txt").open("ab", buffering=0)
        try:
            self.child = subprocess.Popen(
                [with_variables(word, env) for word in plan["argv"]],
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            self._write(f"{plan['argv'][0]} cannot be started: {error.strerror or error}\n".encode())
            raise
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        rest = b""
        while True:
            data = os.read(self.child.stdout.fileno(), 1 << 16)
            if not data:
                break
            # What is hidden may lie across two pieces, so lines are written whole where they are short.
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._write(line + b"\n")
            if len(rest) > 1 << 16 or (rest and not self._hidden):
                self._write(rest)
                rest = b""
        if rest:
            self._write(rest)

    def _write(self, data: bytes) -> None:
        for value in self._hidden:
            data = data.replace(value, b"***")
        self.last.append(data[-_LONGEST_LINE:])
        with suppress(OSError):  # a full disk must not end the training
            self._file.write(data)
        if self.aloud:
            _out(data)

    def drain(self) -> None:
        self._reader.join(_DRAIN_SECONDS)
        self._file.close()

    def signal(self, number: int) -> None:
        if self.child.poll() is None:
            self.child.send_signal(number)


def _out(data: bytes) -> None:
    with suppress(OSError, ValueError):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def main(place: str) -> int:
    """Start all, wait for all; 0 when all ended with 0, else the code of the first that did not."""
    plan = json.loads(Path(place).read_text(encoding="utf-8"))
    # The supervisor signals the whole group: each process hears it by itself, and we stay to see their ends.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    if plan.get("mpi"):
        from zaffre.mpi import launch  # for other runs it need not be read

        return launch(plan, place)
    found: List[Process] = []
    try:
        for at, rank in enumerate(plan["ranks"]):
            found.append(Process(plan, rank, plan["env"][at], aloud=at == 0))
    except OSError as error:
        _fail(plan, plan["ranks"][len(found)], 127, [str(error).encode()])
        _end(found)
        return 127
    return _wait(plan, found)


def _wait(plan: Dict[str, Any], found: List[Process]) -> int:
    left = list(found)
    failed: Optional[Process] = None
    ends = _ends(found)
    while left and failed is None:
        one = next(ends)
        left.remove(one)
        failed = one if one.child.wait() != 0 else None
    if failed is not None:
        _tell(plan, failed)
        _end(left)
    for one in found:
        one.drain()
    return _code(failed.child.returncode) if failed is not None else 0


def _ends(found: List[Process]) -> Iterator[Process]:
    """Each process when it has ended, in the order of their ends: one that fails makes the others fail within
    milliseconds, and we may be late to look."""
    try:
        with select.epoll() as queue:
            handles = {os.pidfd_open(one.child.pid): one for one in found}
            for handle in handles:
                queue.register(handle, select.EPOLLIN)
            while handles:
                for handle, _ in queue.poll():  # the kernel's queue: who became ready first comes first
                    queue.unregister(handle)
                    os.close(handle)
                    yield handles.pop(handle)
        return
    except (AttributeError, OSError):
        left = list(found)  # no Linux, or an old one
    while left:
        for one in [one for one in left if one.child.poll() is not None]:
            left.remove(one)
            yield one
        time.sleep(0.02)


def _tell(plan: Dict[str, Any], failed: Process) -> None:
    code, at = failed.child.returncode, time.time()
    first = _fail(plan, failed.rank, code, [], at)  # before its output is read to the end, which may take a while
    failed.drain()
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    if first:
        _fail(plan, failed.rank, code, list(failed.last), at, again=True)
    if not failed.aloud:
        _out(b"".join(failed.last))
    if plan["size"] > 1:
        _out(f"\nRank {failed.rank} {ended}; the other processes are ended.\n".encode())


def _fail(
    plan: Dict[str, Any], rank: int, code: int, last: List[bytes], at: Optional[float] = None, *, again: bool = False
) -> bool:
    """Write down who failed first; False for who comes later. With `again` the first one says more."""
    told = {
        "rank": rank,
        "code": code,
        "at": at or time.time(),
        "tail": b"".join(last).decode("utf-8", "replace")[-8000:],
    }
    place = Path(plan["failed"])
    whole = place.with_name(f"{place.name}.{rank}")
    with suppress(OSError):
        whole.write_text(json.dumps(told), encoding="utf-8")
        if again:
            whole.replace(place)
        else:
            try:
                os.link(str(whole), str(place))
            finally:
                whole.unlink()
        return True
    return False


def _end(left: List[Process]) -> None:
    for one in left:
        one.signal(signal.SIGTERM)
    end = time.monotonic() + _GRACE_SECONDS
    while any(one.child.poll() is None for one in left) and time.monotonic() < end:
        time.sleep(0.02)
    for one in left:
        one.signal(signal.SIGKILL)
        one.child.wait()


def _code(code: int) -> int:
    """An exit status of ours for the end of another process: 128 and the signal, as shells do."""
    return 128 - code if code < 0 else code


# --- by mpirun -------------------------------------------------------------------------------------------------------


def one_of_mpi(place: str) -> int:
    """The code of one rank of MPI: started by mpirun or a daemon of it, and asked to end through us."""
    plan = json.loads(Path(place).read_text(encoding="utf-8"))
    rank = next((int(os.environ[name]) for name in _RANK_VARIABLES if os.environ.get(name, "").isdigit()), 0)
    mark, stopping = Path(plan["mpi"]["folder"], f"rank-{rank}"), Path(plan["mpi"]["folder"], "stopping")
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    mark.write_text(str(os.getpid()), encoding="utf-8")
    try:
        code = 0 if stopping.exists() else _rank(plan, rank, asked)
    finally:
        mark.unlink()
    if stopping.exists():
        # All are asked to end. mpirun would kill the others as soon as one has gone: it is ended when all have.
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(0.1)
    return code


def _rank(plan: Dict[str, Any], rank: int, asked: threading.Event) -> int:
    env = {**plan["env"][rank - plan["ranks"][0]], **_ranked(rank)}
    os.chdir(plan["cwd"])
    try:
        process = Process(plan, rank, env, aloud=rank == 0)
    except OSError as error:
        _fail(plan, rank, 127, [str(error).encode()])
        return 127
    passed = False
    while process.child.poll() is None:
        if asked.is_set() and not passed:
            passed = True
            process.signal(signal.SIGTERM)
        time.sleep(0.02)
    code = process.child.returncode
    if code != 0 and not asked.is_set():
        _tell(plan, process)
    process.drain()
    return _code(code)


def _ranked(rank: int) -> Dict[str, str]:
    """What mpirun alone knows, in the words of other frameworks."""
    return {"RANK": str(rank), "LOCAL_RANK": os.environ.get("OMPI_COMM_WORLD_LOCAL_RANK", "0")}


if __name__ == "__main__":
    sys.exit(one_of_mpi(sys.argv[1]) if sys.argv[2:] == ["rank"] else main(sys.argv[1]))
