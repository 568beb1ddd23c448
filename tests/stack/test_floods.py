"""One run says far more than anybody wants to hear: it goes on, its user is told, and nobody else notices."""

import pytest

from tests.stack.floods import Bystander

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900), pytest.mark.usefixtures("node")]

MEGABYTE = 1024**2
PRINTED = 1024
#: Of the beginning and of the end.
KEPT = (256 + 32) * MEGABYTE
OUTPUT = f"""
import os
block = (b"y" * 1023 + b"\\n") * 1024
os.write(1, b"first line\\n")
for n in range({PRINTED}):
    os.write(1, block)
os.write(1, b"last line\\n")
"""


def test_a_flood_of_output_costs_neither_the_run_nor_its_beginning_and_end(studio):
    with Bystander(studio) as other:
        run = studio.submit({"train.py": OUTPUT})
        studio.wait_for(run, "completed")
    other.require_peace()
    whole = PRINTED * MEGABYTE + len("first line\nlast line\n")
    got = studio.ask("GET", f"{studio.ws}/runs/{run}/log")
    assert got.headers["x-log-length"] == str(whole)
    assert got.headers["x-log-elided"] == str(whole - KEPT)
    assert f"\n[zaffre] {whole - KEPT:,} bytes were left out here".encode() in got.body
    assert got.body.startswith(b"first line\nyyy") and got.body.endswith(b"y\nlast line\n")
    assert len(got.body) == KEPT + len(got.body.partition(b"\n[zaffre]")[2].partition(b"\n")[0]) + 10
    said = studio.zaffre("run", "logs", run)
    assert said.returncode == 0 and said.stdout.endswith("last line\n")


POINTS, KEYS, MOST_KEYS = 1_000_000, 30_000, 10_000
LOGGING = f"""
from zaffre.core import Run
run = Run.get_context()
for step in range({POINTS}):
    run.log("loss", step / 7, step=step)
for number in range({KEYS}):
    run.log(f"key/{{number}}", number)
print("said all", flush=True)
"""


def test_a_flood_of_points_and_keys_fails_nothing_and_starves_nobody(studio):
    with Bystander(studio) as other:
        run = studio.submit({"train.py": LOGGING})
        studio.wait_for(run, "completed")
    other.require_peace()
    metrics = studio.ask("GET", f"{studio.ws}/runs/{run}/metrics").json["metrics"]
    assert (metrics["loss"]["count"], metrics["loss"]["last_step"]) == (POINTS, POINTS - 1)
    assert len(metrics) == MOST_KEYS
    log = studio.log(run).decode()
    assert log.count("A run has at most 10000 metrics") == 1
    series = studio.ask("GET", f"{studio.ws}/runs/{run}/series?key=loss&points=1000")
    assert len(series.body) < 1_000_000
    assert series.json["series"]["loss"]["step"][-1] == POINTS - 1
