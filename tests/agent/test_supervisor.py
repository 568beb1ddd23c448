"""The supervisor alone: what it starts ends when it must, wholly, and what it reads is kept to the byte."""

import contextlib
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.agent.conftest import CLIENT, end_everything_in
from zaffre.agent import cord, supervisors, talk
from zaffre.agent.clock import now
from zaffre.agent.marks import ERR, OTHER, OUT, Mark, beside
from zaffre.agent.rundir import RunDir, socket_folder, socket_path
from zaffre.agent.spool import Spool, SpoolWriter
from zaffre.protocol import ENV_ATTEMPT, ENV_RUN_ID, ENV_SPOOL

#: Ignores SIGTERM, has a child that does, and one that left its session by a double fork.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
inside = subprocess.Popen([sys.executable, "-c", code])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        daemon = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        print("daemon", daemon.pid, flush=True)
        time.sleep(600)
    os._exit(0)
print("pids", os.getpid(), inside.pid, flush=True)
time.sleep(600)
"""


def until(what: Callable[[], object], why: str, seconds: float = 240) -> object:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} s: {why}"
        time.sleep(0.05)
    return found


class Supervised:
    def __init__(self, folder: Path) -> None:
        self.run = secrets.token_hex(8)  # tests beside this one must not find each other's processes
        self.place = RunDir(folder / "runs" / f"{self.run}.1")
        self.place.make()
        self.place.work.mkdir()
        self.socket = socket_path(folder, self.run, 1)
        self.mark = {ENV_RUN_ID: self.run, ENV_ATTEMPT: "1", ENV_SPOOL: str(self.place.spool)}
        self.child: subprocess.Popen[bytes] | None = None

    def launch(
        self,
        code: str,
        *,
        valid_for: float = 600,
        grace: float = 1.0,
        argv: list[str] | None = None,
        line: socket.socket | None = None,
    ) -> None:
        env = {"PATH": os.environ["PATH"], **self.mark}
        words = {"run": self.run, "attempt": 1, "grace": grace, "renewed": now(), "valid_for": valid_for}
        argv = argv or [sys.executable, "-u", "-c", code]
        more = {"argv": argv, "env": env, "cwd": str(self.place.work), "socket": str(self.socket)}
        self.place.keep_launch({**words, **more})
        self.child = supervisors.spawn(self.place, line)

    def wait(self, seconds: float = 240) -> dict[str, object]:
        assert self.child is not None
        assert self.child.wait(seconds) == 0, (self.place.path / "supervisor.log").read_text()
        assert self.place.result is not None
        return self.place.result

    def log(self) -> bytes:
        return self.place.log.read_bytes()

    def marks(self) -> list[Mark]:
        raw = beside(self.place.log).read_bytes()
        return [Mark(at, what >> 2, what & 3) for at, what in struct.iter_unpack("<QQ", raw)]

    def said(self, stream: int) -> bytes:
        marks, log = self.marks(), self.log()
        ends = [mark.offset for mark in marks[1:]] + [len(log)]
        return b"".join(log[mark.offset : end] for mark, end in zip(marks, ends, strict=True) if mark.stream == stream)

    def pids(self) -> list[int]:
        """The stubborn three, once all have spoken."""
        until(lambda: b"daemon" in self.log() and b"pids" in self.log(), "the script's pids")
        return [int(word) for word in self.log().split() if word.isdigit()]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    found = Supervised(tmp_path)
    yield found
    if found.child is not None and found.child.poll() is None:
        # One signal asks it to end all; then whatever is left goes by its mark.
        found.child.kill()
        found.child.wait()
    supervisors.clear(found.place)
    end_everything_in(tmp_path)
    shutil.rmtree(socket_folder(tmp_path), ignore_errors=True)


def dead(pids: list[int]) -> bool:
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return False
    return True


@pytest.mark.parametrize(("code", "expected"), [("import sys; sys.exit(3)", (3, None)), ("pass", (0, None))])
def test_the_exit_code_is_kept(supervised, code, expected):
    supervised.launch(code)
    result = supervised.wait()
    assert (result["exit_code"], result["signal"]) == expected
    assert result["reason"] is None


def test_a_signal_is_not_an_exit_code(supervised):
    supervised.launch("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    result = supervised.wait()
    assert (result["exit_code"], result["signal"]) == (None, 11)


def test_hostile_bytes_are_kept_exactly_each_stream_in_its_order(supervised):
    code = """
import os
for number in range(300):
    os.write(1, bytes(range(256)) + b"\\x1b[2J\\xff\\xfe\\r\\n" + str(number).encode())
    os.write(2, b"\\x00" * 997)
