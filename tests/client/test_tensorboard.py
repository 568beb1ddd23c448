"""Runs in a TensorBoard on this machine, and their metrics as event files."""

import hashlib
import json
import socket
import struct
import time
import urllib.request
from pathlib import Path

import pytest

from tests.client.studio import RUN
from zaffre.core import Experiment, Run
from zaffre.errors import UserErrorException, ZaffreError
from zaffre.tensorboard import Tensorboard, local
from zaffre.tensorboard.events import EventFile
from zaffre.tensorboard.export import export_to_tensorboard
from zaffre.tfevents import masked_crc

#: Stands in for the package: serves what lies in its log folder.
MAIN = """
import http.server, json, pathlib, sys
told = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        root = pathlib.Path(told["logdir"])
        found = {str(one.relative_to(root)): one.read_text() for one in root.rglob("*") if one.is_file()}
        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(found).encode())
try:
    http.server.ThreadingHTTPServer((told["host"], int(told["port"])), Handler).serve_forever()
except OSError as error:
    sys.exit(f"could not bind: {error}")
"""


@pytest.fixture
def package(tmp_path, monkeypatch) -> None:
    place = tmp_path / "site" / "tensorboard"
    place.mkdir(parents=True)
    (place / "__init__.py").touch()
    (place / "main.py").write_text(MAIN)
    monkeypatch.syspath_prepend(str(place.parent))
    monkeypatch.setenv("PYTHONPATH", f"{place.parent}")
    monkeypatch.setattr(local, "_LOOK_SECONDS", 0.1)


@pytest.fixture
def run(studio, space) -> Run:
    studio.new_run(status="running")
    return Run.get(space, RUN)


def leave(studio, path: str, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    studio.blobs[sha256] = content
    studio.artifacts[path] = sha256


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def shown(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url.replace("localhost", "127.0.0.1")) as answer:
        return json.loads(answer.read())


def test_it_shows_logs_while_they_grow_and_ends(studio, run, package, tmp_path):
    leave(studio, "logs/events.out.tfevents.1", b"one")
    leave(studio, "outputs/model.bin", b"no")
    board = Tensorboard([run], local_root=str(tmp_path / "boards"), port=free_port())
    url = board.start()
    try:
        assert url == f"http://localhost:{board.port}/"
        assert board.start() == url
        assert shown(url) == {f"{RUN}/events.out.tfevents.1": "one"}
        leave(studio, "logs/events.out.tfevents.1", b"one two")
        leave(studio, "logs/eval/events.out.tfevents.2", b"more")
        both = {f"{RUN}/events.out.tfevents.1": "one two", f"{RUN}/eval/events.out.tfevents.2": "more"}
        studio.wait(lambda: shown(url) == both, "the files follow")
        studio.finish()
        thread = board._thread
        studio.wait(lambda: thread is not None and not thread.is_alive(), "nothing is asked after the end")
    finally:
        board.stop()
        board.stop()
    with pytest.raises(OSError):
        shown(url)
    assert (tmp_path / "boards" / RUN / "eval").is_dir()


def test_a_temporary_folder_goes_with_it(studio, run, package):
    leave(studio, "logs/events.out.tfevents.1", b"one")
    board = Tensorboard([run], port=free_port())
    board.start()
    place = board._temporary
    assert place is not None
    assert (place / RUN).is_dir()
    board.stop()
    assert not place.exists()


def test_a_folder_alone_is_shown_and_a_taken_port_says_so(package, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "events.out.tfevents.7").write_text("x")
    first = Tensorboard([], local_root=str(tmp_path / "mine"), port=free_port())
    url = first.start()
    try:
        assert shown(url) == {"events.out.tfevents.7": "x"}
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and nobody answers there
            with pytest.raises(ZaffreError, match="did not start"):
                Tensorboard([], local_root=str(tmp_path), port=taken.getsockname()[1]).start()
    finally:
        first.stop()


def test_nothing_to_show_and_no_package(run):
    for nothing in (None, []):
        with pytest.raises(UserErrorException, match="nothing to show"):
            Tensorboard(nothing)
    with pytest.raises(UserErrorException, match="not a str"):
        Tensorboard(["a run"])
    with pytest.raises(UserErrorException, match="pip install tensorboard"):
        Tensorboard([run]).start()


# --- event files ------------------------------------------------------------------------------------------------


def records(path: Path) -> list[bytes]:
    """The records of an event file, each checked as a reader does."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked_crc(data[:8])
        found.append(data[12 : 12 + length])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked_crc(found[-1])
        data = data[16 + length :]
    return found


def test_the_check_sum_is_castagnolis():
    crc = 0xE3069283  # of "123456789", as RFC 3720 has it
    assert masked_crc(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_record_is_what_tensorflow_writes(tmp_path):
    with EventFile(tmp_path / "new" / "folder") as file:
        file.add_scalar("loss", 0.5, step=3, wall_time=1.5)
        file.add_scalar("größe", 1e300, step=-1, wall_time=0)
    version, first, second = records(file.path)
    assert version[9:] == b"\x10\x00" + b"\x1a\x0dbrain.Event:2"
    summary = b"\x0a\x04loss\x15" + struct.pack("<f", 0.5)
    wanted = b"\x09" + struct.pack("<d", 1.5) + b"\x10\x03" + b"\x2a\x0d" + b"\x0a\x0b" + summary
    assert first == wanted
    assert "größe".encode() in second
    assert struct.pack("<f", float("inf")) in second
    assert "tfevents" in file.path.name


def test_the_metrics_of_a_run_are_exported(studio, run, tmp_path):
    now = int(time.time() * 1000)
    points = [["loss", 1.0, 0, now], ["loss", 0.5, 1, now], ["loss", "NaN", 2, now], ["system/cpu", 3.0, 0, now]]
    studio.batches["b"] = {"batch": "b", "points": points}
    for _ in range(2):  # a second time gives the same, and not two files
        export_to_tensorboard(run, str(tmp_path / "out"), recursive=False)
    (file,) = (tmp_path / "out" / RUN).iterdir()
    kept = records(file)
    assert len(kept) == 4
    assert all(b"\x0a\x04loss\x15" in one for one in kept[1:])
    assert not any(b"system" in one for one in kept)


def test_an_experiment_and_what_is_no_run(studio, run, space, tmp_path):
    studio.batches["b"] = {"batch": "b", "points": [["loss", 1.0, 0, 1]]}
    export_to_tensorboard(Experiment(space, "first"), str(tmp_path), recursive=False)
    assert len(list((tmp_path / RUN).iterdir())) == 1
    for wrong in ("x", 3, [run, "x"], []):
        with pytest.raises(UserErrorException):
            export_to_tensorboard(wrong, str(tmp_path / "no"))
    assert not (tmp_path / "no").exists()


def test_the_command_exports(studio, zaffre, tmp_path):
    studio.new_run(status="completed")
    studio.batches["b"] = {"batch": "b", "points": [["loss", 1.0, 0, 1]]}
    done = zaffre("run", "export-tensorboard", RUN, str(tmp_path / "out"), "--no-children", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"run": RUN, "folder": str(tmp_path / "out")}
    assert len(list((tmp_path / "out" / RUN).iterdir())) == 1
    refused = zaffre("run", "tensorboard", RUN)
    assert refused.returncode == 1
    assert "pip install tensorboard" in refused.stderr
