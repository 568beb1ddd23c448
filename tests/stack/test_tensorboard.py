"""The real TensorBoard on a real node, looked at through the real doors."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from urllib.parse import quote

import psutil
import pytest

from tests.stack.running import PATIENCE, ROOT, Answer, Studio, running_studio, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

#: Seconds without anybody who looks.
#: Longer than the web, the relay or the node takes to start again: nobody can look meanwhile.
IDLE = 60
SCRIPT = """
import time
from pathlib import Path
from zaffre.core import Run
from zaffre.tensorboard.events import EventFile

run = Run.get_context()
with EventFile(Path("logs/train")) as file:
    for step in range(2000):
        file.add_scalar("loss", 1 / (step + 1), step=step, wall_time=time.time())
        file._file.flush()
        if step < 20:
            run.log("loss", 1 / (step + 1), step=step)
        else:
            time.sleep(0.2)
"""
PEOPLE = """
from studio.kernel.actors import SYSTEM
from workspace.accounts.services import create_token, create_user
from workspace.models import Membership, Workspace
for name in ("rio", "mallory"):
    user = create_user(actor=SYSTEM, username=name, password="a long enough password")
    if name == "rio":
        Membership.objects.create(workspace=Workspace.objects.get(slug="SLUG"), user=user, role="reader")
    print(name, create_token(actor=user.as_actor(), name="t", days=1)[1])
