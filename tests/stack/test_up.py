"""`make up` as a whole, with engines of its own: start, use, stop, start again."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from studio.stack.engines import engine_home
from tests.stack.running import running_studio, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    # As root the cluster lives elsewhere; in the folder itself pytest cleans up.
    shutil.rmtree(engine_home(tmp_path / "var"), ignore_errors=True)


def test_the_stack_starts_repairs_itself_stops_and_continues(folder):
    with running_studio(folder, own_postgres=True) as studio:
        known = json.loads((studio.var / "studio.json").read_text())
        assert set(known) == {"url", "admin", "password", "token", "workspace"}
        assert (studio.var / "studio.json").stat().st_mode & 0o777 == 0o600
        assert known["password"] in studio.said()
        names = {"postgres", "valkey", "gateway", "web", "relay", "worker", "node", "nodes"}
        assert set(json.loads((studio.var / "run" / "processes.json").read_text())) == names
        for name in names:
            assert (studio.var / "log" / f"{name}.log").exists()

        run = studio.submit({"train.py": "print('hello')"})
        studio.wait_for(run, "completed")
        for name in ("gateway", "node"):
            studio.restart(name, signal.SIGKILL)
        again = studio.submit({"train.py": "print('again')"})
        studio.wait_for(again, "completed")

        listed = studio.zaffre("run", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        assert run in listed.stdout
        assert again in listed.stdout

        node = psutil.Process(studio.pid("node")).environ()
        assert not {"DATABASE_URL", "SECRET_KEY", "REDIS_URL"} & set(node)
        assert "DATABASE_URL" not in psutil.Process(studio.pid("gateway")).environ()

        second = studio.start_again()
        assert second.returncode == 1
        assert "already runs" in second.stderr

    assert not (studio.var / "run" / "processes.json").exists()
    with running_studio(folder, own_postgres=True) as continued:
        assert json.loads((continued.var / "studio.json").read_text())["token"] == known["token"]
        assert known["password"] not in continued.said()
        assert continued.run(run)["status"] == "completed"
        third = continued.submit({"train.py": "print('third')"})
        continued.wait_for(third, "completed")


def test_a_killed_supervisor_leaves_nothing_that_hinders_the_next(folder):
    with running_studio(folder, own_postgres=True, node=False) as studio:
        children = psutil.Process(studio.process.pid).children(recursive=True)
        studio.process.kill()
        studio.process.wait()
        until(lambda: not any(one.is_running() for one in children), "every child is gone")
    with running_studio(folder, own_postgres=True, node=False) as studio:
        assert studio.ask("GET", "/api/v1/me").status == 200
