"""A run's container, as those see it who outlive its command: the engine ends it, for it may be no child of theirs.

A launch names it: {engine, name, env, image, inside}.
"""

from __future__ import annotations

import re
import signal
import subprocess
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

_SECONDS = 20.0
#: By which an engine says that it, or what it was to start in the image, could not be started.
_NOT_STARTED = (125, 126, 127)
_BY_ENGINES = re.compile(r"(?:Error: |docker: )(.+)")
#: And the first process of a container, whatever it exits with.
_BY_INITS = re.compile(r"(?:\[FATAL tini \(\d+\)\] |ERROR \(catatonit:\d+\): )(.+)")
_SIGNALS = {int(one) for one in signal.Signals}


@dataclass
class Contained:
    """The container of one attempt. `env` is the engine's own, which holds nothing of the run."""

    engine: str
    name: str
    env: Mapping[str, str]
    #: Its processes are in the run's own group, which counts for them.
    inside: bool = False
    _starved: Optional[bool] = None

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed it for the limit that the engine keeps; asked when it has ended."""
        if self._starved is None:
            said = "" if self.inside else self._ask("inspect", "--format", "{{.State.OOMKilled}}", self.name)
            self._starved = said.strip() == "true"
        return self._starved

    def pid(self) -> int:
        """Below which its processes are; 0 while it has none."""
        said = self._ask("inspect", "--format", "{{.State.Pid}}", self.name).strip()
        return int(said) if said.isdigit() else 0

    def end(self) -> None:
        """Have it gone, running or not. Asked again it does nothing new."""
        # podman would be patient first, the others have no such word.
        now = ["--time", "0"] if self.engine.endswith("podman") else []
        self._ask("rm", "--force", *now, self.name)

    def _ask(self, *words: str) -> str:
        try:
            return call([self.engine, *words], env=self.env, seconds=_SECONDS)
        except (OSError, subprocess.SubprocessError):
            return ""


def call(words: Sequence[str], *, env: Mapping[str, str], seconds: float) -> str:
    """What an engine answers. Raises OSError, SubprocessError also when it refuses."""
    done = subprocess.run(
        words, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=True, cwd="/"
    )
    return done.stdout.decode("utf-8", "replace")


def of(launch: Optional[Mapping[str, Any]]) -> Optional[Contained]:
    """The container that a launch names, if it does."""
    told = (launch or {}).get("container")
    return Contained(told["engine"], told["name"], told["env"], bool(told["inside"])) if told else None


def ending(launch: Optional[Mapping[str, Any]], code: Optional[int], tail: Callable[[], str]) -> Dict[str, Any]:
    """How a container's code ended, by the exit code of the engine's command: what is other than the code itself says.

    {reason, message} where the engine could not start it, {exit_code, signal} where a signal ended it.
    """
    told = (launch or {}).get("container")
    if not told or not code:
        return {}
    last = tail().splitlines()[-10:]
    said = list(filter(None, map(_BY_INITS.match, last[-1:])))
    if code in _NOT_STARTED:
        said += filter(None, map(_BY_ENGINES.match, last))
    if said:
        engine, why = str(told["engine"]).rpartition("/")[2], said[0].group(1)[:500]
        return {"reason": "launch_failed", "message": f"{engine} could not run the image {told['image']}: {why}"}
    return {"exit_code": None, "signal": code - 128} if code - 128 in _SIGNALS else {}
