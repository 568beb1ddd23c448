"""One real studio with its node, and the SDK and the command of the same checkout."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.running import Studio, running_studio
from zaffre.core import Workspace


@pytest.fixture(scope="session")
def studio(tmp_path_factory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """No login and no variable of this machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("ZAFFRE_", "AZUREML_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "work")
    return home


@pytest.fixture
def space(studio: Studio) -> Workspace:
    return Workspace.get(studio.known["workspace"], url=studio.url, token=studio.known["token"])


@pytest.fixture
def zaffre(studio: Studio, home: Path) -> Callable[..., Any]:
    """`zaffre("run", "list")` → the JSON document of the command, as it works on the studio's host at once."""

    def run(*words: str, code: int = 0) -> Any:
        at = words.index("--") if "--" in words else len(words)
        done = studio.zaffre(*words[:at], "--json", *words[at:], cwd=home / "work", HOME=str(home))
        assert done.returncode == code, done.stderr
        assert done.stdout.count("\n") == 1, done.stdout
        return json.loads(done.stdout)

    return run
