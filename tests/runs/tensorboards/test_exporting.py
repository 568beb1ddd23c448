"""The numbers of a run as event files: the zip, who may have it, and what it costs when there are many points."""

import io
import math
import struct
import uuid
import zipfile

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.metrics import columns
from runs.metrics.columns import Series
from runs.metrics.models import MetricChunk
from runs.metrics.tasks import merge_run
from runs.models import Run
from runs.tensorboards import exporting
from tests.runs.telemetry import ask
from zaffre import tfevents


async def log(code, running, *points: list) -> None:
    answer = await code.post(f"{running.agent}/metrics", {"batch": str(uuid.uuid4()), "points": list(points)})
    assert answer.status == 200, answer.body


def records(data: bytes) -> list[bytes]:
    """The messages of an event file, each checked as a reader does."""
    found = []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == tfevents.masked_crc(data[:8])
        found.append(data[12 : 12 + length])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == tfevents.masked_crc(found[-1])
        data = data[16 + length :]
    return found


def keep(run_id: str, key: str, *pieces: np.ndarray) -> None:
    """A series as if it had been logged and merged: a chunk for each piece, and the summary of all."""
    first, told = 0, None
    for value in pieces:
        steps = np.arange(first, first + len(value), dtype=np.int64)
        one = Series(steps, steps * 10, value.astype(np.float64))
        MetricChunk.objects.create(
            run_id=run_id, key=key, count=len(one), first_step=first, last_step=int(steps[-1]), data=columns.pack(one)
        )
        told, first = columns.summed_up(told, one), first + len(value)
    Run.objects.filter(pk=run_id).update(metrics={key: told})


async def test_the_numbers_of_a_run_are_a_zip_that_tensorboard_reads(code, person, running):
    await log(code, running, ["loss", 1.0, 0, 1500], ["größe", math.pi, 7, 2500], ["system/cpu", 3.0, 0, 1500])
    await log(code, running, ["loss", "NaN", 1, 3500], ["loss", 1e300, -1, 4500])
    got = await person("rio").get(f"{running.user}/tfevents")
    assert (got.status, got.headers["content-type"]) == (200, "application/zip")
    assert 'filename="calm_heron_1-tfevents.zip"' in got.headers["content-disposition"]
    held = zipfile.ZipFile(io.BytesIO(got.body))
    assert held.testzip() is None
    [path] = held.namelist()
    folder, _, name = path.partition("/")
    assert folder == running.id and name.startswith("events.out.tfevents.")
    version, *points = records(held.read(path))
    assert version.endswith(b"brain.Event:2")
    assert points == [
        tfevents.scalar("größe", math.pi, step=7, wall_time=2.5),
        tfevents.scalar("loss", 1.0, step=0, wall_time=1.5),
        tfevents.scalar("loss", math.nan, step=1, wall_time=3.5),
        tfevents.scalar("loss", math.inf, step=-1, wall_time=4.5),
    ]


@pytest.mark.parametrize(("who", "status"), [("mallory", 404), ("ada", 403), (None, 401), ("rio", 200)])
async def test_who_may(code, person, running, who, status):
    await log(code, running, ["loss", 1.0, 0, 1])
    assert (await person(who).get(f"{running.user}/tfevents")).status == status
    if who == "mallory":
        assert (await person(who).get(f"/api/v1/workspaces/den/runs/{running.id}/tfevents")).status == 404


async def test_a_run_without_numbers_and_one_that_is_deleted(code, person, running):
    await log(code, running, ["system/cpu", 1.0, 0, 1])
    got = await person("rio").get(f"{running.user}/tfevents")
    assert (got.status, got.code) == (404, "no_metrics")
    await log(code, running, ["loss", 1.0, 0, 1])
    await ask(lambda: running.change(deleted=timezone.now()))
    assert (await person("rio").get(f"{running.user}/tfevents")).status == 404


async def test_points_that_are_merged_while_it_is_written_are_there_once(code, running, people, monkeypatch):
    monkeypatch.setattr(exporting, "PAGE", 2)
    for step in range(6):
        await log(code, running, ["loss", float(step), step, step])

    def look() -> list[float]:
        upto = MetricChunk.objects.order_by("-pk").values_list("pk", flat=True)[0]
        pieces = exporting._pieces(running.id, "loss", upto)
        steps = [next(pieces), next(pieces)]
        merge_run(running.id)
        steps += pieces
        return [value for one in steps for value in one.value.tolist()]

    assert await ask(look) == [0, 1, 2, 3, 4, 5]


async def test_a_run_with_too_many_points_is_thinned_and_keeps_its_extremes(running, people, monkeypatch):
    monkeypatch.setattr(exporting, "MOST_POINTS", 1000)
    values = np.sin(np.linspace(0, 50, 60_000))
    values[12_345], values[54_321] = 40.0, -40.0

    def look() -> tuple[list[bytes], int, int]:
        keep(running.id, "loss", *np.split(values, 60))
        with CaptureQueriesContext(connection) as asked:
            pieces = list(exporting.pack("lab", running.id, actor=people.actor("rio")).pieces)
        held = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
        return records(held.read(held.namelist()[0])), len(asked), max(map(len, pieces))

    found, asked, _ = await ask(look)
    assert 500 < len(found) < 1500
    for step in (12_345, 54_321):
        assert tfevents.scalar("loss", values[step], step=step, wall_time=step / 100) in found
    # One question for each fifty chunks, and those for the run.
    assert asked < 10


async def test_it_is_sent_in_pieces_while_it_is_written(running, people):
    def look() -> list[int]:
        keep(running.id, "loss", *np.split(np.random.default_rng(1).normal(size=40_000), 4))
        return [len(one) for one in exporting.pack("lab", running.id, actor=people.actor("rio")).pieces]

    sizes = await ask(look)
    assert len(sizes) > 5 and max(sizes) < 4 * exporting._PIECE


async def test_the_tab_offers_it_without_event_files_too(code, person, running):
    page = f"/w/lab/runs/{running.id}"
    before = (await person("rio").get(page)).body.decode()
    assert "/tensorboard" not in before
    assert "/tfevents" not in (await person("rio").get(f"{page}/tensorboard")).body.decode()
    await log(code, running, ["loss", 1.0, 0, 1])
    assert f"{page}/tensorboard" in (await person("rio").get(page)).body.decode()
    shown = (await person("rio").get(f"{page}/tensorboard")).body.decode()
    assert f'href="{running.user}/tfevents" download' in shown and "Download event files" in shown
