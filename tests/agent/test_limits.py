"""Limits of a run: what it asked for is what it gets, its end says which one was met, and the node lives on."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.agent.conftest import processes_in
from zaffre.agent import gpus, groups
from zaffre.agent.groups import Group, Limits, Version2
from zaffre.agent.guard import Guard, size

FOUND = groups.find()
by_kernel = pytest.mark.skipif(FOUND is None, reason="this machine lets us make no control groups")

EATING = """
kept = []
for number in range(400):
    kept.append(bytearray(os.urandom(1)) * (4 * 2**20))
    if number == 2: print("eating", flush=True)
"""

#: Forks until it is refused, and goes on when it is.
BOMB = """
import os, time
print("begun", flush=True)
while True:
    try:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
    except OSError:
        time.sleep(0.05)
"""


@by_kernel
@pytest.mark.parametrize("isolation", ["none", "auto"])
def test_too_much_memory_ends_the_run_by_name_and_the_next_one_runs(studio, bring_agent, isolation):
    bring_agent(studio, isolation=isolation)
    run = studio.submit({"train.py": f"import os{EATING}"}, limits={"memory_mb": 64})
    studio.wait_final(run)
    assert run.result is not None
    assert (run.status, run.result["reason"]) == ("failed", "out_of_memory"), run.log
    assert run.result["message"].startswith("The run asked for 64 MB of memory and used 6")
    assert b"eating" in run.log
    after = studio.wait_final(studio.submit({"train.py": "print('well')"}))
    assert (after.status, after.log) == ("completed", b"well\n")


@by_kernel
def test_a_worker_that_is_killed_for_memory_does_not_leave_its_run_hanging(studio, bring_agent):
    bring_agent(studio)
    eating = EATING.replace("\n", "\n    ")
    script = f"import os, time\nif os.fork() == 0:\n    {eating}\n    os._exit(0)\ntime.sleep(600)"
    run = studio.submit({"train.py": script}, limits={"memory_mb": 64})
    studio.wait_final(run)
    assert run.result is not None and run.result["reason"] == "out_of_memory"


@by_kernel
@pytest.mark.parametrize("isolation", ["none", "auto"])
def test_a_fork_bomb_ends_as_a_failed_run_and_nothing_of_it_lives(studio, bring_agent, isolation):
    agent = bring_agent(studio, isolation=isolation, max_processes="60")
    run = studio.wait_final(studio.submit({"train.py": BOMB}))
    assert run.result is not None
    assert (run.status, run.result["reason"]) == ("failed", "too_many_processes")
    assert "more than 60 processes and threads" in run.result["message"]
    assert processes_in(agent.folder / "state" / "runs") == []
    assert studio.wait_final(studio.submit({"train.py": "print(1)"})).status == "completed"


@by_kernel
def test_processors_are_shared_out(studio, bring_agent):
    script = """
import os, time
begun = time.monotonic()
while time.monotonic() - begun < 1.5:
    pass
