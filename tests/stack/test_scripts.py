"""What users' scripts do to themselves, and what people do to them: real processes on a real node."""

import hashlib
import io
import json
import stat
import time
import zipfile

import psutil
import pytest

from tests.stack.running import GRACE, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900), pytest.mark.usefixtures("node")]


def test_a_run_completes_with_log_metrics_and_outputs(studio):
    script = """
from pathlib import Path
from zaffre.core import Run

run = Run.get_context()
for step in range(20):
    run.log("loss", 1 / (step + 1), step=step)
Path("outputs").mkdir(exist_ok=True)
Path("outputs/answer.txt").write_text("42")
print("all done")
"""
    run = studio.submit({"train.py": script})
    done = studio.wait_for(run, "completed")
    assert done["exit_code"] == 0
    assert "all done\n" in studio.log(run).decode()
    loss = studio.ask("GET", f"{studio.ws}/runs/{run}/metrics").json["metrics"]["loss"]
    assert (loss["count"], loss["last"], loss["last_step"]) == (20, 0.05, 19)
    kept = studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts/outputs/answer.txt")
    assert (kept.status, kept.body) == (200, b"42")


def test_a_script_that_exits_with_3_is_failed_and_its_outputs_are_kept(studio):
    script = """
import os, sys
os.makedirs("outputs", exist_ok=True)
open("outputs/partial.txt", "w").write("half")
print("cannot read the labels", file=sys.stderr)
sys.exit(3)
"""
    run = studio.submit({"train.py": script})
    done = studio.wait_for(run, "failed")
    assert done["exit_code"] == 3
    assert done["reason"]["code"] != "worker_lost"
    assert "3" in done["reason"]["message"]
    assert b"cannot read the labels" in studio.log(run)
    kept = studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts/outputs/partial.txt")
    assert kept.body == b"half"


def test_a_script_killed_by_a_signal_is_no_lost_worker(studio):
    script = "import os, signal\nprint('growing', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    run = studio.submit({"train.py": script})
    done = studio.wait_for(run, "failed")
    assert done["signal"] in {9, "SIGKILL"}
    assert done["reason"]["code"] != "worker_lost"
    assert b"growing" in studio.log(run)


def test_a_traceback_is_in_the_log(studio):
    run = studio.submit({"train.py": "def load():\n    raise ValueError('labels are missing')\n\nload()\n"})
    done = studio.wait_for(run, "failed")
    assert done["exit_code"] == 1
    assert b"ValueError: labels are missing" in studio.log(run)


def test_a_script_that_is_not_in_the_snapshot_is_refused_with_the_nearest_name(studio):
    refused = studio.try_submit({"train.py": "", "prepare.py": ""}, script="trian.py")
    assert refused.status == 422, refused.body
    error = refused.json["error"]
    assert "trian.py" in error["message"]
    assert "train.py" in f"{error['message']} {error['hint']} {error['details']}".replace("trian.py", "")


def test_cancel_ends_a_group_that_ignores_sigterm(studio):
    script = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
inside = subprocess.Popen([sys.executable, "-c", code])
escaped = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
print("pids", os.getpid(), inside.pid, escaped.pid, flush=True)
time.sleep(600)
"""
    run = studio.submit({"train.py": script})
    studio.wait_for_log(run, b"pids ")
    line = next(line for line in studio.log(run).decode().splitlines() if line.startswith("pids "))
    # The script may see its own numbers only when it has a namespace of its own; then nothing can be looked up.
    pids = [int(word) for word in line.split()[1:]]
    alive = [pid for pid in pids if psutil.pid_exists(pid)]
    begun = time.monotonic()
    assert studio.ask("POST", f"{studio.ws}/runs/{run}/cancel", {}).status in {200, 202}
    studio.wait_for(run, "canceled")
    assert time.monotonic() - begun >= GRACE / 2, "SIGKILL came without the grace period"
    until(lambda: not any(map(psutil.pid_exists, alive)), f"the end of {alive}")


def test_a_canceled_script_may_save_its_work_first(studio):
    script = """
