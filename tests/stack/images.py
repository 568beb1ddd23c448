"""An image that a real container engine runs, made from this machine's Python: no registry is asked."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import urllib3

NAME = "localhost/zaffre-test:1"
_NEEDLESS = {"test", "tests", "site-packages", "__pycache__", "idlelib", "ensurepip", "tkinter", "lib2to3"}
#: Lower than what an engine would give by itself, which not every machine lets it.
_MODEST = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")


def why_not(engine: str) -> str:
    """Why this engine runs no image here; "" when it does, and then it has NAME."""
    if shutil.which(engine) is None:
        return f"{engine} is not installed"
    told = subprocess.run([engine, "info"], capture_output=True, text=True)
    if told.returncode:
        return f"{engine} does not answer: {_last_line(told.stderr)}"
    with subprocess.Popen([engine, "import", "-", NAME], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as made:
        assert made.stdin is not None
        with tarfile.open(fileobj=made.stdin, mode="w|") as tar:
            _fill(tar)
        made.stdin.close()
    words = [engine, "run", "--rm", "--init", "--network", "host", *_MODEST]
    words += ["--cgroups", "disabled"] if engine == "podman" else []
    tried = subprocess.run([*words, NAME, "python", "-c", "import urllib3"], capture_output=True, text=True)
    return f"{engine} runs nothing here: {_last_line(tried.stderr)}" if tried.returncode else ""


def forget(engine: str) -> None:
    subprocess.run([engine, "rmi", "--force", NAME], capture_output=True)


def containers(engine: str) -> list[str]:
    """The names of all containers, also of those that do not run."""
    said = subprocess.run([engine, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True)
    return said.stdout.split()


def _fill(tar: tarfile.TarFile) -> None:
    python, library = Path(os.path.realpath(sys.executable)), Path(sysconfig.get_paths()["stdlib"])
    tar.add(library, library.relative_to("/"), filter=_needed)
    packages = (library / "site-packages").relative_to("/")
    tar.add(Path(urllib3.__file__).parent, packages / "urllib3", filter=lambda one: one)
    programs = {python: python, Path("/usr/bin/python"): python, Path("/bin/sh"): Path("/bin/sh").resolve()}
    needed = {file for one in [*programs.values(), *library.glob("lib-dynload/*.so")] for file in _libraries(one)}
    for place, file in {**programs, **{file: file.resolve() for file in needed}}.items():
        tar.add(file, place.relative_to("/"))
    for name in ("tmp", "etc", "proc", "dev", "sys"):
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        tar.addfile(folder)


def _needed(one: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if _NEEDLESS & set(one.name.split("/")) else one


def _libraries(program: Path) -> list[Path]:
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", said)]


def _last_line(text: str) -> str:
    return ([line for line in text.splitlines() if line.strip()] or ["it said nothing"])[-1]
