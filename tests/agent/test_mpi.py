"""MPI over several nodes without MPI: the launchers of both nodes as the agents start them, around stand-ins for mpirun
and its daemon. tests/stack/test_mpi.py has the real ones."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.agent.conftest import CLIENT, end_everything_in
from zaffre.handover import Broken, Line, join, welcome
from zaffre.mpiwords import command_in, common_network, daemon_of, mpirun_words

#: Starts the daemon of the other node by the remote shell it is given, then its own ranks; fails as they do.
MPIRUN = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
if words == ["--version"]:
    sys.exit(print("mpirun (Open MPI) 4.1.4"))
shell = words[words.index("plm_rsh_agent") + 1]
asked = os.environ.get("ASKS", "orted") + ' -mca ess "env" -mca uri "1.0;tcp://10.0.0.1:5"'
away = subprocess.Popen([shell, "zaffre-1", *asked.split(" ")])
rank = words[words.index("/bin/sh"):]
here = subprocess.Popen(rank, env={{**os.environ, "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}})
codes = away.wait(), here.wait()
sys.exit(max(codes))
"""
ORTED = """#!{python}
import os, subprocess, sys
assert sys.argv[1:] == ["-mca", "ess", "env", "-mca", "uri", "1.0;tcp://10.0.0.1:5"], sys.argv
rank = 'exec "$ZAFFRE_MPI_PYTHON" "$ZAFFRE_MPI_RANKS" "$ZAFFRE_MPI_PLAN" rank'
env = {{**os.environ, "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}}
sys.exit(subprocess.call(["/bin/sh", "-c", rank], env=env))
"""
#: MPI by its library alone, so that no package is needed.
MPI = """
import ctypes, os, pathlib, signal, sys, time
mpi = ctypes.CDLL("libmpi.so.40", ctypes.RTLD_GLOBAL)

def handle(name):
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(mpi, name)))

assert mpi.MPI_Init(None, None) == 0
world, rank = handle("ompi_mpi_comm_world"), ctypes.c_int()
mpi.MPI_Comm_rank(world, ctypes.byref(rank))
rank = rank.value

def all_reduce(value):
    mine, total = ctypes.c_double(value), ctypes.c_double()
    kind, sum_of = handle("ompi_mpi_double"), handle("ompi_mpi_op_sum")
    mpi.MPI_Allreduce(ctypes.byref(mine), ctypes.byref(total), 1, kind, sum_of, world)
    return total.value
"""
needs_mpi = pytest.mark.skipif(shutil.which("orted") is None, reason="Open MPI 4 is not installed on this machine")
SECONDS = 60


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        return int(one.getsockname()[1])


class Node:
    """A node's folder, and the process of the run on it."""

    def __init__(self, folder: Path, rank: int, port: int, code: str, *, real: bool = False, **env: str) -> None:
        self.folder, self.rank = folder, rank
        work, tools = folder / "work", folder / "bin"
        for path in (work, tools):
            path.mkdir(parents=True)
        for name, text in () if real else (("mpirun", MPIRUN), ("orted", ORTED)):
            (tools / name).write_text(text.format(python=sys.executable))
            (tools / name).chmod(0o755)
        (work / "train.py").write_text(code)
        path = f"{tools}:/usr/local/bin:/usr/bin:/bin"
        plan = {
            "argv": [sys.executable, "train.py"],
            "cwd": str(work),
            "ranks": [rank],
            "size": 2,
            "env": [{"OWN": str(rank)}],
            "folder": str(work / "user_logs"),
            "failed": str(folder / "failed.json"),
            "mpi": {
                "program": shutil.which("orted" if rank else "mpirun", path=path),
                "processes": 1,
                "rank": rank,
                "addresses": ["127.0.0.1", "127.0.0.1"],
                "port": port,
                "secret": "s3cret",
                "run": "RUN.1",
                "folder": str(folder / "a folder of mpi"),
            },
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        with (folder / "said").open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, str(CLIENT / "zaffre" / "ranks.py"), str(folder / "plan.json")],
                env={"PATH": path, "PYTHONPATH": str(CLIENT), **env},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def end(self) -> int:
        return self.process.wait(SECONDS)

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def log(self) -> str:
        return (self.folder / "work" / "user_logs" / f"std_log_process_{self.rank}.txt").read_text()

    def failed(self) -> dict[str, object] | None:
        """Who failed first, without the moment: that one is a past one."""
        path = self.folder / "failed.json"
        if not path.exists():
            return None
        told = json.loads(path.read_text())
        assert 0 < told.pop("at") <= time.time()
        return dict(told)


