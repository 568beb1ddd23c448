"""A run as it goes on: its log piece by piece, its steps, its end."""

from __future__ import annotations

import codecs
import time
from typing import Any, Callable, Dict, List, Optional

from zaffre.protocol import FINAL_STATES, LOG_COMPLETE_HEADER, LOG_OFFSET_HEADER, RUN_STATUS_HEADER
from zaffre.transport import Client, segment, workspace_path

_ATTEMPT_HEADER = "X-Log-Attempt"
_LENGTH_HEADER = "X-Log-Length"
_PIECE = 1 << 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 1.5
#: A studio that is restarted, or a train in a tunnel, must not end a long wait.
_PATIENCE = 600.0
#: After the end a node may still be sending the log of a moment ago.
_LATE_LOG_SECONDS = 3.0

Take = Callable[[str], object]


def follow(client: Client, workspace: str, run: str, *, write: Take, note: Take) -> Dict[str, Any]:
    """Wait for the end of a run; returns its last JSON. `write` gets the log's text, `note` what happens.

    Raises Refused, and Unreachable when the studio is away for ten minutes.
    """
    address = f"{workspace_path(workspace)}/runs/{segment(run)}"
    log, steps = _Log(client, address, write, note), Steps(note)
    ended: Optional[float] = None
    pause = _FIRST_PAUSE
    while True:
        found = dict(client.call("GET", address, patience=_PATIENCE).json())
        steps.show(found)
        moved = log.read()
        if found["status"] in FINAL_STATES:
            ended = ended or time.monotonic()
            if log.complete or time.monotonic() - ended > _LATE_LOG_SECONDS or not found.get("started"):
                log.read()
                log.end()
                return found
        pause = _FIRST_PAUSE if moved else min(pause * 1.3, _LONGEST_PAUSE)
        time.sleep(pause)


def wait(client: Client, workspace: str, run: str) -> Dict[str, Any]:
    """Wait for the end of a run in silence; returns its last JSON. Raises as `follow`."""
    address = f"{workspace_path(workspace)}/runs/{segment(run)}"
    pause = _FIRST_PAUSE
    while True:
        found = dict(client.call("GET", address, patience=_PATIENCE).json())
        if found["status"] in FINAL_STATES:
            return found
        time.sleep(pause)
        pause = min(pause * 1.3, _LONGEST_PAUSE)


class _Log:
    """The log of the present attempt; each byte is written once, however often the link breaks."""

    def __init__(self, client: Client, address: str, write: Take, note: Take) -> None:
        self._client = client
        self._address = f"{address}/log"
        self._write = write
        self._note = note
        self._offset = 0
        self._attempt = ""
        self._open_line = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.complete = False
        self.status = ""

    def read(self) -> bool:
        """Write what is new; True when there was something."""
        moved = False
        while True:
            query: Dict[str, Any] = {"offset": self._offset, "limit": _PIECE}
            answer = self._client.call("GET", self._address, query=query, patience=_PATIENCE)
            attempt = str(answer.headers.get(_ATTEMPT_HEADER, ""))
            if attempt != self._attempt:
                known, self._attempt = self._attempt, attempt
                if known and known != "0":
                    self.end()
                    self._note(f"attempt {attempt}")
                if self._offset:
                    self._offset = 0
                    self._decoder.reset()
                    continue
            self.complete = answer.headers.get(LOG_COMPLETE_HEADER) == "1"
            self.status = str(answer.headers.get(RUN_STATUS_HEADER, ""))
            begins = int(answer.headers.get(LOG_OFFSET_HEADER) or self._offset)
            if begins > self._offset and answer.body:
                self.end()
                self._decoder.reset()
                self._note(f"{begins - self._offset:,} bytes of the log were not kept")
                self._offset = begins
            self._offset += len(answer.body)
            if not answer.body:
                return moved
            moved = True
            self._out(self._decoder.decode(answer.body))
            if self._offset >= int(answer.headers.get(_LENGTH_HEADER) or self._offset):
                return moved

    def end(self) -> None:
        """Finish a line that the program left open."""
        self._out(self._decoder.decode(b"", final=True))
        if self._open_line:
            self._write("\n")
            self._open_line = False

    def _out(self, text: str) -> None:
        if text:
            self._write(text)
            self._open_line = not text.endswith("\n")


class Steps:
    """Tells each change once: why a run waits, its warnings, which step it is in, how each ended."""

    def __init__(self, note: Take) -> None:
        self._note = note
        self._said: List[str] = []

    def show(self, found: Dict[str, Any]) -> None:
        queue = found.get("queue") or {}
        if queue.get("message"):
            self._say(str(queue["message"]))
        for text in found.get("warnings") or []:
            self._say(f"warning: {text}")
        for step in found.get("steps") or []:
            state, name = step.get("state"), step.get("name")
            if name == "running":  # its end is the end of the log
                self._say("running", key=f"{found.get('attempt')} running")
            elif name != "queued" and state in ("done", "failed", "canceled"):
                note = f": {step['note']}" if step.get("note") else ""
                mark = "" if state == "done" else f" {state}"
                self._say(f"{name}{mark}{note}", key=f"{found.get('attempt')} {name} {state}")
        if found["status"] == "cancel_requested":
            self._say("cancel requested")

    def _say(self, text: str, key: str = "") -> None:
        if (key or text) not in self._said:
            self._said.append(key or text)
            self._note(text)