"""
    supervised.launch(code)
    supervised.wait()
    written = b"".join(bytes(range(256)) + b"\x1b[2J\xff\xfe\r\n" + str(n).encode() for n in range(300))
    assert supervised.said(OUT) == written
    assert supervised.said(ERR) == b"\0" * 997 * 300
    assert len(supervised.log()) == len(written) + 997 * 300


def test_each_line_has_its_time_and_its_stream(supervised):
    # The next line comes when this one was read: of two pipes that have something nobody knows which was first.
    code = f"""
import sys, time
said = 0
for number in range(3):
    for word, stream in (("out", sys.stdout), ("err", sys.stderr)):
        print(word, number, file=stream)
        said += 1
        while open({str(supervised.place.log)!r}, "rb").read().count(b"\\n") < said:
            time.sleep(0.01)
        time.sleep(0.01)
"""
    begun = int(time.time() * 1000)
    supervised.launch(code)
    supervised.wait()
    marks = supervised.marks()
    assert supervised.log().split(b"\n")[:-1] == [b"%s %d" % (word, n) for n in range(3) for word in (b"out", b"err")]
    assert (supervised.said(OUT), supervised.said(ERR)) == (b"out 0\nout 1\nout 2\n", b"err 0\nerr 1\nerr 2\n")
    times = [mark.time for mark in marks]
    assert times == sorted(times) and begun <= times[0] and times[-1] <= int(time.time() * 1000)
    # Each line begins where a mark lies that is later than that of the line before.
    lines = [n for n, byte in enumerate(supervised.log()) if n == 0 or supervised.log()[n - 1] == 10]
    of_lines = {mark.offset: mark.time for mark in marks}
    assert len({of_lines[at] for at in lines}) == 6


def test_a_line_that_one_stream_has_begun_is_not_torn_by_the_other(supervised):
    # Python writes a line and its end apart when it does not buffer.
    code = """
import sys
for number in range(2000):
    print("an error", number, file=sys.stderr)
    print("a result", number)
"""
    supervised.launch(code)
    supervised.wait()
    lines = supervised.log().decode().splitlines()
    assert sorted(lines) == sorted(f"{word} {n}" for n in range(2000) for word in ("an error", "a result"))


def test_marks_never_outgrow_the_log_and_the_spool_lets_go_of_both(tmp_path):
    spool = Spool(tmp_path / "log", head=100_000, tail=50_000)
    writer = SpoolWriter(spool)
    for number in range(60_000):
        writer.write(b"x", OUT if number % 2 else ERR)
    writer.close()
    assert spool.path.read_bytes() == b"x" * 60_000
    size = beside(spool.path).stat().st_size
    assert size <= 30_000 + 128 * 1024 + 16
    assert [mark.stream for mark in spool.marks(100, 102)] == [ERR, OUT]
    assert spool.marks(59_000, 60_000)[0][1:] == (0, OTHER), "what is not written down is unknown, and nobody's"


def test_cancel_ends_the_whole_tree_though_all_of_it_ignores_sigterm(supervised):
    supervised.launch(STUBBORN, grace=1.0)
    pids = supervised.pids()
    assert len(pids) == 3
    begun = time.monotonic()
    supervisors.stop(supervised.place, reason="canceled")
    result = supervised.wait()
    assert time.monotonic() - begun >= 0.9, "SIGKILL came without the grace period"
    assert (result["signal"], result["reason"]) == (9, "canceled")
    assert dead(pids), "something survived the end of its supervisor"


def test_a_script_may_save_its_work_in_the_grace_period(supervised):
    code = """
import signal, sys, time
def leave(*_):
    open("checkpoint", "w").write("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready")
time.sleep(600)
"""
    supervised.launch(code, grace=60)
    until(lambda: b"ready" in supervised.log(), "the handler")
    supervisors.stop(supervised.place, reason="canceled")
    result = supervised.wait()
    assert (result["exit_code"], result["reason"]) == (0, "canceled")
    assert (supervised.place.work / "checkpoint").read_text() == "saved"


def test_a_lease_that_nobody_renews_ends_the_whole_tree_without_an_agent(supervised):
    supervised.launch(STUBBORN, valid_for=10)
    begun = (supervised.place.launch or {})["renewed"]
    pids = supervised.pids()
    result = supervised.wait()
    assert now() - begun >= 0.65 * 10, "it was ended before its lease had run down"
    assert now() - begun < 10, "it lived on when another attempt might begin"
    assert result["reason"] == "fenced"
    assert dead(pids)


def test_renewals_keep_the_script_alive_and_count_from_when_they_were_sent(supervised):
    supervised.launch("import time; time.sleep(600)", valid_for=30)
    until(lambda: talk.ask(supervised.socket, op="status"), "the supervisor")
    sent = now()
    supervisors.renew(supervised.place, sent=sent, valid_for=600)
    told = talk.ask(supervised.socket, op="status")
    assert told is not None and 0.65 * 600 - 30 < told["fence_in"] <= 0.65 * 600
    # An older answer that comes late must not shorten or lengthen anything.
    supervisors.renew(supervised.place, sent=sent - 1, valid_for=1)
    told = talk.ask(supervised.socket, op="status")
    assert told is not None and told["fence_in"] > 300
    supervisors.kill(supervised.place, reason="dropped")
    assert supervised.wait()["reason"] == "dropped"


def test_a_daemon_that_holds_the_output_does_not_hold_the_run(supervised):
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("pid", child.pid)
"""
    supervised.launch(code)
    assert supervised.wait()["exit_code"] == 0
    assert dead([int(word) for word in supervised.log().split() if word.isdigit()])


