"""Runs on a real agent: what the studio hears of them, through good times and bad."""

import base64
import contextlib
import hashlib
import json
import os
import signal
import time

import psutil
import pytest

from tests.agent.conftest import processes_in

COUNTING = """
import sys, time
witness = open(sys.argv[1], "a")
witness.write("begun\\n"); witness.flush()
for number in range(int(sys.argv[2])):
    print(f"line {number:05d}", flush=True)
    time.sleep(0.02)
print("DONE", flush=True)
"""


def counted(count: int) -> bytes:
    return b"".join(b"line %05d\n" % number for number in range(count)) + b"DONE\n"


@pytest.mark.parametrize(
    ("says", "takes", "last"),
    [
        (True, True, ["finish"]),
        # A studio of the version before, and one that went back to it while the run was running.
        (False, False, ["log/complete", "artifacts", "result"]),
        (True, False, ["finish", "log/complete", "blobs/missing", "artifacts", "result"]),
    ],
)
def test_a_run_has_its_points_log_files_and_result_in_order(studio, bring_agent, says, takes, last):
    studio.says_finish, studio.takes_finish = says, takes
    script = """
import json, os
os.makedirs("outputs/deep", exist_ok=True)
open("outputs/deep/a.txt", "w").write("kept")
os.makedirs("logs", exist_ok=True)
open("logs/own.log", "w").write("mine")
os.symlink("/etc/passwd", "outputs/link")
os.symlink("/etc", "outputs/folder")
os.mkfifo("outputs/pipe")
spool = os.environ["ZAFFRE_SPOOL"]
batch = {"batch": "b1", "points": [["loss", 0.5, 1, 0]]}
open(os.path.join(spool, "0001.json"), "w").write(json.dumps(batch))
import zaffre.protocol
print("hello", open(os.path.join(os.environ["ZAFFRE_INPUT_MY_DATA"], "sub/part.csv")).read())
"""
    bring_agent(studio)
    run = studio.submit({"train.py": script}, inputs={"my-data": {"sub/part.csv": "1,2,3"}})
    studio.wait_final(run)
    assert run.status == "completed", run.log
    assert (run.log, run.log_complete) == (b"hello 1,2,3\n", True)
    assert run.points == [["loss", 0.5, 1, 0]]
    assert set(run.artifacts) == {"outputs/deep/a.txt", "logs/own.log", "logs/requirements.txt"}
    assert studio.blobs[run.artifacts["outputs/deep/a.txt"]] == b"kept"
    tail = [name for name in run.order if name != "progress"]
    tail.remove("blobs/missing")  # asked before the first of the last calls, or after the end of the log
    assert tail == ["metrics", *last]
    ended = [step["name"] for step in run.steps if step.get("state") == "done"]
    assert ended == ["snapshot", "environment", "data", "running", "outputs"]
    assert run.result is not None and run.result["log_tail"] == "hello 1,2,3\n"


def test_an_input_that_was_made_of_one_file_is_given_as_that_file(studio, bring_agent):
    """A folder that happens to hold one file stays a folder."""
    script = """
import os, sys
from zaffre.core.inputs import inputs_of_this_process
file, folder = sys.argv[1:]
given = inputs_of_this_process()["numbers"]
assert file == os.environ["numbers"] == os.environ["ZAFFRE_INPUT_NUMBERS"] == str(given) == os.fspath(given)
assert given.mount_point == file and given.to_path() == ["a.csv"] and given.download() == [file]
print(open(file).read(), (given / "a.csv").read_text(), os.listdir(folder))
"""
    bring_agent(studio)
    run = studio.submit(
        {"train.py": script},
        arguments=["DatasetConsumptionConfig:numbers", "DatasetConsumptionConfig:shards"],
        environment_variables={"numbers": "DatasetConsumptionConfig:numbers"},
        inputs={"numbers": {"a.csv": "1,2,3"}, "shards": {"b.csv": "4"}},
        single_files=("numbers",),
    )
    studio.wait_final(run)
    assert (run.status, run.log) == ("completed", b"1,2,3 1,2,3 ['b.csv']\n"), run.log


