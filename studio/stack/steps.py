"""Commands that run to their end during a start, and die with it."""

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

from studio.stack.programs import StackError, die_with_parent


async def run_to_end(
    argv: list[str], *, env: dict[str, str], cwd: Path, echo: Callable[[str], None] | None = None
) -> str:
    """Run a command; return its standard output. Raises StackError with what it said when it fails.

    `echo` is handed each line of its standard error as it comes.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=env,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    try:
        out, err = await asyncio.gather(_whole(process.stdout), _lines(process.stderr, echo))
        await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode:
        said = "\n".join((out + err).decode(errors="replace").strip().splitlines()[-25:])
        command = shlex.join([Path(argv[0]).name, *argv[1:]])
        raise StackError(f"`{command}` exited with {process.returncode}:\n{said}")
    return out.decode()


async def _whole(stream: asyncio.StreamReader | None) -> bytes:
    return await stream.read() if stream else b""


async def _lines(stream: asyncio.StreamReader | None, echo: Callable[[str], None] | None) -> bytes:
    """Read to the end, echoing; the last 64 kB are returned. A line of any length is fine."""
    kept, begun = b"", b""
    while stream and (piece := await stream.read(4096)):
        kept = (kept + piece)[-65536:]
        *whole, begun = (begun + piece).split(b"\n")
        for line in whole:
            # A progress bar overwrites itself; only what it said last is worth a line.
            if echo:
                echo(line.decode(errors="replace").rstrip("\r").rpartition("\r")[2])
    return kept