def test_code_that_has_ended_by_itself_was_not_ended_by_a_later_wish(supervised):
    """Its output is still held open then, so the supervisor lives on for a moment and hears wishes."""
    left = "import subprocess, sys\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\nsys.exit(3)\n"
    supervised.launch(left)
    until(lambda: (supervisors.ask(supervised.place, op="status") or {"ended": True})["ended"], "the end of its code")
    supervisors.ask(supervised.place, op="renew", sent=now(), valid_for=0.001)
    supervisors.stop(supervised.place, reason="canceled")
    result = supervised.wait()
    assert (result["reason"], result["exit_code"], result["message"]) == (None, 3, None)


def test_an_attempt_is_executed_once_whoever_starts_a_second_supervisor(supervised, tmp_path):
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x'); import time; time.sleep(600)"
    supervised.launch(code)
    until(count.exists, "the first execution")
    assert supervisors.spawn(supervised.place).wait(60) == 3
    supervisors.kill(supervised.place, reason="dropped")
    supervised.wait()
    assert supervisors.spawn(supervised.place).wait(60) == 3, "a finished attempt was begun again"
    assert count.read_text() == "x"


def test_an_agent_that_dies_before_the_code_began_leaves_an_attempt_that_can_be_prepared_anew(supervised, tmp_path):
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'a').write('x')"
    ours, theirs = cord.pair()
    with theirs:
        supervised.launch(code, line=theirs)
    assert ours.hear(60) == cord.READY
    place = supervised.place
    waiting = place.pid("main")["pid"]
    assert psutil.pid_exists(waiting) and not ran.exists(), "it waits at the gate, with everything prepared"
    ours.close()
    assert supervised.child.wait(60) == 3 and dead([waiting])
    assert place.launch is None and not place.begun and place.result is None and not ran.exists()

    ours, theirs = cord.pair()
    with theirs:
        supervised.launch(code, line=theirs)
    assert ours.hear(60) == cord.READY
    ours.say(cord.GO)
    assert supervised.wait()["exit_code"] == 0
    assert ran.read_text() == "x"
    ours.close()


def test_when_the_supervisor_is_killed_its_code_is_found_and_ended(supervised):
    supervised.launch(STUBBORN)
    pids = supervised.pids()
    assert supervised.child is not None
    supervised.child.kill()
    supervised.child.wait()
    assert not supervised.place.supervised
    assert supervisors.clear(supervised.place)
    assert dead(pids)


def test_code_that_waits_for_its_beginning_ends_with_its_supervisor(supervised, tmp_path):
    ours, theirs = cord.pair()
    with theirs:
        supervised.launch(f"open({str(tmp_path / 'ran')!r}, 'a')", line=theirs)
    assert ours.hear(60) == cord.READY
    waiting = supervised.place.pid("main")["pid"]
    supervised.child.kill()
    supervised.child.wait()
    until(lambda: dead([waiting]), "the end of what nobody lets begin")
    assert not supervised.place.supervised and not (tmp_path / "ran").exists()
    ours.close()


def test_a_program_that_cannot_be_started_says_so(supervised):
    supervised.launch("", argv=["/nonexistent/python"])
    result = supervised.wait()
    assert result["reason"] == "launch_failed"
    assert b"/nonexistent/python cannot be started" in supervised.log()


def test_the_script_gets_private_files_and_no_core_dumps(supervised):
    supervised.launch("import os, resource; print(os.umask(0), resource.getrlimit(resource.RLIMIT_CORE)[0])")
    supervised.wait()
    assert supervised.log().split() == [str(0o077).encode(), b"0"]


def test_the_supervisor_needs_nothing_but_the_standard_library():
    code = "import sys, zaffre.agent.supervise; print(*sorted({'urllib3', 'celery', 'redis'} & set(sys.modules)))"
    env = {"PYTHONPATH": str(CLIENT), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