"""
#: With TensorBoard's own reader and its own server, in the environment that the node built.
READER = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1])
found.Reload()
print([(one.step, round(one.value, 4)) for one in found.Scalars("loss")][:3], len(found.Scalars("loss")))
"""
LOCAL = """
import json, sys, time, urllib.request
from zaffre.core import Run, Workspace
from zaffre.tensorboard import Tensorboard
url, token, workspace, run, port = sys.argv[1:]
board = Tensorboard([Run.get(Workspace.get(workspace, url=url, token=token), run)], port=int(port))
there = board.start()
until = time.monotonic() + 240
while True:
    tags = json.loads(urllib.request.urlopen(there + "data/plugin/scalars/tags").read())
    if tags or time.monotonic() > until: break
    time.sleep(0.5)
board.stop()
print(sorted(tags))
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio"), ZAFFRE_TENSORBOARD_IDLE=str(IDLE)) as found:
        yield found


@pytest.fixture(scope="module")
def people(studio: Studio) -> dict[str, str]:
    env = {**studio.env, "SECRET_KEY_FILE": str(studio.var / "secret_key")}
    made = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", PEOPLE.replace("SLUG", studio.known["workspace"])],
        cwd=ROOT,
        env={key: value for key, value in env.items() if key != "REDIS_URL"},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    return dict(line.split() for line in made.stdout.splitlines())


def boards() -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        try:
            if one.environ().get("ZAFFRE_BOARD_ID"):
                found.append(one)
        except (psutil.Error, OSError):
            continue
    return found


class Board:
    """A board as rio sees it."""

    def __init__(self, studio: Studio, token: str, run: str) -> None:
        self.studio, self.token = studio, token
        made = studio.ask("POST", f"{studio.ws}/tensorboards", {"runs": [run]}, token=token)
        assert made.status in {200, 201}, made.body
        self.id, self.url = made.json["id"], made.json["url"]

    def known(self) -> dict:
        return self.studio.ask("GET", f"{self.studio.ws}/tensorboards/{self.id}", token=self.token).json

    def wait(self, state: str, seconds: float = PATIENCE) -> dict:
        def there() -> bool:
            found = self.known()
            assert found["state"] in {state, "starting", "ready"}, found
            return found["state"] == state

        until(there, f"the board is {state}", seconds=seconds)
        return self.known()

    def look(self, path: str, *, token: str | None = "") -> Answer:
        return self.studio.ask("GET", f"{self.url}{path}", token=self.token if token == "" else token)

    def points(self) -> list:
        run = next(iter(self.look("data/plugin/scalars/tags").json or {}), "")
        if not run:
            return []
        return self.look(f"data/plugin/scalars/scalars?tag=loss&run={quote(run)}").json


def test_the_real_tensorboard_from_the_first_event_to_the_last_process(studio, people, tmp_path):
    run = studio.submit({"train.py": SCRIPT})
    files = f"{studio.ws}/runs/{run}/artifacts?prefix=logs/train"
    until(lambda: studio.ask("GET", files).json["artifacts"], "event files reach the studio")
    assert studio.run(run)["status"] == "running", studio.log(run)
    rio, mallory = people["rio"], people["mallory"]
    before = {one.pid for one in boards()}
    board = Board(studio, rio, run)
    board.wait("ready")
    own = [one for one in boards() if one.pid not in before]
    assert own

    # Read by a reader, through the proxy, while the run goes on.
    page = board.look("")
    assert page.status == 200
    assert b"<title>TensorBoard</title>" in page.body
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    first = until(board.points, "TensorBoard has read the file")
    assert first[0][1:] == [0, 1.0]
    until(lambda: len(board.points()) > len(first), "it follows the run")
    assert board.look("data/environment", token=mallory).status == 404
    assert board.look("data/environment", token=None).status == 401
    assert Board(studio, studio.known["token"], run).id == board.id

    # Web and relay are killed. A node that was not answered for most of its lease (8 s here) starts it anew.
    studio.restart("web")
    studio.wait_until_ready()
    until(lambda: board.look("data/environment").status == 200, "the board is there again")
    studio.restart("relay")
    until(lambda: board.look("data/environment").status == 200, "the board is as it was")
    assert board.known()["id"] == board.id
    own = [one for one in boards() if one.pid not in before]

    # Its metrics as event files, read by TensorBoard's own reader; and a TensorBoard on this machine.
    told = studio.zaffre("run", "export-tensorboard", run, str(tmp_path / "out"), ZAFFRE_VAR=str(studio.var))
    assert told.returncode == 0, told.stderr
    packages = (studio.var / "node" / "cache" / "environments").glob("*/lib/python*/site-packages/tensorboard")
    python = next(one.parents[3] / "bin" / "python" for one in packages)
    said = ask(python, READER, str(tmp_path / "out" / run))
    assert said == "[(0, 1.0), (1, 0.5), (2, 0.3333)] 20"
    zipped = studio.ask("GET", f"{studio.ws}/runs/{run}/tfevents", token=rio)
    zipfile.ZipFile(io.BytesIO(zipped.body)).extractall(tmp_path / "zip")
    assert ask(python, READER, str(tmp_path / "zip" / run)) == said
    said = ask(python, LOCAL, studio.url, rio, studio.known["workspace"], run, str(studio.port + 1000))
    assert said == f"['{run}/train']"

    # Nobody looks any more: it is stopped, and no process is left.
    until(lambda: board.known()["state"] == "stopped", "it is idle")
    assert "Nobody looked at it for 60 seconds" in board.known()["reason"]
    psutil.wait_procs(own, timeout=30)
    assert not [one for one in own if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert board.look("data/environment").status == 409
    until(lambda: not list((studio.var / "node" / "state" / "boards").iterdir()), "its files are gone, too")
    studio.ask("POST", f"{studio.ws}/runs/{run}/cancel", {})


def ask(python, code: str, *words: str) -> str:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "client" / "src"), "HOME": "/nonexistent"}
    done = subprocess.run(
        [str(python), "-c", code, *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_quick_the_second_time_and_ends_with_a_node_that_is_killed(studio, people):
    run = studio.submit({"train.py": SCRIPT.replace("2000", "20")})
    studio.wait_for(run, "completed")
    board = Board(studio, people["rio"], run)
    board.wait("ready")
    assert until(board.points, "all is read")
    own = [one for one in boards() if one.environ()["ZAFFRE_BOARD_ID"] == board.id]
    studio.restart("node")
    psutil.wait_procs(own, timeout=30)
    assert not [one for one in own if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    until(lambda: board.known()["state"] == "starting" or board.known()["state"] == "ready", "the node takes it again")
    board.wait("ready")
    assert until(board.points, "it shows what it showed")
    assert studio.ask("DELETE", f"{studio.ws}/tensorboards/{board.id}", token=people["rio"]).status == 204
    until(lambda: not [one for one in boards() if one.environ().get("ZAFFRE_BOARD_ID") == board.id], "it ends")
    assert board.known()["reason"] == "rio stopped it."
