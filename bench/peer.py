"""The peers, pinned, each in an environment of its own that later runs find again."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCKED = Path(__file__).parent / "requirements"
UV = Path(sys.executable).parent / "uv"


def installed(name: str) -> Path:
    """The folder of the environment that has what `requirements/<name>.txt` says; made on the first call."""
    locked = LOCKED / f"{name}.txt"
    mark = hashlib.sha256(locked.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zaffre-bench"
    folder = cache / f"{name}-{mark}-py{sys.version_info.major}{sys.version_info.minor}"
    if not (folder / "whole").exists():
        print(f"The peer {name} is installed into {folder}, once …", flush=True)
        env = os.environ | ({"UV_FIND_LINKS": links} if (links := _find_links()) else {})
        made = ["--compile-bytecode", "--python", str(folder / "bin" / "python")]
        for words in (
            ["venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            ["pip", "install", "--quiet", *made, "-r", str(locked)],
        ):
            subprocess.run([str(UV), *words], env=env, check=True, timeout=1800)
        (folder / "whole").touch()
    return folder


def _find_links() -> str:
    """The folders of wheels that this machine's pip looks into: uv does not read pip's configuration."""
    if found := os.environ.get("PIP_FIND_LINKS"):
        return ",".join(found.split())
    pip = shutil.which("pip") or shutil.which("pip3")
    if pip is None:
        return ""
    told = subprocess.run([pip, "config", "get", "global.find-links"], capture_output=True, text=True, timeout=60)
    return ",".join(told.stdout.split()) if told.returncode == 0 else ""
