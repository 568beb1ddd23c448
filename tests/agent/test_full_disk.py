"""A node whose disk the code has filled: its end, its log and its files arrive all the same, and the next run runs."""

import subprocess

import pytest

from tests.agent.conftest import end_everything_in

FILL = """
import os
os.makedirs("outputs")
print("before", flush=True)
with open("outputs/model.bin", "wb", buffering=0) as file:
    try:
        while True:
            file.write(os.urandom(1 << 16))
    except OSError:
        %s
    while True:  # and every page that is left
        try:
            if not file.write(b"x"):
                break
        except OSError:
            break
print("after " * 10000, flush=True)
"""


@pytest.fixture
def small_disk(tmp_path):
    """The folder of the first agent on a disk of its own."""
    place = tmp_path / "node0"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True)
    if made.returncode:
        pytest.skip("a small disk needs an account that may mount one")
    yield place
    end_everything_in(place)
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize(("then", "code"), [("raise", 1), ("pass", 0)])
def test_code_that_fills_the_disk_ends_as_it_ended(studio, small_disk, bring_agent, then, code):
    bring_agent(studio, slots=1)
    run = studio.wait_final(studio.submit({"train.py": FILL % then}))
    assert run.result is not None and run.result["exit_code"] == code, run.result
    assert run.log.startswith(b"before\n")
    # A traceback finds room behind what was printed before; a long line does not.
    assert any("disk was full" in one for one in run.warnings) == (code == 0)
    assert "outputs/model.bin" in run.artifacts
    assert studio.wait_final(studio.submit({"train.py": "print('next')"})).log == b"next\n"