print(time.process_time() / (time.monotonic() - begun), os.environ["OMP_NUM_THREADS"])
"""
    bring_agent(studio)
    run = studio.submit({"train.py": script}, limits={"cpus": 0.25})
    studio.wait_final(run)
    share, threads = run.log.split()
    assert float(share) < 0.6, "it had more than its quarter"
    assert threads == b"1"


def test_the_node_keeps_the_longest_duration_while_the_studio_is_away(studio, bring_agent):
    agent = bring_agent(studio)
    run = studio.submit(
        {"train.py": "import time\nprint('begun', flush=True)\ntime.sleep(600)"}, max_duration_seconds=2
    )
    studio.wait(lambda: b"begun" in run.log, "the code")
    studio.away = True
    place = agent.folder / "state" / "runs" / f"{run.id}.1"
    studio.wait((place / "result.json").exists, "the end of the code without the studio")
    studio.away = False
    studio.wait_final(run)
    assert run.result is not None
    assert (run.result["reason"], run.status) == ("timeout", "failed")
    assert "max_duration_seconds of 2 s" in run.result["message"]


def test_a_run_that_asks_for_gpus_that_are_not_there_says_so(studio, bring_agent):
    bring_agent(studio)
    run = studio.submit({"train.py": "print(1)"}, limits={"gpus": 9})
    studio.wait_final(run)
    assert run.result is not None and run.result["reason"] == "launch_failed"
    assert "asks for 9 GPUs" in run.result["message"]


# --- GPUs: who has which ----------------------------------------------------------------------------


def test_a_gpu_is_one_holders_at_a_time():
    shelf = gpus.Shelf(["0", "1", "2"])
    assert shelf.take(2, "a") == ("0", "1")
    assert shelf.take(2, "b") is None and shelf.take(1, "b") == ("2",)
    assert shelf.take(0, "c") == ()
    shelf.give_back("a")
    assert shelf.take(2, "c") == ("0", "1")
    again = gpus.Shelf(["0", "1"])
    again.keep(("1", "7"), "taken over")
    assert again.take(1, "d") == ("0",) and again.take(1, "e") is None


def test_only_the_gpus_that_the_node_was_told_are_given_away():
    assert gpus.visible(2, "3, GPU-8f2e") == ["3", "GPU-8f2e"]
    assert gpus.visible(2, "") == [] and gpus.visible(2, "-1") == []


def test_what_the_driver_says_is_read_as_names_and_sizes():
    said = "NVIDIA A100-SXM4-40GB, 40960\nNVIDIA GB10, [N/A]\n\n"
    assert gpus.parsed(said) == [
        {"name": "NVIDIA A100-SXM4-40GB", "memory_gb": 40.0},
        {"name": "NVIDIA GB10", "memory_gb": 0.0},
    ]


# --- control groups of version 2, on a tree that behaves like the kernel's -----------------------------


class FakeTree(Version2):
    """Makes in a new folder what the kernel would make there."""

    FILES = ("cgroup.procs", "cgroup.kill", "memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max")

    def _mkdir(self, folder: Path) -> None:
        folder.mkdir()
        for name in self.FILES:
            (folder / name).write_text("")
        (folder / "memory.events").write_text("low 0\nmax 3\noom 0\noom_kill 0\noom_group_kill 0\n")
        (folder / "memory.peak").write_text("67108864\n")
        (folder / "pids.events").write_text("max 0\n")


def made(tmp_path: Path, **limits: Any) -> Group:
    return FakeTree(tmp_path).make("run.1", Limits(**limits))


def test_limits_are_written_as_version_2_spells_them(tmp_path):
    made(tmp_path, cpus=1.5, memory=64 * 2**20, processes=100)
    folder = tmp_path / "run.1"
    wanted = {"memory.max": "67108864", "memory.swap.max": "0", "memory.oom.group": "1"}
    wanted |= {"cpu.max": "150000 100000", "pids.max": "100"}
    assert {name: (folder / name).read_text() for name in wanted} == wanted


def test_the_counters_of_version_2_say_which_limit_was_met(tmp_path):
    group = made(tmp_path, memory=64 * 2**20, processes=100)
    guard = Guard(Limits(memory=64 * 2**20, processes=100), group)
    assert guard.trouble(os.getpid(), last=True) is None
    (tmp_path / "run.1" / "pids.events").write_text("max 4\n")
    found = guard.trouble(os.getpid(), last=True)
    assert found is not None and found[0] == "too_many_processes"
    (tmp_path / "run.1" / "memory.events").write_text("oom_kill 2\n")
    found = guard.trouble(os.getpid(), last=True)
    assert found is not None and found[0] == "out_of_memory"
    assert found[1].startswith("The run asked for 64 MB of memory and used 64 MB when it was killed.")


def test_a_group_of_version_2_is_entered_ended_and_found_again_by_its_files(tmp_path):
    group = made(tmp_path, memory=2**20)
    entries = group.open_entries()
    groups.enter(entries)
    group.close_entries()
    assert (tmp_path / "run.1" / "cgroup.procs").read_text() == "0", "written once: one tree for all controllers"
    again = Group.again(group.told())
    assert again is not None and again.kill()
    assert (tmp_path / "run.1" / "cgroup.kill").read_text() == "1"
    assert Group.again({"version": 2, "folders": {"memory": str(tmp_path / "gone")}}) is None


def test_a_kernel_that_offers_no_limit_is_not_believed(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpuset io\n")
    assert groups.find(tmp_path) is None
    assert not (tmp_path / "cgroup.subtree_control").exists()


# --- without control groups ------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the tree is watched by /proc")
def test_without_groups_the_tree_is_watched():
    found = Guard(Limits(memory=2**20)).trouble(os.getppid(), last=True)
    assert found is not None and found[0] == "out_of_memory"
    found = Guard(Limits(processes=0)).trouble(os.getppid(), last=True)
    assert found is not None and found[0] == "too_many_processes"
    assert Guard(Limits(memory=2**60, processes=2**20)).trouble(os.getppid(), last=True) is None


@pytest.mark.parametrize(("bytes_", "said"), [(2 * 2**30, "2 GB"), (int(1.5 * 2**30), "1.5 GB"), (2**29, "512 MB")])
def test_sizes_are_said_as_people_say_them(bytes_, said):
    assert size(bytes_) == said


@by_kernel
def test_what_was_found_is_found_by_others_from_its_words():
    assert FOUND is not None
    there = groups.again(FOUND.told())
    assert there is not None and groups.works(there)
