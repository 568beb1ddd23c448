"""MLflow's own client, unmodified, in environments of its own that later test runs find again."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.running import Studio

HERE = Path(__file__).parent
#: What a submitted run installs to have the client.
PACKAGE = "mlflow-skinny==3.17.2"
#: What the client says of its own formats, whatever server it speaks to.
_OWN = (
    "Saving scikit-learn models in the pickle or cloudpickle format requires exercising caution",
    "Saving pytorch model by Pickle or CloudPickle format requires exercising caution",
    "contains a local version label",
    "`artifact_path` is deprecated",
    "registering model based on models:/",
)
_UV = Path(sys.executable).parent / "uv"


def installed(name: str) -> Path:
    """The Python that has what `requirements/<name>.txt` says. Skips the test, saying why, where that cannot be."""
    locked = HERE / "requirements" / f"{name}.txt"
    mark = hashlib.sha256(locked.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zaffre-tests"
    folder = cache / f"mlflow-{name}-{mark}-py{sys.version_info.major}{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if not (folder / "seeded").exists():
        env = os.environ | ({"UV_FIND_LINKS": links} if (links := _find_links()) else {})
        for words in (
            ["venv", "--quiet", "--clear", "--seed", "--python", sys.executable, str(folder)],
            ["pip", "install", "--quiet", "--python", str(python), "-r", str(locked)],
        ):
            done = subprocess.run([str(_UV), *words], env=env, capture_output=True, text=True, timeout=840)
            if done.returncode:
                pytest.skip(
                    f"{locked.name} could not be installed, so NOTHING WAS TESTED WITH IT: {done.stderr[-500:]}"
                )
        (folder / "seeded").touch()
    return python


def _find_links() -> str:
    """The folders of wheels that this machine's pip looks into: uv does not read pip's configuration."""
    if found := os.environ.get("PIP_FIND_LINKS"):
        return ",".join(found.split())
    pip = shutil.which("pip") or shutil.which("pip3")
    if pip is None:
        return ""
    told = subprocess.run([pip, "config", "get", "global.find-links"], capture_output=True, text=True, timeout=60)
    return ",".join(told.stdout.split()) if told.returncode == 0 else ""


def environment(studio: Studio, python: Path, folder: Path, **env: str) -> dict[str, str]:
    """What a user of the client has around it; a token unless `env` says otherwise."""
    return {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "MLFLOW_TRACKING_URI": f"{studio.url}/mlflow/{studio.known['workspace']}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "agg",
        **(env or {"MLFLOW_TRACKING_TOKEN": studio.known["token"]}),
    }


def tell(studio: Studio, python: Path, script: str, folder: Path, **env: str) -> str:
    """Run a script that uses the client; return what it printed. Any warning of the client is a failure.

    `script` is its text, or the name of one in `scripts/`.
    """
    file = HERE / "scripts" / script
    if "\n" in script:
        file = folder / "script.py"
        file.write_text(script)
    return run([str(python), str(file)], environment(studio, python, folder, **env), folder)


def run(words: list[str], env: dict[str, str], folder: Path) -> str:
    """Run a command of the client; return what it printed. Any warning of the client is a failure."""
    done = subprocess.run(words, env=env, cwd=folder, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr + done.stdout
    said = [line for line in (done.stderr + done.stdout).splitlines() if "WARNING" in line]
    assert [line for line in said if not any(own in line for own in _OWN)] == [], done.stderr + done.stdout
    return done.stdout
