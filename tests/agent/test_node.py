"""The agent as a program: enrolment, its files, its cache, and how it refuses."""

import json
import os
import re
import socket
import subprocess
import sys

import psutil
import pytest

from tests.agent.conftest import CLIENT
from zaffre.agent.blobs import Blobs, DamagedContent
from zaffre.agent.config import ConfigError, read_config
from zaffre.agent.disk import UnsafePath, safe_parts
from zaffre.agent.door import Door


def command(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "zaffre.agent", *words],
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_a_second_agent_in_the_same_folder_is_refused(studio, bring_agent):
    agent = bring_agent(studio)
    studio.wait(lambda: studio.claims, "the first one works")
    second = command("start", "--config", str(agent.folder / "node.json"))
    assert second.returncode == 2
    assert "Another agent works in" in second.stderr and "--dir" in second.stderr
    status = json.loads(command("status", "--dir", str(agent.folder), "--json").stdout)
    assert status["running"] is True and status["node"] == "N1"
    assert status["environments"] == studio.stocks[0] == {"limit": 20 * 10**9, "size": 0, "count": 0, "kept": []}
    assert agent.stop() == 0
    said = command("status", "--dir", str(agent.folder)).stdout
    assert "stopped, 0 runs" in said and "Keeps 0 environments, 0.00 of 20 GB" in said


def test_an_enrolled_machine_is_started_again_by_its_folder_and_says_whose_it_is(studio, bring_agent, tmp_path):
    folder = tmp_path / "n"
    join = ["--join", studio.url, "zaf_reg_01A_secret_c0ffee"]

    def life(*words: str) -> str:
        words = (sys.executable, "-m", "zaffre.agent", "start", "--dir", str(folder), *words)
        before = len(studio.claims)
        with (tmp_path / "said").open("w+") as said:
            agent = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(CLIENT)}, stderr=said)
            try:
                studio.wait(lambda: len(studio.claims) > before, "it works")
            finally:
                agent.terminate()
                assert agent.wait(60) == 0
            said.seek(0)
            return said.read()

    assert "No node is enrolled" in command("start", "--dir", str(folder)).stderr
    assert "node mine of local works" in life(*join, "--name", "mine")
    again = life()
    assert "node mine of local works" in again and "invitation" not in again
    assert "invitation" not in life(*join)
    other = life("--join", studio.url, "zaf_reg_01B_secret_c0ffee")
    assert "this invitation is not used" in other and "--dir" in other and "node mine of local works" in other


def test_a_run_that_comes_while_the_agent_stops_is_given_back(studio, bring_agent):
    real = studio.claim

    def stop_then_answer(body, wait):
        """The answer to a long poll that was under way when the agent was told to stop."""
        with studio.changed:
            studio.changed.wait_for(lambda: studio.runs, wait)
        if studio.runs:
            agent.process.terminate()
            studio.wait(lambda: "stopping" in agent.said(), "the agent stops")
        return real(body, 0)

    studio.claim = stop_then_answer
    agent = bring_agent(studio)
    run = studio.submit({"train.py": "print('never')"})
    assert agent.process.wait(60) == 0
    assert run.result is not None and run.result["reason"] == "preempted"
    assert run.log == b""


@pytest.mark.parametrize("gives_one", [False, True])
def test_as_many_runs_are_asked_for_as_there_is_room_for(studio, bring_agent, gives_one):
    studio.gives_one, studio.held_back = gives_one, True
    bring_agent(studio, slots=3)
    runs = [studio.submit({"train.py": "print('here')"}) for _ in range(3)]
    studio.wait(lambda: studio.claims, "the agent asks")
    with studio.changed:
        studio.held_back = False
        studio.changed.notify_all()
    assert [studio.wait_final(run).log for run in runs] == [b"here\n"] * 3
    assert studio.claims[0]["most"] == 3
    # In one answer, or in three of a studio that gives one.
    assert len({run.nonce for run in runs}) == (3 if gives_one else 1)


def test_a_refused_invitation_is_explained(studio, tmp_path):
    refused = {"error": {"code": "unauthenticated", "message": "This token expired."}}
    studio.node_call = lambda *_: (401, refused)
    done = command("start", "--join", studio.url, "zaf_reg_x", "--dir", str(tmp_path / "n"))
    assert done.returncode == 2
    assert "This token expired." in done.stderr and "enrolment" in done.stderr
    assert "zaf_reg_x" not in done.stderr


@pytest.mark.parametrize("url", ["studio.example", "http://", "http://studio example", "ftp://studio", "http://a:port"])
def test_what_is_no_address_is_refused_at_once(url, tmp_path):
    done = command("start", "--join", url, "zaf_reg_x", "--dir", str(tmp_path / "n"))
    assert done.returncode == 2 and f"{url!r} is no address of a studio" in done.stderr
    assert not (tmp_path / "n").exists()


