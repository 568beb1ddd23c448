"""What happens beside running code: samples of the machine, and logs/ while it is written."""

import hashlib
import os
import subprocess
import sys
import time

import pytest

from zaffre.agent import companions
from zaffre.agent.usage import Gpus, Meter

BUSY = """
import os, subprocess, sys, time
held = bytearray(b"x" * 80_000_000)
child = subprocess.Popen([sys.executable, "-c", "import time\\nwhile time.monotonic() > 0: pass"])
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
child.kill()
"""


def values(run, name: str) -> list[float]:
    return [point[1] for point in run.samples if point[0] == f"system/{name}"]


def test_the_tree_of_a_run_is_sampled_while_it_runs(studio, bring_agent, tmp_path):
    studio.settings["look"] = 0.2
    bring_agent(studio)
    run = studio.submit({"train.py": BUSY}, arguments=[str(tmp_path / "enough")])
    studio.wait(lambda: len(values(run, "processes")) >= 5 and max(values(run, "processes")) >= 2, "samples")
    studio.wait(lambda: max(values(run, "cpu_utilization_percentage"), default=0) > 1, "the work of the child")
    studio.wait(lambda: max(values(run, "memory_usage_megabytes")) > 80, "the memory that is held")
    (tmp_path / "enough").touch()
    studio.wait_final(run)
    assert run.status == "completed"
    keys = {point[0] for point in run.samples}
    assert {"system/memory_usage_percentage", "system/network_receive_megabytes"} <= keys
    assert len(keys) < 60
    steps = [point[2] for point in run.samples if point[0] == "system/processes"]
    assert steps == sorted(steps)
    assert all(0 <= value <= 100 * 2 for value in values(run, "cpu_utilization_percentage"))


def test_a_studio_that_takes_no_samples_costs_the_run_nothing(studio, bring_agent, tmp_path):
    studio.settings["look"] = 0.1
    studio.refuse_samples = True
    bring_agent(studio)
    run = studio.submit({"train.py": "import time\ntime.sleep(1.5)\nprint('done')"})
    studio.wait_final(run)
    assert (run.status, run.log) == ("completed", b"done\n")
    assert studio.refused_samples > 1


GROWING = """
import os, sys, time
os.makedirs("logs/deep")
os.symlink("/etc/passwd", "logs/link")
with open("logs/deep/events", "wb") as file:
    file.write(b"first"); file.flush()
    while not os.path.exists(sys.argv[1]): time.sleep(0.05)
    file.write(b" second"); file.flush()
    while not os.path.exists(sys.argv[2]): time.sleep(0.05)
    file.write(b" last")
"""


def test_logs_are_sent_while_they_are_written(studio, bring_agent, tmp_path):
    studio.settings["look"] = 0.1
    bring_agent(studio)
    run = studio.submit({"train.py": GROWING}, arguments=[str(tmp_path / "go"), str(tmp_path / "end")])

    def held() -> bytes:
        return studio.blobs.get(run.artifacts.get("logs/deep/events", ""), b"")

    studio.wait(lambda: held() == b"first", "what was written first")
    (tmp_path / "go").touch()
    studio.wait(lambda: held() == b"first second", "what was written then")
    told = len([name for name in run.order if name == "artifacts"])
    time.sleep(0.5)
    assert len([name for name in run.order if name == "artifacts"]) == told  # nothing new, nothing sent
    (tmp_path / "end").touch()
    studio.wait_final(run)
    assert held() == b"first second last"
    assert set(run.artifacts) == {"logs/deep/events", "logs/requirements.txt"}


def test_logs_outlive_a_studio_that_is_away_for_a_while(studio, bring_agent, tmp_path):
    studio.settings["look"] = 0.1
    bring_agent(studio)
    run = studio.submit({"train.py": GROWING}, arguments=[str(tmp_path / "go"), str(tmp_path / "end")])
    studio.wait(lambda: "logs/deep/events" in run.artifacts, "what was written first")
    studio.away = True
    (tmp_path / "go").touch()
    time.sleep(0.5)
    studio.away = False
    whole = hashlib.sha256(b"first second").hexdigest()
    studio.wait(lambda: run.artifacts["logs/deep/events"] == whole, "what was written meanwhile")
    (tmp_path / "end").touch()
    studio.wait_final(run)
    assert run.status == "completed"


class Door:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def call(self, method, path, value=None, *, body=None, **_):
        size = len(body.read()) if body is not None else 0
        self.calls.append((path.rpartition("/")[2], size))
        return self

    def json(self):
        return {"missing": [hashlib.sha256(b"x" * 1000).hexdigest()]}


class Job:
    run, address = "RUN", "/run"

    def __init__(self, folder) -> None:
        self.door, self.spec = Door(), {}
        self.place = type("Place", (), {"path": folder, "work": folder / "work"})()

    def over(self) -> bool:
        return False


