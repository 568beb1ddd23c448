"""Runs of many processes on one node: what each is told, where each writes, and how one ends the others."""

import json
import shutil

import pytest

from tests.agent.conftest import names_in
from zaffre.agent.outputs import collected
from zaffre.agent.ranks import variables

#: An all-reduce over plain sockets, by the variables that torch.distributed reads.
REDUCE = """
import os, socket, sys, time

def all_reduce(value):
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if rank == 0:
        with socket.create_server((address, port)) as server:
            others = [server.accept()[0] for _ in range(world - 1)]
            total = value + sum(float(one.recv(64)) for one in others)
            for one in others:
                one.sendall(str(total).encode())
                one.close()
            return total
    end = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection((address, port)) as master:
                master.sendall(str(value).encode())
                return float(master.recv(64))
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.05)
"""
TORCH = """
import os
import torch
import torch.distributed as dist
dist.init_process_group(os.environ.get("ZAFFRE_BACKEND", "gloo"))
value = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(value)
print("the sum is", value.item(), "on rank", dist.get_rank(), flush=True)
dist.destroy_process_group()
"""
TWO = {"kind": "pytorch", "processes_per_node": 2, "backend": "gloo"}


def text(studio, run, path: str) -> str:
    return studio.blobs[run.artifacts[path]].decode()


def test_two_processes_find_each_other_and_write_apart(studio, bring_agent):
    bring_agent(studio)
    script = REDUCE + "print('the sum is', all_reduce(int(os.environ['RANK']) + 1), 'of', os.environ['RANK'])\n"
    run = studio.submit({"train.py": script, "signal.py": "raise SystemExit('shadowed')"}, distribution=TWO)
    studio.wait_final(run)
    assert run.status == "completed", run.log
    assert run.log == b"the sum is 3.0 of 0\n"
    assert text(studio, run, "user_logs/std_log_process_0.txt") == "the sum is 3.0 of 0\n"
    assert text(studio, run, "user_logs/std_log_process_1.txt") == "the sum is 3.0 of 1\n"


def test_what_processes_are_told_may_stand_among_their_arguments(studio, bring_agent):
    bring_agent(studio)
    words = ["$AZ_BATCHAI_TASK_INDEX", "of=${WORLD_SIZE}", "$AZ_BATCHAI_PYTORCH_INIT_METHOD", "$HOME", "for $RANK"]
    script = "import os, sys\nport = os.environ['MASTER_PORT']\nprint([one.replace(port, 'P') for one in sys.argv[1:]])"
    run = studio.submit({"train.py": script}, distribution=TWO, arguments=words)
    studio.wait_final(run)
    assert run.status == "completed", run.log
    for rank in "01":
        told = [rank, "of=2", "tcp://127.0.0.1:P", "$HOME", "for $RANK"]
        assert text(studio, run, f"user_logs/std_log_process_{rank}.txt") == f"{told}\n"


def test_torch_reduces_between_two_processes(studio, bring_agent):
    pytest.importorskip("torch", reason="torch is not installed beside the tests")
    bring_agent(studio)
    run = studio.submit({"train.py": TORCH}, distribution=TWO)
    studio.wait_final(run, 120)
    assert run.status == "completed", run.log
    assert "the sum is 3.0 on rank 1" in text(studio, run, "user_logs/std_log_process_1.txt")


def test_a_rank_that_fails_ends_the_others_and_is_named_with_its_traceback(studio, bring_agent):
    bring_agent(studio)
    script = """
import os, pathlib, sys, time
begun = pathlib.Path("begun")
if os.environ["RANK"] == "1":
    while not begun.exists():
        time.sleep(0.01)
    raise ValueError("no labels")
print("waiting", flush=True)
begun.touch()
time.sleep(600)
"""
    run = studio.submit({"train.py": script}, distribution=TWO)
    studio.wait_final(run)
    assert (run.status, run.result["exit_code"], run.result["reason"]) == ("failed", 1, "script_failed")
    assert run.result["message"].startswith("Rank 1 exited with 1.\nTraceback")
    assert run.result["ago"] >= 0 and "failed_at" not in run.result, "clocks of nodes differ"
    assert "ValueError: no labels" in run.result["message"]
    assert b"Rank 1 ended with exit code 1" in run.log
    assert text(studio, run, "user_logs/std_log_process_0.txt") == "waiting\n"


@pytest.mark.parametrize("last", ["finish", "result"])
def test_a_report_of_a_failure_that_is_sent_again_says_anew_how_long_ago_it_was(studio, bring_agent, monkeypatch, last):
    told, answer = [], studio.run_call

    def away_at_first(method, run, rest, headers, data):
        if rest != last:
            return answer(method, run, rest, headers, data)
        told.append(json.loads(data))
        return answer(method, run, rest, headers, data) if len(told) > 1 else (503, {})

    monkeypatch.setattr(studio, "run_call", away_at_first)
    studio.says_finish = last == "finish"
    bring_agent(studio)
    run = studio.submit({"train.py": "import os\nos._exit(3) if os.environ['RANK'] == '1' else None"}, distribution=TWO)
    assert studio.wait_final(run).status == "failed"
    first, again = told
    assert first["message"] == again["message"]
    assert first["ago"] < again["ago"]
    assert [one["name"] for one in first["steps"]] == [one["name"] for one in again["steps"]] != []
    assert all(one["ago"] < later["ago"] for one, later in zip(first["steps"], again["steps"], strict=True))