def test_a_studio_that_does_not_answer_is_waited_for_in_words(studio, bring_agent):
    told = studio.url
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        studio.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        agent = bring_agent(studio)
        words = r"has not answered for \d+ s, trying on until this node is stopped \(Ctrl\+C\)"
        studio.url = told
        studio.wait(lambda: len(re.findall(words, agent.said())) >= 2, "a second word")
        assert agent.stop() == 0 and agent.said().count("trying on") < 5


def test_a_removed_node_ends_its_runs_and_itself(studio, bring_agent):
    agent = bring_agent(studio)
    run = studio.submit({"train.py": "import os, time; print(os.getpid(), flush=True); time.sleep(600)"})
    pid = studio.wait(lambda: int(run.log or 0), "the script is running")
    with studio.changed:
        studio.node_token = "of nobody"
    assert agent.process is not None and agent.process.wait(60) == 1
    studio.wait(lambda: not psutil.pid_exists(pid), "its code is dead")
    assert "Enrol it again" in agent.said()
    assert run.result is None


def test_content_is_fetched_once_for_many_runs(studio, bring_agent):
    bring_agent(studio)
    files = {"train.py": "print(1)", "big.bin": os.urandom(300_000)}
    studio.wait_final(studio.submit(files))
    assert studio.blob_reads == 2
    again = studio.wait_final(studio.submit(files))
    assert studio.blob_reads == 2 and again.status == "completed"


def test_a_run_that_writes_over_its_code_changes_no_later_run(studio, bring_agent):
    bring_agent(studio)
    script = "print(open('data.txt').read()); open('data.txt', 'w').write('changed')"
    files = {"train.py": script, "data.txt": "as it was"}
    logs = [studio.wait_final(studio.submit(files)).log for _ in range(2)]
    assert logs == [b"as it was\n"] * 2


def test_a_changed_blob_is_fetched_anew_and_a_wrong_one_refused(studio, tmp_path):
    (entry,) = studio.keep({"a": "right"})
    blobs, door = Blobs(tmp_path / "blobs"), Door(studio.url, "t")
    address, never = "/agent/v1/replicas/R/blobs", lambda: False
    path = blobs.fetch(entry["sha256"], door=door, address=address, until=never)
    path.chmod(0o600)
    path.write_text("wrong")
    assert blobs.fetch(entry["sha256"], door=door, address=address, until=never).read_text() == "right"
    studio.blobs["0" * 64] = b"something else"
    with pytest.raises(DamagedContent):
        blobs.fetch("0" * 64, door=door, address=address, until=never)
    assert not [one for one in (tmp_path / "blobs").rglob("*") if one.is_file() and one != path]


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a/.", "a\\b", "C:x", "a\0b", "a\nb", "x" * 300, "a/"]
)
def test_paths_that_could_mean_another_place_are_refused(path):
    with pytest.raises(UnsafePath):
        safe_parts(path)


def test_plain_paths_are_taken():
    assert safe_parts("outputs/日本 ü.txt") == ("outputs", "日本 ü.txt")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "address is missing"),
        ({"url": "ftp://x"}, "no address of a studio"),
        ({"url": "http://x", "slots": 0}, "slots"),
    ],
)
def test_a_configuration_that_cannot_work_is_explained(tmp_path, told, words):
    file = tmp_path / "node.json"
    file.write_text(json.dumps(told))
    with pytest.raises(ConfigError, match=words):
        read_config(file=file)


def test_the_command_line_wins_over_the_file(tmp_path):
    file = tmp_path / "node.json"
    file.write_text(json.dumps({"url": "http://a/", "token": "t", "target": "local", "name": "n", "slots": 3}))
    found = read_config(file=file, join=["http://b", "u"], slots=5)
    assert (found.url, found.join_token, found.slots, found.name) == ("http://b", "u", 5, "n")
    assert found.folder == tmp_path


def test_a_node_tells_what_its_machine_is(studio, bring_agent):
    agent = bring_agent(studio)
    studio.wait(lambda: studio.hellos, "the node says hello")
    told = json.loads((agent.folder / "node.json").read_text())
    agent.stop()
    told |= {"labels": {"room": "b2"}, "cpus": 1.5, "memory_gb": 2}
    (agent.folder / "node.json").write_text(json.dumps(told))
    agent.start()
    studio.wait(lambda: len(studio.hellos) > 1, "the node says hello again")
    facts = studio.hellos[-1]["facts"]
    assert (facts["cpu"], facts["memory_gb"], facts["labels"]) == (1.5, 2.0, {"room": "b2"})
    assert facts["address"] == "127.0.0.1" and facts["disk_free_gb"] > 0
    assert ".".join(map(str, sys.version_info[:2])) in facts["pythons"]
    assert isinstance(facts["gpus"], list) and isinstance(facts["engines"], list)


@pytest.mark.parametrize(
    "told", [{"labels": ["room"]}, {"labels": ["a b=c"]}, {"cpus": 0}, {"memory_gb": "much"}, {"isolation": "some"}]
)
def test_a_mistake_in_the_shares_of_a_machine_is_said(told):
    with pytest.raises(ConfigError):
        read_config(join=["http://studio", "t"], **told)