@pytest.fixture
def nodes(tmp_path):
    brought: list[Node] = []

    def bring(code: str, **more: Any) -> tuple[Node, Node]:
        port = free_port()
        brought.extend(Node(tmp_path / f"node{rank}", rank, port, code, **more) for rank in (1, 0))
        return brought[1], brought[0]

    yield bring
    for one in brought:
        one.process.kill()
        one.process.wait()
    end_everything_in(tmp_path)


def until(what: Callable[[], object], why: str) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.05)


def wait_for(*marks: Path) -> None:
    until(lambda: all(mark.exists() for mark in marks), f"not there: {marks}")


def test_both_nodes_run_their_ranks_and_each_has_its_log(nodes):
    first, other = nodes("import os\nprint('rank', os.environ['RANK'], 'has', os.environ['OWN'], 'in', os.getcwd())\n")
    assert (first.end(), other.end()) == (0, 0)
    for node in (first, other):
        assert node.log() == f"rank {node.rank} has {node.rank} in {node.folder}/work\n"


def test_who_fails_says_so_on_its_own_node_and_the_first_says_nothing(nodes):
    first, other = nodes("import os, sys\nif os.environ['RANK'] == '1':\n    sys.exit('no labels')\n")
    assert (first.end(), other.end()) == (0, 1)
    assert first.failed() is None
    assert other.failed() == {"rank": 1, "code": 1, "tail": "no labels\n"}


@needs_mpi
def test_ranks_of_both_nodes_reduce_by_the_real_mpirun(nodes):
    code = "print('the sum is', all_reduce(rank + 1.0), 'of', os.environ['OWN'], flush=True)\nmpi.MPI_Finalize()\n"
    both = nodes(MPI + code, real=True)
    assert [node.end() for node in both] == [0, 0], [node.said() for node in both]
    assert [node.log() for node in both] == ["the sum is 3.0 of 0\n", "the sum is 3.0 of 1\n"]


@needs_mpi
def test_a_rank_that_fails_ends_the_others_by_the_real_mpirun(nodes):
    first, other = nodes(MPI + "if rank == 1:\n    sys.exit(3)\ntime.sleep(600)\n", real=True)
    assert (first.end(), other.end()) == (0, 3), first.said() + other.said()
    assert (first.failed(), other.failed()) == (None, {"rank": 1, "code": 3, "tail": ""})


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=needs_mpi)])
def test_all_ranks_may_say_goodbye_before_any_is_ended(nodes, tmp_path, real):
    start = MPI if real else ""
    code = f"""{start}
import os, pathlib, signal, sys, time
def bye(*_):
    time.sleep(float(os.environ["RANK"]) / 2)
    os._exit(print("goodbye", flush=True) or 0)
signal.signal(signal.SIGTERM, bye)
pathlib.Path({str(tmp_path)!r}, "rank" + os.environ["RANK"]).touch()
time.sleep(600)
"""
    both = nodes(code, real=real)
    wait_for(tmp_path / "rank0", tmp_path / "rank1")
    for node in both:
        os.killpg(node.process.pid, signal.SIGTERM)
    assert [node.end() for node in both] == [0, 0]
    assert [node.log() for node in both] == ["goodbye\n", "goodbye\n"]


def test_a_lost_node_is_left_to_the_studio(nodes, tmp_path):
    code = f"""
import os, pathlib, time
pathlib.Path({str(tmp_path)!r}, "rank" + os.environ["RANK"]).touch()
time.sleep(600)
"""
    first, other = nodes(code)
    wait_for(tmp_path / "rank0", tmp_path / "rank1")
    first.process.kill()
    until(lambda: "The line to the first node of the run is lost." in other.said(), "it was not seen")
    assert (other.process.poll(), other.failed()) == (None, None)
    other.process.terminate()
    assert other.end() == 0


def test_nothing_but_the_daemon_is_started_for_another_node(nodes):
    first, other = nodes("", ASKS="/bin/rm")
    assert other.end() != 0
    assert "asked for '/bin/rm'; only orted is started for it" in other.said()
    first.process.terminate()


