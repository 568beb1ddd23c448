"""One process of several does the work; threads stand for processes here, for each has a connection of its own."""

import logging
import threading
import time

import psycopg
import pytest
from django.db import connection

from studio import active, attached
from studio.active import Held, serve_alone

LOCK = 7_305_000
log = logging.getLogger(__name__)


@pytest.fixture(autouse=True)
def quick(transactional_db, monkeypatch):
    monkeypatch.setattr(active, "PAUSE", 0.05)


def test_work_that_breaks_is_begun_again_whatever_broke_it(caplog):
    end, begun = threading.Event(), []

    def work(held: Held) -> None:
        begun.append(held.execute("SELECT 1").fetchone())
        if len(begun) == 1:
            raise ValueError("nobody thought of this")
        if len(begun) == 2:
            raise psycopg.OperationalError("away")
        end.set()

    serve_alone(LOCK, work, end=end, log=log)
    assert begun == [(1,)] * 3
    assert "nobody thought of this" in caplog.text and "the database is away (OperationalError)" in caplog.text


def test_another_one_goes_on_when_the_connection_of_the_first_is_gone():
    end, pids = threading.Event(), []

    def work(held: Held) -> None:
        pids.append(held.info.backend_pid)
        while not end.is_set():
            held.execute("SELECT 1")
            end.wait(0.02)

    threads = [threading.Thread(target=serve_alone, args=(LOCK, work), kwargs={"end": end, "log": log}) for _ in "ab"]
    try:
        for count, thread in enumerate(threads):
            thread.start()
            wait_until(lambda: pids)
            assert len(pids) == 1, f"one of {count + 1} works"
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pids[0]])
        wait_until(lambda: len(pids) > 1)
        assert len(set(pids)) == 2
    finally:
        end.set()
        for thread in threads:
            thread.join(60)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class FakeKeeper:
    """Counts its rounds; the first one breaks."""

    rounds = ends = 0

    async def round(self) -> None:
        FakeKeeper.rounds += 1
        if FakeKeeper.rounds == 1:
            raise RuntimeError("nobody thought of this")

    async def stop(self) -> bool:
        FakeKeeper.ends += 1
        return True


def test_attached_machines_are_looked_after_in_a_thread_until_the_process_ends(monkeypatch, caplog):
    monkeypatch.setattr(attached, "Keeper", FakeKeeper)
    monkeypatch.setattr(attached, "ROUND", 0.01)
    work = attached.Attached()
    work.start()
    wait_until(lambda: FakeKeeper.rounds > 3)
    assert FakeKeeper.ends == 1, "what broke was let go of, and begun again"
    assert "nobody thought of this" in caplog.text
    work.stop()
    wait_until(work.ended)
    assert FakeKeeper.ends == 2
