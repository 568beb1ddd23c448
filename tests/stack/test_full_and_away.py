"""The disk is full and the database restarts: refused with a reason, nothing half done, and work goes on afterwards."""

import contextlib
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.stack.nodes import REPORTING, NodeProcess, Witness
from tests.stack.running import Studio, running_studio, until
from tests.stack.test_lost_nodes import expected_log

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

#: Bytes of the disk that files lie on.
DISK = 48 * 1024 * 1024


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[Studio]:
    """With a PostgreSQL of its own that may be killed, and its files on a small disk where one can be made."""
    folder = tmp_path_factory.mktemp("small")
    blobs = folder / "var" / "blobs"
    blobs.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(blobs)]
    mounted = os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0
    try:
        with running_studio(folder, node=False, own_postgres=True) as found:
            found.known["disk"] = str(blobs) if mounted else ""
            yield found
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(blobs)], check=True)


@pytest.fixture(scope="module")
def node(studio: Studio, tmp_path_factory) -> Iterator[NodeProcess]:
    found = NodeProcess(studio, tmp_path_factory.mktemp("node") / "node", "small")
    found.start()
    yield found
    found.kill_tree()


def test_a_full_disk_refuses_and_forgets_nothing(studio, node):
    if not studio.known["disk"]:
        pytest.skip("no disk of its own can be mounted here")
    filler = os.path.join(studio.known["disk"], "filler")
    before = studio.submit({"train.py": "print('before')"})
    studio.wait_for(before, "completed")
    handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(handle, b"x" * 65536)
    os.close(handle)
    content = os.urandom(200_000)
    address = f"{studio.ws}/blobs/{hashlib.sha256(content).hexdigest()}"
    try:
        refused = studio.ask("PUT", address, content)
        assert refused.status == 507 and refused.json["error"]["code"] == "disk_full"
        assert studio.ask("GET", f"{studio.ws}/runs").status == 200
        assert studio.log(before) == b"before\n"
    finally:
        os.unlink(filler)
    assert studio.ask("PUT", address, content).status == 201
    after = studio.submit({"train.py": "print('after')"})
    studio.wait_for(after, "completed")


def test_a_database_that_restarts_under_load_is_a_pause(studio, node, tmp_path):
    witness = Witness(tmp_path / "witness")
    run = studio.submit({"train.py": REPORTING}, arguments=[str(witness.path), "8"], max_retries=0)
    until(lambda: witness.lives(1), "the first sign of the script")
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                seen.append(studio.ask("GET", f"{studio.ws}/runs/{run}").status)
            time.sleep(0.05)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for one in readers:
        one.start()
    studio.restart("postgres", signal.SIGQUIT)  # an immediate stop: every connection breaks
    studio.wait_until_ready()
    done = studio.wait_for(run, "completed")
    stop.set()
    for one in readers:
        one.join(timeout=40)
    assert set(seen) <= {200, 503}, f"answers while the database restarted: {sorted(set(seen))}"
    assert 200 in seen
    assert done["attempt"] == 1 and len(witness.spans()) == 1
    expected_log(studio.log(run))