def test_the_folder_of_an_output_is_there_and_is_kept(studio, bring_agent):
    script = """
import sys
open(sys.argv[1] + "/part.csv", "w").write("1,2")
print(sys.argv[2])
"""
    bring_agent(studio)
    words = ["OutputFileDatasetConfig:made", "OutputFileDatasetConfig:../../out"]
    run = studio.submit({"train.py": script}, arguments=words)
    studio.wait_final(run)
    assert (run.status, run.log) == ("completed", f"{words[1]}\n".encode()), "what is no name stays a word"
    assert studio.blobs[run.artifacts["outputs/made/part.csv"]] == b"1,2"
    run = studio.submit({"train.py": script, "outputs": "a file"}, arguments=words)
    studio.wait_final(run)
    assert run.status == "failed" and "outputs/made cannot be made" in str(run.result)


def test_the_studio_is_told_when_and_by_which_stream_each_line_was_written(studio, bring_agent):
    bring_agent(studio)
    script = """
import sys, time
for number in range(400):
    print("out", number)
    print("err", number, file=sys.stderr)
    time.sleep(0.003)
"""
    begun = time.time() * 1000
    run = studio.submit({"train.py": script})
    studio.wait_final(run)
    assert run.log_complete and all(len(told) < 7000 for _, told in run.marks)
    said: dict[int, bytes] = {0: b"", 1: b"", 2: b""}
    times = []
    ends = [start for start, _ in run.marks[1:]] + [len(run.log)]
    for (start, told), end in zip(run.marks, ends, strict=True):
        at = moment = 0
        found = []
        for word in told.split():
            step, ms, stream = map(int, word.split("."))
            at, moment = at + step, moment + ms
            found.append((start + at, moment, stream))
        assert found[0][0] == start, "each piece says what holds at its beginning"
        for (place, moment, stream), until in zip(found, [one[0] for one in found[1:]] + [end], strict=True):
            said[stream] += run.log[place:until]
            times.append(moment)
    assert said[1] == b"".join(b"out %d\n" % number for number in range(400))
    assert said[2] == b"".join(b"err %d\n" % number for number in range(400))
    assert times == sorted(times) and begun <= times[0] and times[-1] <= time.time() * 1000


def test_no_secret_of_a_run_is_in_its_log_however_it_is_printed(studio, bring_agent):
    studio.vault = {"db": "s3cr3t/värde+1"}
    bring_agent(studio)
    script = """
import base64, json, os, sys, time
secret = os.environ["DB"]
print("plain", secret)
print(json.dumps({"key": secret}), base64.b64encode(b"db:" + secret.encode()).decode())
for letter in secret:
    sys.stderr.write(letter)
    sys.stderr.flush()
print(file=sys.stderr)
print("token", os.environ["ZAFFRE_RUN_TOKEN"])
print("s3cr3t/ is only a beginning")
sys.stdout.write("waiting: s3cr")
sys.stdout.flush()
time.sleep(0.6)
print("")
raise ValueError(secret)
"""
    run = studio.submit({"train.py": script}, secrets=["DB=db"])
    studio.wait_final(run)
    text = run.log.decode()
    assert "plain ***" in text and "token ***" in text and '{"key": "***"}' in text
    assert "s3cr3t/ is only a beginning" in text and "waiting: s3cr\n" in text
    assert "ValueError: ***" in text and text.count("***") >= 6
    shown = [studio.vault["db"], json.dumps(studio.vault["db"])[1:-1], run.token]
    shown += [base64.b64encode(b"db:" + studio.vault["db"].encode()).decode()[4:-4]]
    for one in shown:
        assert one not in text and one not in json.dumps(run.result)
    assert run.log_complete


