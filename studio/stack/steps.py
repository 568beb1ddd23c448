"""Commands that run to their end during a start, and die with it."""

import asyncio
import contextlib
import os
import shlex
import signal
from pathlib import Path

from studio.stack.programs import StackError, die_with_parent


async def run_to_end(argv: list[str], *, env: dict[str, str], cwd: Path) -> str:
    """Run a command; return its standard output. Raises StackError with what it said when it fails."""
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
        out, err = await process.communicate()
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
