"""One TensorBoard around the event files of some runs, which are kept up to date while the runs go on."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

from zaffre.agent.door import DoorError, Refused, Stopped, rest
from zaffre.agent.environments import EnvironmentFailed
from zaffre.agent.script import base_environment
from zaffre.agent.service import FAILED, READY, Service, parent_pid
from zaffre.growing import Damaged, Mirror
from zaffre.protocol import AGENT, FileEntry

if TYPE_CHECKING:
    from zaffre.agent.config import NodeConfig
    from zaffre.agent.job import Workshop

log = logging.getLogger("zaffre.agent")

#: What its report says of a start: building the environment, fetching the files, starting the server.
ENVIRONMENT, FILES, SERVER = "environment", "files", "server"
#: Exit code of `zaffre.serve.board`: this environment has no TensorBoard that it could start.
EXIT_NO_TENSORBOARD = 69
#: Files of runs that have all ended change seldom.
_SLOWLY = 30.0
#: Seconds that a fetch which goes on at the end is given.
_LAST_FETCH = 10.0


class Board(Service):
    """One TensorBoard."""

    noun, plural, mark = "board", "boards", "ZAFFRE_BOARD_ID"

    def __init__(
        self, config: NodeConfig, shop: Workshop, spec: Dict[str, Any], *, changed: Callable[[], object]
    ) -> None:
        super().__init__(config, shop, spec, changed=changed)
        self._stage, self._note = ENVIRONMENT, ""
        self._address = f"{AGENT}/boards/{self.id}"
        self._wrong: Dict[str, str] = {}
        self._follower: Optional[threading.Thread] = None

    def report(self) -> Dict[str, Any]:
        return {**super().report(), "stage": "" if self.state == READY else self._stage, "note": self._note}

    def prepare(self) -> Optional[Dict[str, Any]]:
        """Environment and event files; from then on a thread keeps the files up to date."""
        wanted = self.spec.get("environment") or {}
        logs = self.folder / "logs"
        mirror = Mirror(logs, self._fetch, tails=True)
        try:
            found = self.shop.environments.provide(wanted, until=self._stop.is_set, say=self.say, owner=self.folder)
            self._step(FILES)
            self._update(mirror, self._ask(), first=True)
        except Stopped:
            return None
        except EnvironmentFailed as error:
            self.show(FAILED, str(error))
            return None
        except (DoorError, OSError) as error:
            self.show(FAILED, f"The event files could not be fetched: {error}")
            return None
        self._step(SERVER)
        name = f"files of board {self.id}"
        self._follower = threading.Thread(target=self._follow, args=[mirror], name=name, daemon=True)
        self._follower.start()
        home = str(self.folder / "home")
        env = base_environment(home=home, tmp=home, path_first=found.bin, sdk=self.shop.sdk)
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        argv = [found.python, "-m", "zaffre.serve.board", "--socket", str(self.socket), "--parent", parent_pid()]
        return {
            "argv": [*argv, "--logdir", logs.name, "--title", str(self.spec.get("title", ""))],
            "env": env,
            # TensorBoard shows the folder as it is given: where it lies on the node is nobody's business.
            "cwd": str(self.folder),
        }

    def settle(self) -> None:
        super().settle()
        if self._follower is not None:
            self._follower.join(_LAST_FETCH)

    def hopeless(self, code: Optional[int]) -> bool:
        return code == EXIT_NO_TENSORBOARD

    def why(self, code: Optional[int], seconds: float) -> str:
        if code == EXIT_NO_TENSORBOARD:
            return "This node's environment has no TensorBoard that can be started; the log says why."
        return super().why(code, seconds)

    def _step(self, stage: str, note: str = "") -> None:
        if (self._stage, self._note) != (stage, note):
            self._stage, self._note = stage, note
            self.changed()

    # --- its files --------------------------------------------------------------------------------------
    def _ask(self) -> Dict[str, Any]:
        answer = self.shop.door.insist("GET", f"{self._address}/files", until=self._stop.is_set, patience=float("inf"))
        found = answer.json()
        return found if isinstance(found, dict) else {}

    def _fetch(self, entry: FileEntry, start: int, take: Callable[[bytes], object]) -> None:
        path = f"{self._address}/blobs/{entry['sha256']}" + (f"?start={start}" if start else "")
        self.shop.door.call("GET", path, stream_to=take, timeout=60)

    def _update(self, mirror: Mirror, told: Dict[str, Any], *, first: bool) -> None:
        """Have the files as they are now. Raises DoorError, OSError; one that is damaged is told in the log."""
        files: List[FileEntry] = told.get("files") or []
        lacking = mirror.lacking(files)
        begun = time.monotonic()
        for at, entry in enumerate(lacking):
            if self._stop.is_set():
                raise Stopped("stopped while fetching files")
            if first and time.monotonic() - begun > 1.0:
                self._step(FILES, f"{at}/{len(lacking)}")
            try:
                self._patiently(partial(mirror.follow, entry))
            except (Damaged, ValueError, Refused) as error:
                # It may have been replaced while we asked; the next look has the new one.
                self._tell_once(entry["path"], str(error))
        mirror.forget({entry["path"] for entry in files})

    def _patiently(self, work: Callable[[], None]) -> None:
        """Do it again while the studio does not answer. Raises Refused, Stopped, Damaged, OSError."""
        pause = 0.2
        while True:
            try:
                work()
                return
            except (Refused, Stopped):
                raise
            except DoorError as error:
                log.debug("board %s: %s", self.id, error)
            rest(pause, self._stop.is_set)
            if self._stop.is_set():
                raise Stopped("stopped while fetching files")
            pause = min(pause * 2, 5.0)

    def _tell_once(self, path: str, what: str) -> None:
        if self._wrong.get(path) != what:
            self._wrong[path] = what
            with suppress(OSError):  # of a folder that is going
                self.say(f"{path}: {what}\n")

    def _follow(self, mirror: Mirror) -> None:
        pause = self.shop.identity.look
        while not self._stop.wait(pause):
            try:
                told = self._ask()
                self._update(mirror, told, first=False)
                pause = self.shop.identity.look if told.get("growing") else max(_SLOWLY, self.shop.identity.look)
            except Stopped:
                return
            except Refused as error:
                if error.status in (401, 404):
                    return  # the studio gave it up, and the next round ends it
                self._tell_once("", str(error))
            except (DoorError, OSError) as error:
                self._tell_once("", str(error))
            except Exception:
                log.exception("files of board %s", self.id)