def test_the_script_sees_who_it_is_and_nothing_of_the_node(studio, bring_agent):
    script = "import json, os\nprint(json.dumps({**os.environ, 'cwd': os.getcwd(), 'files': os.listdir()}))"
    agent = bring_agent(studio)
    chosen = {"EPOCHS": "3", "ZAFFRE_RUN_ID": "another", "PATH": "/opt"}
    run = studio.submit({"train.py": script}, environment_variables=chosen)
    studio.wait_final(run)
    env = json.loads(run.log)
    assert "NODE_SECRET" not in env and studio.node_token not in str(env)
    assert (env["EPOCHS"], env["ZAFFRE_RUN_ID"], env["PATH"]) == ("3", run.id, "/opt")
    assert env["MLFLOW_RUN_ID"] == env["AZUREML_RUN_ID"] == run.id
    assert env["ZAFFRE_URL"] == studio.url and env["ZAFFRE_WORKSPACE"] == "lab" and env["ZAFFRE_ATTEMPT"] == "1"
    assert env["PYTHONUNBUFFERED"] == "1" and sorted(env["files"]) == ["logs", "train.py"]
    assert env["HOME"].startswith(str(agent.folder)) and env["cwd"].startswith(str(agent.folder))


def test_nothing_of_a_run_stays_on_the_node(studio, bring_agent):
    agent = bring_agent(studio)
    run = studio.submit({"train.py": "print(1)"})
    studio.wait_final(run)
    runs = agent.folder / "state" / "runs"
    studio.wait(lambda: not list(runs.iterdir()), "the run's folder is removed")
    identity = agent.folder / "state" / "identity.json"
    assert oct(identity.stat().st_mode & 0o777) == "0o400"


@pytest.mark.parametrize(
    ("script", "code", "number", "reason"),
    [
        ("import sys; print('bad labels'); sys.exit(3)", 3, None, "script_failed"),
        ("import os; print('bad labels', flush=True); os.kill(os.getpid(), 9)", None, 9, "script_killed"),
    ],
)
def test_a_failed_script_says_how_it_ended(studio, bring_agent, script, code, number, reason):
    bring_agent(studio)
    run = studio.wait_final(studio.submit({"train.py": script}))
    assert run.status == "failed" and run.result is not None
    assert (run.result["exit_code"], run.result["signal"], run.result["reason"]) == (code, number, reason)
    assert str(code or number) in run.result["message"]
    assert "bad labels" in run.result["log_tail"]


def test_a_hostile_manifest_is_refused(studio, bring_agent, tmp_path):
    bring_agent(studio)
    run = studio.submit({"train.py": "print(1)", "../../evil.py": "print(2)"})
    studio.wait_final(run)
    assert run.result is not None and run.result["reason"] == "snapshot_failed"
    # The agent clears its folders meanwhile, which is no error for a walk.
    assert not [folder for folder, _, files in os.walk(tmp_path) if "evil.py" in files]


def test_cancel_is_followed_and_reported(studio, bring_agent):
    bring_agent(studio)
    run = studio.submit({"train.py": "import time; print('on', flush=True); time.sleep(600)"})
    studio.wait(lambda: b"on" in run.log, "the script is running")
    run.desired = "cancel"
    studio.wait_final(run)
    assert run.status == "canceled" and run.result is not None
    assert (run.result["signal"], run.result["reason"]) == (15, "canceled")


def test_a_killed_agent_that_comes_back_takes_its_run_over(studio, bring_agent, tmp_path):
    agent, witness = bring_agent(studio), tmp_path / "witness"
    run = studio.submit({"train.py": COUNTING}, arguments=[str(witness), "300"])
    studio.wait(lambda: b"line 00020" in run.log, "the script is running")
    agent.kill()
    held = len(run.log)
    agent.start()
    studio.wait_final(run)
    assert run.status == "completed"
    assert held < len(run.log) and run.log == counted(300) and run.log_complete
    assert witness.read_text() == "begun\n", "it was executed more than once"
    assert studio.hellos[-1]["runs"] == [{"run": run.id, "attempt": 1}]
    assert studio.hellos[-1]["epoch"] != studio.hellos[0]["epoch"]