def test_the_first_that_failed_is_named_though_all_have_ended_before_anybody_looked(studio, bring_agent):
    """What others' ends make of a rank comes within moments. Here who watches them is stopped for so long."""
    bring_agent(studio)
    script = """
import os, pathlib, signal, time
watcher, first = os.getppid(), pathlib.Path("first")

def wait_for_end_of(pid):
    while pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)

if os.environ["RANK"] == "1":
    os.kill(watcher, signal.SIGSTOP)
    pathlib.Path("written").write_text(str(os.getpid()))
    os.replace("written", first)
    os._exit(3)
while not first.exists():
    time.sleep(0.01)
wait_for_end_of(int(first.read_text()))
consequence = os.getpid()
if os.fork() == 0:
    wait_for_end_of(consequence)
    os.kill(watcher, signal.SIGCONT)
    os._exit(0)
os._exit(1)
"""
    run = studio.submit({"train.py": script}, distribution=TWO)
    studio.wait_final(run)
    assert (run.result["exit_code"], run.result["message"]) == (3, "Rank 1 exited with 3."), run.log


def test_a_rank_that_is_killed_is_named_too(studio, bring_agent):
    bring_agent(studio)
    script = "import os, time\nif os.environ['RANK'] == '0':\n    os.kill(os.getpid(), 9)\ntime.sleep(600)\n"
    run = studio.submit({"train.py": script}, distribution={"kind": "multiprocess", "processes_per_node": 2})
    studio.wait_final(run)
    assert (run.result["signal"], run.result["message"]) == (9, "Rank 0 was killed by signal 9.")


def test_each_process_hears_a_cancel_and_may_say_goodbye(studio, bring_agent):
    bring_agent(studio)
    script = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("goodbye", os.environ["RANK"], flush=True), sys.exit(0)))
print("ready", flush=True)
time.sleep(600)
"""
    run = studio.submit({"train.py": script}, distribution=TWO)
    ready = "user_logs/std_log_process_1.txt"
    studio.wait(lambda: b"ready" in run.log and ready in run.artifacts, "both processes, live")
    run.desired = "cancel"
    studio.wait_final(run)
    assert "goodbye 1" in text(studio, run, ready)
    assert b"goodbye 0" in run.log


def test_secrets_are_not_written_into_the_files_of_processes(studio, bring_agent):
    bring_agent(studio)
    script = "import os, sys\nfor char in 'it is ' + os.environ['KEY']:\n    print(char, end='', flush=True)\n"
    run = studio.submit(
        {"train.py": script}, distribution=TWO, environment_variables={"KEY": "s3cret-value"}, secrets=["KEY=key"]
    )
    studio.wait_final(run)
    assert text(studio, run, "user_logs/std_log_process_1.txt") == "it is ***"


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="mpirun is not installed on this machine")
def test_mpirun_starts_the_processes(studio, bring_agent):
    bring_agent(studio)
    script = "import os\nprint(os.environ['OMPI_COMM_WORLD_RANK'], 'of', os.environ['OMPI_COMM_WORLD_SIZE'])\n"
    run = studio.submit({"train.py": script}, distribution={"kind": "mpi", "processes_per_node": 2})
    studio.wait_final(run)
    assert run.status == "completed", run.log
    assert text(studio, run, "user_logs/std_log_process_1.txt") == "1 of 2\n"


@pytest.mark.skipif(shutil.which("mpirun") is not None, reason="mpirun is installed on this machine")
def test_a_node_without_mpirun_says_so(studio, bring_agent):
    bring_agent(studio)
    run = studio.submit({"train.py": "print(1)"}, distribution={"kind": "mpi", "processes_per_node": 2})
    studio.wait_final(run)
    assert (run.status, run.result["reason"]) == ("failed", "launch_failed")
    assert "mpirun is not on this node's PATH" in run.result["message"]


def test_variables_in_the_words_of_the_frameworks():
    meeting = [{"rank": rank, "address": f"10.0.0.{rank}", "ports": [100 + rank, 200 + rank]} for rank in range(3)]
    config = {"distribution": {"kind": "tensorflow", "processes_per_node": 1, "parameter_servers": 1}}
    for one in meeting:
        one["ports"] = one["ports"][:1]
    last = variables({"config": config, "seat": {"rank": 2, "node_count": 3}}, meeting, 0)
    assert json.loads(last["TF_CONFIG"]) == {
        "cluster": {"worker": ["10.0.0.0:100", "10.0.0.1:101"], "ps": ["10.0.0.2:102"]},
        "task": {"type": "ps", "index": 0},
    }
    spec = {"config": {"distribution": TWO}, "seat": {"rank": 1, "node_count": 3}}
    found = variables(spec, meeting, 1)
    told = {
        name: found[name] for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "RANK", "LOCAL_RANK", "WORLD_SIZE")
    }
    assert list(told.values()) == ["10.0.0.0", "100", "1", "3", "1", "6"]
    assert found["AZ_BATCH_NODE_LIST"] == "10.0.0.0;10.0.0.1;10.0.0.2"


def test_a_run_of_many_processes_leaves_no_process(studio, bring_agent):
    agent = bring_agent(studio)
    script = "import os, subprocess, sys\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\nsys.exit(3)\n"
    run = studio.submit({"train.py": script}, distribution=TWO)
    studio.wait_final(run)
    assert "sleep" not in names_in(agent.folder)


def test_every_node_keeps_the_same_folders():
    for rank in (0, 1):
        spec = {"config": {"distribution": {"kind": "pytorch"}}, "seat": {"rank": rank, "node_count": 2}}
        assert collected(spec) == ("outputs", "logs", "user_logs")
        spec["config"]["history"] = {"output_collection": False, "directories_to_watch": ["tb"]}
        assert collected(spec) == ("tb", "user_logs")
