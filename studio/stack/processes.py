"""Keeping programs alive: started in order, restarted when they die, stopped in reverse, nothing left."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from studio.stack.programs import Program, StackError, signal_group, spawn_options

BACK_OFF_FIRST, BACK_OFF_MOST = 0.5, 30.0
#: A program that lived this long is healthy again: its next death waits only BACK_OFF_FIRST.
HEALTHY_SECONDS = 60.0
LOG_BYTES, LOG_FILES = 10 * 1024 * 1024, 3
LOG_CHECK_SECONDS = 15.0


@dataclass
class Child:
    program: Program
    process: asyncio.subprocess.Process | None = None
    keeper: asyncio.Task[None] | None = None
    stopping: bool = False
    restarts: int = 0
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs programs and keeps their logs in `logs`; `announce` is told what a person should know."""

    def __init__(self, logs: Path, register: Path, announce: Callable[[str], None]) -> None:
        self.logs = logs
        #: A JSON file {name: pid}, for people and tests that want to look at (or kill) a process.
        self.register = register
        self.announce = announce
        self.children: dict[str, Child] = {}
        self._rotator: asyncio.Task[None] | None = None

    async def start(self, program: Program) -> Child:
        """Start `program` and keep it running until `stop`."""
        if self._rotator is None:
            self.logs.mkdir(parents=True, exist_ok=True)
            self._rotator = asyncio.create_task(self._rotate_logs())
        child = Child(program)
        self.children[program.name] = child
        await self._spawn(child)
        child.keeper = asyncio.create_task(self._keep(child))
        return child

    def alive(self, name: str) -> bool:
        child = self.children.get(name)
        return child is not None and child.process is not None and child.process.returncode is None

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def last_lines(self, name: str, count: int = 15) -> str:
        """The end of a program's log, for messages about its failure."""
        try:
            with self.log_of(name).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])
        except OSError:
            return ""

    async def ready(self, name: str, answers: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `answers` (called in a thread) holds. Raises StackError with the log's end otherwise."""
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(answers):
            child = self.children[name]
            if child.restarts >= 3:
                raise StackError(f"{name} does not stay up. The end of {self.log_of(name)}:\n{self.last_lines(name)}")
            if time.monotonic() > deadline:
                raise StackError(
                    f"{name} did not answer within {seconds:.0f} s. The end of {self.log_of(name)}:\n"
                    f"{self.last_lines(name)}"
                )
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Stop everything, the last tier first; returns when no process of any program is left."""
        for tier in sorted({child.program.tier for child in self.children.values()}, reverse=True):
            members = [child for child in self.children.values() if child.program.tier == tier]
            await asyncio.gather(*(self._stop(child) for child in members))
        if self._rotator:
            self._rotator.cancel()
            self._rotator = None
        self.children.clear()
        self.register.unlink(missing_ok=True)

    # --- one child -------------------------------------------------------------------------------------

    async def _spawn(self, child: Child) -> None:
        program = child.program
        # O_APPEND: rotation truncates the file under the writer, whose next line then begins at its new end.
        log = os.open(self.log_of(program.name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            child.process = await asyncio.create_subprocess_exec(
                *program.argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, **spawn_options(program)
            )
        except OSError as problem:
            raise StackError(f"{program.name} cannot be started: {program.argv[0]}: {problem.strerror}.") from None
        finally:
            os.close(log)
        child.started = time.monotonic()
        self._write_register()

    async def _keep(self, child: Child) -> None:
        pause = BACK_OFF_FIRST
        while child.process is not None:
            code = await child.process.wait()
            # What it left behind in its group would hold ports and locks of the next one.
            signal_group(child.process.pid, signal.SIGKILL)
            if child.stopping:
                return
            if time.monotonic() - child.started > HEALTHY_SECONDS:
                pause, child.restarts = BACK_OFF_FIRST, 0
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
            self.announce(f"{child.program.name} {how}; starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACK_OFF_MOST)
            if child.stopping:
                return
            child.restarts += 1
            try:
                await self._spawn(child)
            except StackError as problem:
                self.announce(str(problem))

    async def _stop(self, child: Child) -> None:
        child.stopping = True
        process = child.process
        if process is not None and process.returncode is None:
            # The leader alone is asked: a pool of workers would take the signal of its master for its own.
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(child.program.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), child.program.patience)
            except TimeoutError:
                self.announce(f"{child.program.name} did not stop within {child.program.patience:g} s; killed")
                signal_group(process.pid, signal.SIGKILL)
                await process.wait()
        if process is not None:
            signal_group(process.pid, signal.SIGKILL)
        if child.keeper:
            child.keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await child.keeper

    def _write_register(self) -> None:
        pids = {name: child.process.pid for name, child in self.children.items() if child.process is not None}
        fresh = self.register.with_suffix(".new")
        fresh.write_text(json.dumps(pids))
        fresh.replace(self.register)

    # --- logs ----------------------------------------------------------------------------------------------

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for name in list(self.children):
                await asyncio.to_thread(rotate, self.log_of(name))


def rotate(log: Path, *, limit: int = LOG_BYTES, files: int = LOG_FILES) -> bool:
    """Copy a log over `limit` bytes to `.1` (older ones move up) and empty it; True when it did.

    Lines written between copy and truncation are lost; the alternative, our process in the way of
    every line, would lose more when we die.
    """
    try:
        if log.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    for number in range(files - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    return True