import os, signal, sys, time
def leave(*_):
    os.makedirs("outputs", exist_ok=True)
    open("outputs/checkpoint.txt", "w").write("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("training", flush=True)
while True:
    time.sleep(0.1)
"""
    run = studio.submit({"train.py": script})
    studio.wait_for_log(run, b"training")
    studio.ask("POST", f"{studio.ws}/runs/{run}/cancel", {})
    studio.wait_for(run, "canceled")
    assert studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts/outputs/checkpoint.txt").body == b"saved"


def test_a_snapshot_over_the_limit_names_the_biggest_files(studio, tmp_path):
    (tmp_path / "train.py").write_text("print(1)")
    for name, size in [("weights.bin", 250), ("cache.bin", 100)]:
        with (tmp_path / name).open("wb") as file:
            file.truncate(size * 1024 * 1024)
    words = ["run", "submit", "--experiment", "faults", "--target", "local", "--", "train.py"]
    refused = studio.zaffre(*words, cwd=tmp_path)
    said = refused.stdout + refused.stderr
    assert refused.returncode not in {0, None}
    assert said.index("weights.bin") < said.index("cache.bin"), said
    files = [
        {"path": name, "sha256": mark * 64, "size": size * 1024 * 1024, "mode": 0o644}
        for name, size, mark in [("small.py", 0, "c"), ("cache.bin", 100, "b"), ("weights.bin", 250, "a")]
    ]
    refused_by_server = studio.ask("POST", f"{studio.ws}/snapshots", {"files": files})
    assert refused_by_server.status == 413, refused_by_server.body
    assert b"weights.bin" in refused_by_server.body


def _zip(name: str, *, link: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("train.py", "print(1)")
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3
        entry.external_attr = ((stat.S_IFLNK if link else stat.S_IFREG) | 0o644) << 16
        archive.writestr(entry, link or "outside")
    return made.getvalue()


@pytest.mark.parametrize(
    "body",
    [_zip("../evil.py"), _zip("/etc/evil.py"), _zip("a/../../evil.py"), _zip("link", link="/etc/passwd"), b"no zip"],
    ids=["dots", "absolute", "dots inside", "link", "no zip"],
)
def test_a_hostile_zip_is_refused_whole(studio, body):
    refused = studio.ask("POST", f"{studio.ws}/snapshots/zip", body, headers={"Content-Type": "application/zip"})
    assert refused.status == 422, refused.body
    assert refused.json["error"]["message"]
    honest = studio.ask(
        "POST", f"{studio.ws}/snapshots/zip", _zip("more.py"), headers={"Content-Type": "application/zip"}
    )
    assert honest.status in {200, 201}, honest.body


def test_large_files_arrive_whole_from_the_sdk_and_from_outputs(studio):
    script = """
import hashlib, os
from zaffre.core import Run
os.makedirs("outputs", exist_ok=True)
for name, seed in (("outputs/big.bin", b"a"), ("own.bin", b"b")):
    with open(name, "wb") as file:
        for n in range(70):
            file.write(hashlib.sha256(seed + bytes([n])).digest() * 32768)
        file.write(b"end")
Run.get_context().upload_file("sent/own.bin", "own.bin")
"""
    run = studio.submit({"train.py": script})
    studio.wait_for(run, "completed")
    for name, seed in (("outputs/big.bin", b"a"), ("sent/own.bin", b"b")):
        got = studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts/{name}").body
        want = b"".join(hashlib.sha256(seed + bytes([n])).digest() * 32768 for n in range(70)) + b"end"
        assert hashlib.sha256(got).digest() == hashlib.sha256(want).digest(), name


def test_a_run_is_reproduced_by_the_command(studio):
    script = (
        "import random\nfrom zaffre.core import Run\nrandom.seed(7)\nRun.get_context().log('luck', random.random())\n"
    )
    run = studio.submit({"train.py": script})
    studio.wait_for(run, "completed")
    told = studio.zaffre("run", "reproduce", run, "--json")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["agrees"] is True and found["other"]["id"] == run
    assert [(one["key"], one["verdict"]) for one in found["metrics"]] == [("luck", "equal")]