def test_a_run_that_ended_without_its_agent_is_reported_by_the_next_one(studio, bring_agent, tmp_path):
    agent, witness = bring_agent(studio), tmp_path / "witness"
    run = studio.submit({"train.py": COUNTING}, arguments=[str(witness), "50"])
    studio.wait(lambda: b"line 00005" in run.log, "the script is running")
    agent.kill()
    place = agent.folder / "state" / "runs" / f"{run.id}.1"
    studio.wait(lambda: (place / "result.json").exists(), "the supervisor wrote the result by itself")
    agent.start()
    studio.wait_final(run)
    assert (run.status, run.log, witness.read_text()) == ("completed", counted(50), "begun\n")


def test_a_studio_that_is_away_costs_a_run_nothing(studio, bring_agent, tmp_path):
    agent, witness = bring_agent(studio), tmp_path / "witness"
    run = studio.submit({"train.py": COUNTING}, arguments=[str(witness), "80"])
    studio.wait(lambda: b"line 00005" in run.log, "the script is running")
    studio.away = True
    place = agent.folder / "state" / "runs" / f"{run.id}.1"
    studio.wait(lambda: (place / "result.json").exists(), "the script ends while nobody listens")
    studio.away = False
    studio.wait_final(run)
    assert (run.status, run.log, run.log_complete) == ("completed", counted(80), True)
    assert witness.read_text() == "begun\n"


def test_an_attempt_that_was_given_up_is_killed_and_says_nothing(studio, bring_agent):
    agent = bring_agent(studio)
    run = studio.submit({"train.py": "import os, time; print(os.getpid(), flush=True); time.sleep(600)"})
    pid = studio.wait(lambda: int(run.log or 0), "the script is running")
    with studio.changed:  # the studio gave it to somebody else
        run.attempt, run.token = 2, "of another node"
    studio.wait(lambda: not psutil.pid_exists(pid), "the old attempt is dead")
    studio.wait(lambda: not list((agent.folder / "state" / "runs").iterdir()), "and forgotten")
    assert run.result is None and "result" not in run.order
    after = studio.wait_final(studio.submit({"train.py": "print('next')"}))
    assert after.status == "completed"


def test_a_claim_whose_answer_was_cut_off_is_repeated_with_its_nonce(studio, bring_agent, tmp_path):
    studio.cut.add("nodes/claim")
    run = studio.submit({"train.py": COUNTING}, arguments=[str(tmp_path / "witness"), "1"])
    bring_agent(studio)
    studio.wait_final(run)
    assert run.status == "completed" and run.attempt == 1
    assert studio.claims[0]["nonce"] == studio.claims[1]["nonce"]
    assert (tmp_path / "witness").read_text() == "begun\n"


def test_slots_bound_what_runs_at_the_same_time(studio, bring_agent, tmp_path):
    script = """
import os, sys, time
mine = os.path.join(sys.argv[1], str(os.getpid()))
open(mine, "w").close()
print(len(os.listdir(sys.argv[1])), flush=True)
time.sleep(0.5)
os.remove(mine)
"""
    place = tmp_path / "now"
    place.mkdir()
    bring_agent(studio, slots=2)
    runs = [studio.submit({"train.py": script}, arguments=[str(place)]) for _ in range(5)]
    most = max(int(studio.wait_final(run).log) for run in runs)
    assert [run.status for run in runs] == ["completed"] * 5
    assert most <= 2