def test_a_look_into_logs_is_bounded(tmp_path, monkeypatch):
    (tmp_path / "work" / "logs").mkdir(parents=True)
    for at in range(5):
        (tmp_path / "work" / "logs" / f"{at}.txt").write_bytes(b"x" * 1000)
    (tmp_path / "work" / "logs" / "huge.bin").write_bytes(b"x" * 5000)
    monkeypatch.setattr(companions, "MOST_OF_A_FILE", 4000)
    monkeypatch.setattr(companions, "_BYTES_A_LOOK", 2500)
    folder = companions.LogFolder(Job(tmp_path))
    for looks, sent in ((1, 2), (2, 4), (3, 5), (4, 5)):
        folder.look()
        assert len([name for name, _ in folder.job.door.calls if name == "artifacts"]) == sent, looks
    assert max(size for _, size in folder.job.door.calls) == 1000
    assert not (tmp_path / "logs.part").exists()
    (tmp_path / "work" / "logs" / "0.txt").write_bytes(b"y" * 1001)
    monkeypatch.setattr(companions, "_BYTES_A_SECOND", 1)
    folder.look()
    (tmp_path / "work" / "logs" / "0.txt").write_bytes(b"y" * 1002)
    folder.look()  # a thousand seconds too early
    assert len([name for name, _ in folder.job.door.calls if name == "artifacts"]) == 6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_time_and_bytes_of_ended_processes_count(tmp_path):
    work = f"open({str(tmp_path / 'f')!r}, 'wb').write(b'x' * 5_000_000); sum(range(20_000_000))"
    keeps = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {work!r}])\nprint('done', flush=True)\n"
    words = [sys.executable, "-c", f"{keeps}sys.stdin.read()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        meter = Meter(os.getpid())
        begun = time.monotonic()
        meter.read(begun)
        assert keeper.stdout.readline() == b"done\n"
        found = meter.read(begun + 1.0)
        keeper.stdin.close()
    assert found["cpu_utilization_percentage"] * (os.cpu_count() or 1) / 100 > 0.2  # seconds
    assert found["processes"] >= 1
    assert Meter(2**22 + 1).read(0.0) == {}


class Driver:
    """Two GPUs as NVML tells of them; the second one does not tell its load."""

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetCount_v2(self, count) -> int:
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, at, handle) -> int:
        handle._obj.value = at.value + 1
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle, rates) -> int:
        rates._obj.gpu = 37
        return 0 if handle.value == 1 else 3

    def nvmlDeviceGetMemoryInfo(self, handle, memory) -> int:
        memory._obj.total, memory._obj.used = 80_000_000_000, 20_000_000_000
        return 0


def test_gpus_are_read_where_there_are_some(monkeypatch):
    monkeypatch.setattr("zaffre.agent.usage.ctypes.CDLL", lambda name: Driver())
    assert Gpus().read() == {
        "gpu_0_utilization_percentage": 37,
        "gpu_0_memory_usage_megabytes": 20_000,
        "gpu_0_memory_usage_percentage": 25,
        "gpu_1_memory_usage_megabytes": 20_000,
        "gpu_1_memory_usage_percentage": 25,
    }


def test_the_folders_that_a_run_names_are_watched_and_kept(studio, bring_agent, tmp_path):
    studio.settings["look"] = 0.2
    bring_agent(studio)
    script = """
import os, sys, time
for folder in ("boards", "logs", "outputs"):
    os.makedirs(folder, exist_ok=True)
    open(folder + "/a", "w").write(open(sys.argv[1] + "/part").read())
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
"""
    history = {"output_collection": False, "directories_to_watch": ["boards"]}
    words = ["DatasetConsumptionConfig:my-data", str(tmp_path / "enough")]
    inputs = {"my-data": {"part": "mine"}}
    run = studio.submit({"train.py": script}, arguments=words, inputs=inputs, history=history)
    studio.wait(lambda: "boards/a" in run.artifacts, "what is watched")
    assert studio.blobs[run.artifacts["boards/a"]] == b"mine"
    (tmp_path / "enough").touch()
    studio.wait_final(run)
    assert (run.status, set(run.artifacts)) == ("completed", {"boards/a"})


def test_what_the_workspace_is_known_to_hold_is_not_asked_for_again_and_is_sent_again_when_it_was_removed(
    studio, bring_agent
):
    bring_agent(studio)
    script = "import os; os.makedirs('outputs'); open('outputs/same', 'w').write('the same each time')"
    runs = []
    for _ in range(2):
        runs.append(studio.wait_final(studio.submit({"train.py": script})))
    studio.blobs.pop(runs[1].artifacts["outputs/same"])  # nothing named it any more
    runs.append(studio.wait_final(studio.submit({"train.py": script})))
    assert ["blobs/missing" in run.order for run in runs] == [True, False, True]
    assert all(studio.blobs[run.artifacts["outputs/same"]] == b"the same each time" for run in runs)
