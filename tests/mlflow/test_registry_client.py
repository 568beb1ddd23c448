"""MLflow's registry with its own client, from both sides: its models are ours, and ours are its."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.mlflow.client import environment, tell
from tests.stack.running import Studio
from zaffre.core import Model, Workspace

# The first of them installs the client.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def test_the_whole_way_of_a_model(studio: Studio, python: Path, tmp_path: Path):
    got = json.loads(tell(studio, python, "registry.py", tmp_path).split("RESULT ", 1)[1])
    assert got["predictions"] == [pytest.approx(2.0)] * 5
    assert got["champion"] == ["2", "The second.", {"checked": "yes"}, ["champion"]]
    assert got["model_id"][0] == got["model_id"][1]
    assert (got["by_hand"], got["copied"]) == ("1", "1")
    assert (got["models"], got["tagged"]) == (["by my hand", "the line"], ["the line"])
    assert (got["versions"], got["tags"]) == (["1", "2"], {"team": "vision"})
    assert got["logged"][:2] == ["READY", {"rmse": 0.5}] and got["logged"][2]["slope"] == "2"
    assert got["model_id"][1] in got["found"]
    # The same model in our SDK, with its files.
    space = Workspace.get(studio.known["workspace"], url=studio.url, token=studio.known["token"])
    ours = Model(space, "the line", version=2)
    assert ours.run_id == got["run"] and "MLmodel" in {one["path"] for one in ours.files}


def test_a_model_of_ours_is_loaded_by_the_client(studio: Studio, python: Path, tmp_path: Path):
    space = Workspace.get(studio.known["workspace"], url=studio.url, token=studio.known["token"])
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "weights.txt").write_text("42")
    Model.register(space, str(tmp_path / "net"), "ours")
    said = tell(
        studio,
        python,
        "import mlflow\nfrom pathlib import Path\n"
        "here = mlflow.artifacts.download_artifacts('models:/ours/1')\n"
        "print(sorted(str(one.relative_to(here)) for one in Path(here).rglob('*.txt')))\n",
        tmp_path,
    )
    assert "['weights.txt']" in said


def test_the_client_serves_a_model_by_its_alias(studio: Studio, python: Path, tmp_path: Path):
    tell(
        studio,
        python,
        "import mlflow\nfrom sklearn.linear_model import LinearRegression\n"
        "fitted = LinearRegression().fit([[1.0], [2.0]], [2.0, 4.0])\n"
        "mlflow.sklearn.log_model(fitted, name='double', registered_model_name='served')\n"
        "mlflow.MlflowClient().set_registered_model_alias('served', 'champion', '1')\n",
        tmp_path,
    )
    env = environment(studio, python, tmp_path)
    mlflow = str(python.parent / "mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [mlflow, "models", "serve", "-m", "models:/served@champion", "--env-manager", "local", "-p", str(port)]
    log = (tmp_path / "serve.log").open("wb")
    server = subprocess.Popen(words, env=env, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        body = json.dumps({"inputs": [[3.0]]}).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = json.loads(urllib.request.urlopen(asked, timeout=10).read())
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "serve.log").read_text()
                time.sleep(0.5)
        assert answer["predictions"] == [pytest.approx(6.0)]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        log.close()
