"""PostgreSQL and Valkey for the tests, started when pytest loads this plugin and stopped when it leaves.

It is named by `-p tests.engines` in pyproject.toml, so that it runs before pytest-django reads the
settings. With DATABASE_URL or REDIS_URL set, those servers are used and only the rest is started. Workers
of pytest-xdist share the PostgreSQL, where each has a database of its own, and start a Valkey each: the
gateways' routes and the pools' users are the server's, and one worker's would overwrite the other's.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from studio.stack.engines import ROOT_HOME, Postgres, Valkey, prepare_postgres, prepare_valkey, wait_until
from studio.stack.programs import Program, signal_group, spawn_options

_PREFIX = "test-"
_started: list[tuple[subprocess.Popen[bytes], Program]] = []
_folders: list[Path] = []


def _new_home() -> Path:
    """A folder named after our process, so that the next tests can remove it when we were killed."""
    root = ROOT_HOME if os.geteuid() == 0 else Path(tempfile.gettempdir())
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    for stale in root.glob(f"{_PREFIX}[0-9]*-zaffre"):
        pid = int(stale.name.split("-")[1])
        if pid == os.getpid() or not psutil.pid_exists(pid):
            shutil.rmtree(stale, ignore_errors=True)
    home = root / f"{_PREFIX}{os.getpid()}-zaffre"
    home.mkdir(mode=0o755)
    _folders.append(home)
    return home


def _start(engine: Postgres | Valkey, home: Path) -> None:
    program = engine.program()
    with (home / f"{program.name}.log").open("wb") as log:
        options = spawn_options(program)
        child = subprocess.Popen(program.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
    _started.append((child, program))
    wait_until(engine.answers, seconds=240, alive=lambda: child.poll() is None, what=f"{program.name} ({home})")


def _stop() -> None:
    while _started:
        child, program = _started.pop()
        signal_group(child.pid, signal.SIGQUIT if program.name == "postgres" else signal.SIGKILL)
        child.wait()
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)


#: Set for workers when the engine that they inherit is one of ours.
_OUR_VALKEY = "ZAFFRE_TESTS_STARTED_VALKEY"
OUR_POSTGRES = "ZAFFRE_TESTS_STARTED_POSTGRES"


def _begin() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ and os.environ.get(_OUR_VALKEY):
        del os.environ["REDIS_URL"]
    # Tests start hundreds of interpreters: where compiled code is not kept, each compiles Django and what else it
    # imports anew, and pytest rewrites every test again. Images often forbid it; half of all the time went there.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ.setdefault("SECRET_KEY", "the tests' own secret, of no use to anyone else")
    missing = [name for name in ("DATABASE_URL", "REDIS_URL", "ZAFFRE_VAR") if not os.environ.get(name)]
    if not missing:
        return
    home = _new_home()
    atexit.register(_stop)
    if "ZAFFRE_VAR" in missing:
        os.environ["ZAFFRE_VAR"] = str(home / "var")
    if "DATABASE_URL" in missing:
        cluster = prepare_postgres(home / "postgres", durable=False)
        _start(cluster, home)
        os.environ["DATABASE_URL"] = cluster.url("postgres")
        os.environ[OUR_POSTGRES] = "1"
    if "REDIS_URL" in missing:
        server = prepare_valkey(home / "valkey", home / "valkey")
        _start(server, home)
        os.environ["REDIS_URL"] = server.url
        os.environ[_OUR_VALKEY] = "1"


_begin()

if __name__ == "__main__":  # `python -m tests.engines makemigrations --check`: a Django command with engines
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    execute_from_command_line(["manage.py", *sys.argv[1:]])