@pytest.mark.parametrize("words", [None, [], ["sh"], ["orted", 1], ["orted\0"], ["/tmp/orted"]])
def test_words_that_are_no_daemon(words):
    with pytest.raises(ValueError):
        daemon_of(words, os.environ["PATH"])


def test_the_daemon_is_the_one_of_this_node(tmp_path):
    with pytest.raises(ValueError, match="not installed"):
        daemon_of(["orted", "-mca"], str(tmp_path))
    (tmp_path / "orted").touch(mode=0o755)
    assert daemon_of(["orted", "-mca"], str(tmp_path)) == (["orted", "-mca"], str(tmp_path / "orted"))


def test_words_that_were_meant_for_a_shell():
    assert command_in([" orted", "-mca", 'x "a b;c"']) == ["orted", "-mca", "x", "a b;c"]
    profile = ["(", "test ! -r ./.profile || . ./.profile;", " orted", "-mca", '"a"', ")"]
    assert command_in(profile) == ["orted", "-mca", "a"]


def test_the_network_of_the_nodes():
    assert common_network(["10.1.2.1", "10.1.2.2"]) == "10.1.2.0/30"
    assert common_network(["10.1.2.1", "10.1.9.2", "10.1.2.3"]) == "10.1.0.0/20"
    assert common_network(["10.1.2.1", "192.0.2.1"]) == ""
    assert common_network(["127.0.0.1", "127.0.0.1"]) == common_network(["fd00::1", "fd00::2"]) == ""


@pytest.mark.parametrize("version", ["mpirun (Open MPI) 5.0.11", "HYDRA build details:", ""])
def test_another_mpi_is_for_one_node(version):
    told = {"processes": 2, "addresses": ["10.0.0.1"]}
    assert mpirun_words(told, version)[0] == "mpirun"
    with pytest.raises(ValueError, match="needs Open MPI 4"):
        mpirun_words({**told, "addresses": ["10.0.0.1", "10.0.0.2"]}, version)


# --- the line between nodes ------------------------------------------------------------------------------------------


def both_ends(theirs: dict[str, str], ours: dict[str, str]) -> tuple["Line | None", "Line | None"]:
    """The line as who listens has it, and as who joins; None for one that does not believe the other."""
    found: list[Line] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def take() -> None:
            link, _ = server.accept()
            try:
                found.append(welcome(link, **theirs))
            except Broken:
                link.close()

        thread = threading.Thread(target=take)
        thread.start()
        try:
            joined = join("127.0.0.1", server.getsockname()[1], role="node", rank=1, **ours)
        except Broken:
            joined = None
        thread.join(SECONDS)
    return (found[0] if found else None), joined


def test_only_who_knows_the_secret_of_this_run_is_believed():
    right = {"secret": "a", "run": "RUN.1"}
    lead, other = both_ends(right, right)
    assert lead is not None and other is not None
    other.say(here=True)
    lead.say(start=["orted"])
    assert (lead.hear(), other.hear(), lead.role, lead.rank) == ({"here": True}, {"start": ["orted"]}, "node", 1)
    other.close()
    with pytest.raises(Broken):
        lead.hear()
    lead.close()
    for wrong in ({"secret": "b", "run": "RUN.1"}, {"secret": "a", "run": "RUN.2"}):
        assert both_ends(right, wrong) == (None, None)


def test_a_word_that_was_changed_repeated_or_sent_back_breaks_the_line():
    def changed(data: bytes) -> bytes:
        return data.replace(b"orted", b"erase")

    def repeated(data: bytes) -> bytes:
        return data + data

    for do in (changed, repeated):
        near, wire = socket.socketpair()
        far, end = socket.socketpair()
        lead, other = (
            Line(link, b"k" * 32, lead=side, role="node", rank=1) for link, side in ((near, True), (end, False))
        )
        lead.say(start=["orted"])
        far.sendall(do(wire.recv(4096)))
        with pytest.raises(Broken):
            for _ in range(2):
                other.hear()
        for link in (near, wire, far, end):
            link.close()
    near, wire = socket.socketpair()
    lead = Line(near, b"k" * 32, lead=True, role="node", rank=1)
    lead.say(start=["orted"])
    wire.sendall(wire.recv(4096))
    with pytest.raises(Broken):
        lead.hear()
    for link in (near, wire):
        link.close()
