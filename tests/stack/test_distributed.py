"""Runs on two nodes as real processes: they reduce together, and fail, die and are canceled together."""

import os
import signal
import subprocess
import sys
from functools import cache

import psutil
import pytest

from tests.agent.test_ranks import REDUCE, TORCH
from tests.stack.running import until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

TWO = {"node_count": 2, "distribution": {"kind": "pytorch", "backend": "gloo"}}
PACKAGES_OF_TESTS = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))}
WAITING = """
import os, sys, time
open(sys.argv[1] + os.environ["RANK"], "w").write(str(os.getpid()))
print("rank", os.environ["RANK"], "waits", flush=True)
time.sleep(600)
"""


@cache
def has_torch() -> bool:
    done = subprocess.run([sys.executable, "-c", "import torch.distributed"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def nodes(studio, bring_node):
    return bring_node("a"), bring_node("b")


def waiting(studio, tmp_path, **config) -> tuple[str, list[int]]:
    """A run whose two processes wait, and their pids."""
    marks = [tmp_path / f"rank{rank}" for rank in range(2)]
    run = studio.submit({"train.py": WAITING}, arguments=[str(tmp_path / "rank")], **TWO, **config)
    until(lambda: all(mark.exists() and mark.read_text() for mark in marks), "both processes")
    return run, [int(mark.read_text()) for mark in marks]


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def log_of(studio, run: str, rank: int) -> str:
    found = studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts/user_logs/std_log_process_{rank}.txt")
    return found.body.decode()


def test_two_nodes_reduce_and_each_process_has_its_log(studio, nodes):
    script = REDUCE + "print('the sum is', all_reduce(int(os.environ['RANK']) + 1), 'of', os.environ['RANK'])\n"
    run = studio.submit({"train.py": script}, node_count=2, distribution={"processes_per_node": 2})
    studio.wait_for(run, "completed")
    assert studio.log(run) == b"the sum is 10.0 of 0\n"
    for rank in range(4):
        assert log_of(studio, run, rank) == f"the sum is 10.0 of {rank}\n"


def test_the_files_of_both_nodes_are_those_of_the_run(studio, nodes):
    script = (
        "import os, pathlib\nrank = os.environ['NODE_RANK']\n"
        "for folder in ('outputs', 'logs'):\n    pathlib.Path(folder).mkdir(exist_ok=True)\n"
        "pathlib.Path('outputs/model').write_text('of ' + rank)\n"
        "pathlib.Path('outputs/shard_' + rank).write_text(rank)\n"
        "pathlib.Path('outputs/same').write_text('same')\npathlib.Path('logs/events_' + rank).write_text(rank)\n"
    )
    run = studio.submit({"train.py": script}, **TWO)
    studio.wait_for(run, "completed")
    found = studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts").json
    names = {one["path"] for one in found["artifacts"] if not one["path"].startswith("user_logs/")}
    outputs = {"outputs/model", "outputs/node_1/model", "outputs/shard_0", "outputs/shard_1", "outputs/same"}
    assert names == {*outputs, "logs/events_0", "logs/events_1", "logs/requirements.txt"}
    first = studio.ask("GET", f"{studio.ws}/runs/{run}/artifacts/outputs/model")
    assert first.body == b"of 0"


def test_torch_reduces_between_two_nodes(studio, nodes):
    if not has_torch():
        pytest.skip("torch is not installed beside the tests")
    run = studio.submit({"train.py": TORCH}, environment_variables=PACKAGES_OF_TESTS, **TWO)
    studio.wait_for(run, "completed")
    assert "the sum is 3.0 on rank 1" in log_of(studio, run, 1)


def test_a_rank_that_exits_with_3_fails_the_run_and_is_named(studio, nodes):
    script = "import os, sys, time\nif os.environ['RANK'] == '1':\n    sys.exit(3)\ntime.sleep(600)\n"
    run = studio.submit({"train.py": script}, **TWO)
    done = studio.wait_for(run, "failed")
    assert done["reason"]["code"] == "script_failed"
    assert done["reason"]["message"].startswith("Rank 1 on node ")
    assert "exited with 3" in done["reason"]["message"]
    assert done["exit_code"] == 3


def test_a_node_that_dies_in_the_middle_ends_the_others(studio, nodes, tmp_path):
    run, pids = waiting(studio, tmp_path, max_retries=1)
    lost = next(node for node in nodes if pids[1] in {one.pid for one in node.tree()})
    lost.kill_tree()
    until(lambda: studio.run(run)["attempt"] == 1 and studio.run(run)["status"] == "queued", "the next try")
    assert gone(pids)
    assert "2 nodes at once" in studio.run(run)["queue"]["message"] or "lost" in studio.run(run)["reason"]["message"]
    studio.ask("POST", f"{studio.ws}/runs/{run}/cancel")
    studio.wait_for(run, "canceled")


def test_a_cancel_ends_every_process(studio, nodes, tmp_path):
    run, pids = waiting(studio, tmp_path)
    assert studio.ask("POST", f"{studio.ws}/runs/{run}/cancel").status in (200, 202)
    studio.wait_for(run, "canceled")
    assert gone(pids)


def test_a_node_that_is_cut_off_fences_itself_and_the_others_end(studio, nodes, tmp_path):
    run, pids = waiting(studio, tmp_path, max_retries=1)
    cut = next(node for node in nodes if pids[1] in {one.pid for one in node.tree()})
    agent = psutil.Process(cut.process.pid)
    agent.send_signal(signal.SIGSTOP)  # nothing of it reaches the studio; its supervisor counts on
    try:
        until(lambda: gone(pids), "both processes have ended")
        until(lambda: studio.run(run)["status"] == "queued", "the next try")
    finally:
        agent.send_signal(signal.SIGCONT)
    studio.ask("POST", f"{studio.ws}/runs/{run}/cancel")
    until(lambda: studio.run(run)["status"] == "canceled", "the cancel")
