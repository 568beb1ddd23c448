"""TensorBoard on this machine for runs that may execute anywhere."""

from __future__ import annotations

import atexit
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Callable, List, Optional, Sequence

from zaffre.errors import UserErrorException, ZaffreError
from zaffre.files import quoted
from zaffre.growing import Damaged, Mirror
from zaffre.protocol import FINAL_STATES, FileEntry

if TYPE_CHECKING:
    from zaffre.core.run import Run

#: Where scripts write event files; only this folder is sent while they run.
FOLDER = "logs/"
_LOOK_SECONDS = 5.0
_START_SECONDS = 90.0
_STOP_SECONDS = 5.0


class Tensorboard:
    """`start()` fetches what the runs wrote to `logs/`, starts TensorBoard and goes on fetching until `stop()`.

    `local_root` is the folder for the files, one of its own for each run; without it a temporary one, which goes at
    the end. Without runs TensorBoard shows what lies in `local_root`.
    """

    def __init__(
        self, runs: "Optional[Sequence[Run]]" = None, local_root: Optional[str] = None, port: int = 6006
    ) -> None:
        given = list(runs) if isinstance(runs, (list, tuple)) else [runs] if runs is not None else []
        for one in given:
            if not hasattr(one, "client") or not hasattr(one, "id"):
                raise UserErrorException(f"Runs are shown, not a {type(one).__name__}.")
        if not given and local_root is None:
            raise UserErrorException(
                "There is nothing to show.", hint="Give a list of runs, or a local_root that holds event files."
            )
        self.runs: "List[Run]" = given  # type: ignore[assignment]
        self.local_root = local_root
        self.port = int(port)
        self._process: "Optional[subprocess.Popen[bytes]]" = None
        self._said: Optional[IO[bytes]] = None
        self._temporary: Optional[Path] = None
        self._end = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def start(self, start_browser: bool = False) -> str:
        """Returns the address once TensorBoard answers there; a second call returns it again.

        Raises UserErrorException without the package `tensorboard`, ZaffreError when it does not start.
        """
        if self._process is not None and self._process.poll() is None:
            return self.url
        if find_spec("tensorboard") is None:
            raise UserErrorException(
                "The package tensorboard is not installed here.",
                hint="pip install tensorboard. Or open the TensorBoard tab of the run's page, which needs nothing.",
            )
        root = self._root()
        self._end.clear()
        mirrors = [(run, Mirror(root / run.id, _fetch_of(run), tails=False)) for run in self.runs]
        for run, mirror in mirrors:
            _pull(run, mirror)
        self._said = said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        words = [f"--logdir={root}", "--host=127.0.0.1", f"--port={self.port}", "--reload_multifile=true"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", *words],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        atexit.register(self.stop)
        try:
            self._wait(said)
        except BaseException:
            self.stop()
            raise
        if mirrors:
            self._thread = threading.Thread(target=self._follow, args=[mirrors], name="tensorboard", daemon=True)
            self._thread.start()
        if start_browser:
            webbrowser.open(self.url)
        return self.url

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/"

    def stop(self) -> None:
        """End TensorBoard; twice is harmless."""
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_SECONDS)
        process, self._process, self._thread = self._process, None, None
        if process is not None:
            _end_group(process)
        if self._said is not None:
            self._said.close()
            self._said = None
        if self._temporary is not None:
            shutil.rmtree(str(self._temporary), ignore_errors=True)
            self._temporary = None
        atexit.unregister(self.stop)

    def _root(self) -> Path:
        if self.local_root is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="zaffre-tensorboard-"))
            return self._temporary
        root = Path(self.local_root).expanduser().absolute()
        root.mkdir(parents=True, exist_ok=True)
        return root

    def _wait(self, said: IO[bytes]) -> None:
        end = time.monotonic() + _START_SECONDS
        while not _answers(self.port):
            code = self._process.poll() if self._process else 1
            if code is not None or time.monotonic() > end:
                said.seek(0)
                last = said.read()[-1500:].decode("utf-8", "replace").strip()
                raise ZaffreError(f"TensorBoard did not start on port {self.port}: {last}", hint="Try another port.")
            time.sleep(0.2)
        # Somebody else's server may be what answered.
        if self._process is not None and self._process.poll() is not None:
            raise ZaffreError(f"Port {self.port} is taken.", hint="Try another port.")

    def _follow(self, mirrors: "List[tuple[Run, Mirror]]") -> None:
        left = list(mirrors)
        while left and not self._end.wait(_LOOK_SECONDS):
            for run, mirror in list(left):
                try:
                    over = run.refresh()["status"] in FINAL_STATES
                    _pull(run, mirror)
                except (ZaffreError, OSError):
                    continue  # the next look may find the studio again
                if over:
                    left.remove((run, mirror))


def _fetch_of(run: "Run") -> Callable[[FileEntry, int, Callable[[bytes], object]], object]:
    def fetch(entry: FileEntry, start: int, take: Callable[[bytes], object]) -> None:
        run.client.call("GET", f"{run.address}/artifacts/{quoted(FOLDER + entry['path'])}", stream_to=take)

    return fetch


def _pull(run: "Run", mirror: Mirror) -> None:
    """Bring the files of logs/ up to date. Raises ZaffreError, OSError; what changed meanwhile is left to later."""
    found = run.client.get(f"{run.address}/artifacts", prefix=FOLDER)["artifacts"]
    files: List[FileEntry] = [{**one, "path": one["path"][len(FOLDER) :]} for one in found]
    for entry in mirror.lacking(files):
        try:
            mirror.follow(entry)
        except (Damaged, ValueError):
            continue


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """TensorBoard may have started a reader of its own: all of its session goes."""
    for sig in (signal.SIGTERM, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM):
        try:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, sig)
            else:
                process.terminate()
        except (ProcessLookupError, PermissionError):
            pass
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