def test_an_orderly_stop_gives_the_script_its_grace_and_reports(studio, bring_agent):
    script = """
import os, signal, sys, time
def leave(*_):
    os.makedirs("outputs", exist_ok=True)
    open("outputs/checkpoint", "w").write("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("on", flush=True)
time.sleep(600)
"""
    agent = bring_agent(studio)
    run = studio.submit({"train.py": script})
    studio.wait(lambda: b"on" in run.log, "the script is running")
    assert agent.stop() == 0
    assert run.result is not None and run.result["reason"] == "preempted"
    assert "outputs/checkpoint" in run.artifacts
    assert not processes_in(agent.folder)


def test_a_run_with_a_short_lease_dies_when_agent_and_studio_are_gone(bring_agent, studio):
    studio.lease = studio.settings["lease"] = 8.0
    agent = bring_agent(studio)
    run = studio.submit({"train.py": "import os, time; print(os.getpid(), flush=True); time.sleep(600)"})
    pid = studio.wait(lambda: int(run.log or 0), "the script is running")
    gone = time.monotonic()
    agent.kill()
    studio.wait(lambda: not psutil.pid_exists(pid), "the supervisor fences by itself")
    assert time.monotonic() - gone < 8.0


def test_a_frozen_node_that_thaws_kills_before_it_goes_on(studio, bring_agent):
    studio.lease = studio.settings["lease"] = 8.0
    agent = bring_agent(studio)
    script = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    run = studio.submit({"train.py": script})
    pid = studio.wait(lambda: int(run.log or 0), "the script is running")
    tree = processes_in(agent.folder)
    assert pid in {one.pid for one in tree}
    for one in tree:
        os.kill(one.pid, signal.SIGSTOP)
    studio.wait(lambda: run.lease_until < time.monotonic(), "the lease is over")
    studio.give_up(run)
    run.status = "failed"
    for one in tree:
        with contextlib.suppress(ProcessLookupError):  # whom the supervisor has killed before it was thawed itself
            os.kill(one.pid, signal.SIGCONT)
    studio.wait(lambda: not psutil.pid_exists(pid), "the thawed script is dead", 20)
    assert run.result is None


def test_a_full_log_does_not_depend_on_the_size_of_its_pieces(studio, bring_agent):
    script = "import os\nfor n in range(40):\n    os.write(1, (b'%d' % n) * 20000 + b'\\xff\\x00')"
    bring_agent(studio)
    run = studio.wait_final(studio.submit({"train.py": script}))
    expected = b"".join((b"%d" % n) * 20000 + b"\xff\x00" for n in range(40))
    assert hashlib.sha256(run.log).digest() == hashlib.sha256(expected).digest()


def test_a_flood_keeps_its_beginning_and_its_end_and_little_disk(studio, bring_agent, tmp_path):
    mega = 1024**2
    studio.log_limits = {"head": mega, "tail": 2 * mega}
    script = """
import os
block = b"x" * (1024 ** 2 - 1) + b"\\n"
os.write(1, b"first line\\n")
for n in range(200):
    os.write(1, block)
os.write(1, b"last line\\n")
kept = sum(os.path.getsize(f"../{name}") for name in os.listdir("..") if name.startswith("log"))
open("kept", "w").write(str(kept))
os.makedirs("outputs", exist_ok=True)
open("outputs/kept", "w").write(str(kept))
"""
    bring_agent(studio)
    run = studio.wait_final(studio.submit({"train.py": script}))
    assert run.result["exit_code"] == 0
    whole = 200 * mega + len("first line\nlast line\n")
    assert len(run.log) == whole, "what was skipped is counted"
    assert run.log.startswith(b"first line\n" + b"x" * 1000) and run.log.endswith(b"x\nlast line\n")
    assert run.log[whole - 2 * mega :].count(b"\0") == 0 and run.skipped > 0
    assert not run.log_complete
    kept = int(studio.blobs[run.artifacts["outputs/kept"]])
    assert kept <= 1 * mega + 2 * mega + 2 * 4 * mega
