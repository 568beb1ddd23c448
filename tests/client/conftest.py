"""A home of its own for every test, a fake studio, and the command line as a process."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.studio import RUN, TOKEN, FakeStudio
from zaffre import config, context, recorder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Iterator[Path]:
    """No login, no variable and no studio of this machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("ZAFFRE_", "AZUREML_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    work = home / "work"
    work.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    monkeypatch.setattr(config.sys, "prefix", str(tmp_path / "nowhere" / "venv"))
    monkeypatch.setattr(context, "_current", None)
    monkeypatch.setattr(context, "_offline", None)
    yield home
    for one in list(recorder._live):  # its studio is gone: nothing more is to be sent
        one._stopped = True


@pytest.fixture
def studio() -> Iterator[FakeStudio]:
    with FakeStudio() as studio:
        yield studio


@pytest.fixture
def space(studio):
    from zaffre.core import Workspace

    return Workspace.get("main", url=studio.url, token=TOKEN)


@pytest.fixture
def inside(studio, tmp_path, monkeypatch) -> Path:
    """This process is the script of a run; returns its spool."""
    for name, value in inside_of(studio, tmp_path / "spool").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "spool"


def inside_of(studio: FakeStudio, spool: Path) -> dict[str, str]:
    spool.mkdir(exist_ok=True)
    studio.new_run(status="running")
    return {
        "ZAFFRE_URL": studio.url,
        "ZAFFRE_RUN_ID": RUN,
        "ZAFFRE_RUN_TOKEN": "run-token",
        "ZAFFRE_WORKSPACE": "main",
        "ZAFFRE_EXPERIMENT": "first",
        "ZAFFRE_SPOOL": str(spool),
    }


Zaffre = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def zaffre(studio, home) -> Zaffre:
    """The command, as somebody who told the studio and the token by variables."""
    told = {"ZAFFRE_URL": studio.url, "ZAFFRE_TOKEN": TOKEN, "ZAFFRE_WORKSPACE": "main"}

    def run(*words: str, input: str | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
        # On pipes: neither stream is a terminal.
        return subprocess.run(
            [str(Path(sys.executable).parent / "zaffre"), *words],
            env={**os.environ, **told, **env},
            input=input or "",
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def run_script(text: str, env: dict[str, str], **more) -> "subprocess.CompletedProcess[str]":
    """A script of its own process."""
    return subprocess.run(
        [sys.executable, "-c", text], env={**os.environ, **env}, capture_output=True, text=True, timeout=60, **more
    )
