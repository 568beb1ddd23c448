"""Runs that are forks of a warm interpreter: as if they had been started alone, and knowing nothing of each other."""

import contextlib
import json
import subprocess
import sys

import psutil
import pytest

from zaffre.agent import groups

pytestmark = pytest.mark.skipif(
    groups.find() is None, reason="without groups or sandboxes nothing could end a forked run whole, so none is forked"
)

#: What a script can see of how it was started.
SEEN = """
import json, os, sys, threading
import __main__
told = {
    "argv": sys.argv, "name": __name__, "file": __file__, "path0": sys.path[0], "main": __main__.__file__,
    "executable": sys.executable, "prefix": sys.prefix, "flags": list(sys.flags), "threads": threading.active_count(),
    "handles": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
    "agent": [m for m in sys.modules if "zaffre.agent" in m],
    "cwd": os.getcwd(), "orig": sys.orig_argv, "rest": [p for p in sys.path[1:] if p],
    "forked": open("/proc/self/cmdline").read().split("\\0")[1] == "-c", "session": os.getsid(0) == os.getpid(),
}
print(json.dumps(told))
"""


def test_a_forked_script_sees_what_a_started_one_sees(studio, bring_agent):
    bring_agent(studio)
    warm = studio.wait_final(studio.submit({"train.py": SEEN}, arguments=["--epochs", "3"]))
    cold = {"environment_variables": {"LC_ALL": "C.UTF-8"}}  # asks for another start of the interpreter
    started = studio.wait_final(studio.submit({"train.py": SEEN}, arguments=["--epochs", "3"], **cold))
    a, b = json.loads(warm.log), json.loads(started.log)
    assert (a.pop("forked"), b.pop("forked")) == (True, False)
    for told, run in ((a, warm), (b, started)):
        for name in ("file", "path0", "main", "cwd"):
            told[name] = told[name].replace(run.id, "RUN")
    assert a == b
    assert a["handles"] == [0, 1, 2] and a["agent"] == [] and a["session"]


@pytest.mark.parametrize("isolation", ["none", "auto"])
def test_nothing_of_a_run_is_in_the_next_one(studio, bring_agent, isolation):
    leaving = """
import builtins, json, os, sys, zaffre.core
builtins.left = zaffre.core.left = json.left = "mine"
os.environ["LEFT"] = "mine"
os.makedirs("outputs", exist_ok=True)
kept = open("outputs/not-closed", "w")
kept.write("flushed at the end")
"""
    looking = """
import builtins, json, os, zaffre.core
print(hasattr(builtins, "left"), hasattr(json, "left"), hasattr(zaffre.core, "left"), "LEFT" in os.environ)
import random, uuid
print(random.random(), uuid.uuid4())
"""
    bring_agent(studio, isolation=isolation)
    first = studio.wait_final(studio.submit({"train.py": leaving}))
    assert first.status == "completed", first.log
    assert studio.blobs[first.artifacts["outputs/not-closed"]] == b"flushed at the end"
    runs = [studio.wait_final(studio.submit({"train.py": looking})) for _ in range(2)]
    assert [run.log.splitlines()[0] for run in runs] == [b"False False False False"] * 2
    assert runs[0].log.splitlines()[1] != runs[1].log.splitlines()[1], "two runs draw the same numbers"


def test_errors_and_ends_are_told_as_python_tells_them(studio, bring_agent):
    bring_agent(studio)
    script = "def deep():\n    raise ValueError('boom')\ndeep()\n"
    failed = studio.wait_final(studio.submit({"train.py": script}))
    assert failed.result is not None and failed.result["exit_code"] == 1
    lines = failed.log.decode().splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "ValueError: boom"
    assert [line.split(",")[1].strip() for line in lines if line.startswith("  File")] == ["line 3", "line 2"]
    wrong = studio.wait_final(studio.submit({"train.py": "x = (\n"}))
    assert b"SyntaxError" in wrong.log and b"zygote" not in wrong.log
    code = "import atexit, sys, threading, time\natexit.register(print, 'last')\n"
    code += "threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start()\nsys.exit(7)"
    left = studio.wait_final(studio.submit({"train.py": code}))
    assert left.result is not None and (left.log, left.result["exit_code"]) == (b"thread\nlast\n", 7)


def test_what_a_script_leaves_is_let_go_of_as_python_does_at_its_end(studio, bring_agent):
    script = """
import atexit, ctypes, os, sys, threading, helper
class Thing:
    def __del__(self):
        print("gone", self.name, flush=True)
os.makedirs("outputs")
kept, ring = Thing(), Thing()
kept.name, ring.name, ring.itself = "kept", "ring", ring
helper.kept = open("outputs/of-a-module", "w")
helper.kept.write("flushed")
held = open("outputs/of-the-script", "w")
held.write("flushed, too")
class Twice:
    def __init__(self, first):
        self.first, self.second = first, open("outputs/twice", "w")
    def write(self, text):
        self.first.write(text), self.second.write(text)
    def flush(self):
        self.first.flush()
sys.stdout = Twice(sys.stdout)
ctypes.CDLL(None).printf(b"by C\\n")
atexit.register(print, "exit function")
threading.Thread(target=print, args=["thread"]).start()
sys.exit("the reason")
"""
    bring_agent(studio)
    files = {"train.py": script, "helper.py": "kept = None\n"}
    cold = {"environment_variables": {"LC_ALL": "C.UTF-8"}}
    ended = [studio.wait_final(studio.submit(files, **more)) for more in ({}, cold)]
    assert [run.result["exit_code"] for run in ended] == [1, 1], [run.log for run in ended]
    assert sorted(ended[0].log.splitlines()) == sorted(ended[1].log.splitlines())
    assert b"gone ring" in ended[0].log and b"by C" in ended[0].log and b"the reason" in ended[0].log
    kept = [{path: studio.blobs[sha256] for path, sha256 in run.artifacts.items()} for run in ended]
    assert kept[0] == kept[1] and kept[0]["outputs/of-a-module"] == b"flushed", kept


