"""MLflow's own client, unmodified, in an environment of its own that later test runs find again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.running import Studio

PACKAGE = "mlflow-skinny==3.17.2"
_UV = Path(sys.executable).parent / "uv"


def installed() -> Path:
    """The Python that has the client. Skips the test, saying why, when it cannot be installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zaffre-tests"
    folder = cache / f"{PACKAGE.replace('==', '-')}-py{sys.version_info.major}{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        for words in (
            ["venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            ["pip", "install", "--quiet", "--python", str(python), PACKAGE],
        ):
            done = subprocess.run([str(_UV), *words], capture_output=True, text=True, timeout=240)
            if done.returncode:
                pytest.skip(
                    f"MLflow's client could not be installed, so NOTHING WAS TESTED WITH IT: {done.stderr[-500:]}"
                )
        (folder / "whole").touch()
    return python


def tell(studio: Studio, python: Path, script: str, folder: Path, **env: str) -> str:
    """Run a script that uses the client; return what it printed. Any warning of the client is a failure."""
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MLFLOW_TRACKING_URI": f"{studio.url}/mlflow/{studio.known['workspace']}",
        "PYTHONWARNINGS": "default",
        **(env or {"MLFLOW_TRACKING_TOKEN": studio.known["token"]}),
    }
    file = folder / "script.py"
    file.write_text(script)
    words = [str(python), str(file)]
    done = subprocess.run(words, env=own, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "WARNING" not in done.stderr + done.stdout, done.stderr
    return done.stdout