def test_processes_that_a_forked_script_starts_are_whole_interpreters(studio, bring_agent):
    script = """
import multiprocessing, subprocess, sys
def square(x):
    return x * x
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(square, [1, 2, 3]))
    print(subprocess.run([sys.executable, "-c", "import zaffre, sys; print(sys.prefix)"], stdout=-1).stdout.decode())
"""
    bring_agent(studio)
    run = studio.wait_final(studio.submit({"train.py": script}))
    assert run.log.decode().split("\n")[:2] == ["[1, 4, 9]", sys.prefix]


def test_a_run_goes_on_when_its_warm_parent_dies_and_the_next_gets_another(studio, bring_agent):
    agent = bring_agent(studio)
    script = "import time\nprint('begun', flush=True)\nwhile not __import__('os').path.exists('go'): time.sleep(0.05)"
    run = studio.submit({"train.py": script})
    studio.wait(lambda: b"begun" in run.log, "the code")
    (parent,) = parents(agent)
    parent.kill()
    parent.wait(10)
    (agent.folder / "state" / "runs" / f"{run.id}.1" / "work" / "go").touch()
    assert studio.wait_final(run).status == "completed"
    again = studio.wait_final(studio.submit({"train.py": "print('well')"}))
    assert (again.status, again.log) == ("completed", b"well\n")


def test_a_run_in_an_environment_is_forked_from_the_interpreter_that_it_was_made_from(studio, bring_agent):
    bring_agent(studio, isolation="auto")
    script = """
import json, sys, sysconfig
print(json.dumps([sys.prefix != sys.base_prefix, sys.executable.startswith(sys.prefix), sysconfig.get_path("purelib")]))
print(open("/proc/self/cmdline").read().split("\\0")[1] == "-c")
"""
    run = studio.wait_final(studio.submit({"train.py": script}, environment={"kind": "pip", "requirements": []}), 120)
    assert run.status == "completed", (run.result, run.log)
    said, forked = run.log.decode().splitlines()[-2:]  # above: how the environment was made
    inside, own, purelib = json.loads(said)
    assert inside and own and "/environments/" in purelib
    assert forked == "True"


def parents(agent) -> list[psutil.Process]:
    return [one for one in psutil.Process(agent.process.pid).children() if "zygote" in _words(one)]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # gone since it was listed, or about to be
        return ""


def spares(agent) -> list[psutil.Process]:
    """The supervisors that wait for a run."""
    found = []
    for one in parents(agent):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += one.children()
    return found


def test_a_supervisor_is_there_before_its_run_and_ends_with_the_agent(studio, bring_agent):
    agent = bring_agent(studio)
    studio.wait(lambda: spares(agent), "a supervisor in advance")
    (spare,) = spares(agent)
    script = "import time\nprint('begun', flush=True)\nwhile not __import__('os').path.exists('go'): time.sleep(0.05)"
    run = studio.submit({"train.py": script})
    studio.wait(lambda: b"begun" in run.log, "the code")
    place = agent.folder / "state" / "runs" / f"{run.id}.1"
    assert json.loads((place / "supervisor.pid").read_text())["pid"] == spare.pid
    group = json.loads((place / "group.json").read_text())
    assert all(f"spare.{spare.pid}." in folder for folder in group["folders"].values())
    (place / "work" / "go").touch()
    assert studio.wait_final(run).status == "completed"
    studio.wait(lambda: [one for one in spares(agent) if one != spare], "the next one")
    (later,) = [one for one in spares(agent) if one != spare]
    assert agent.stop() == 0
    psutil.wait_procs([later], timeout=60)
    assert not later.is_running()
    left = {folder.name for group in groups.find().spares() for folder in group.folders.values()}
    assert not any(name.startswith(f"spare.{later.pid}.") for name in left)


@pytest.mark.parametrize("killed", ["parent", "child", "both"])
def test_an_empty_group_goes_with_the_warm_parent_or_the_supervisor_that_was_killed(studio, bring_agent, killed):
    agent = bring_agent(studio)
    studio.wait(lambda: spares(agent), "a supervisor in advance")
    (child,) = spares(agent)
    parent = child.parent()

    def kept() -> list[str]:
        names = {folder.name for group in groups.find().spares() for folder in group.folders.values()}
        return [name for name in names if name.startswith(f"spare.{child.pid}.")]

    studio.wait(kept, "its group")
    if killed == "both":
        parent.suspend()  # it must not have another child meanwhile
    if killed != "parent":
        child.kill()
    if killed != "child":
        parent.kill()
    studio.wait(lambda: not kept(), "nothing of it")
    assert parents(agent) == ([parent] if killed == "child" else []), "by those who were there, and by no new parent"
    again = studio.wait_final(studio.submit({"train.py": "print('well')"}))
    assert (again.status, again.log) == ("completed", b"well\n")


def test_groups_of_supervisors_that_were_killed_are_let_go_of_and_no_others():
    where = groups.find()
    make = "from zaffre.agent import groups; groups.make_spare(groups.find()); print('made', flush=True); input()"
    both = [
        subprocess.Popen([sys.executable, "-c", make], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
    ]
    try:
        for one in both:
            assert one.stdout.readline() == b"made\n"
        both[0].kill()
        both[0].wait(30)
        groups.sweep(where)
        names = {folder.name.split(".")[1] for group in where.spares() for folder in group.folders.values()}
        assert str(both[0].pid) not in names and str(both[1].pid) in names
    finally:
        for one in both:
            one.kill()
            one.communicate()
    groups.sweep(where)
