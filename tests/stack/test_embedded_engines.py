"""The embedded engines after crashes, and what they say when they cannot start."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from studio.stack import engines
from studio.stack.engines import Postgres, Valkey, prepare_postgres, prepare_valkey, wait_until
from studio.stack.programs import StackError, signal_group, spawn_options


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the unprivileged account can reach, as pytest's own cannot when we are root."""
    root = engines.ROOT_HOME if os.geteuid() == 0 else Path(tempfile.gettempdir())
    folder = root / f"test-{os.getpid()}-{os.urandom(3).hex()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def running() -> Iterator[list["subprocess.Popen[bytes]"]]:
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for child in found:
        signal_group(child.pid, signal.SIGKILL)
        child.wait()


def start(engine: Postgres | Valkey, running: list["subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    program = engine.program()
    child = subprocess.Popen(
        program.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **spawn_options(program),
    )
    running.append(child)
    wait_until(engine.answers, seconds=60, alive=lambda: child.poll() is None, what=program.name)
    return child


def test_a_killed_cluster_starts_again_with_its_data(home, running):
    cluster = prepare_postgres(home)
    child = start(cluster, running)
    cluster.make_database()
    cluster.make_database()  # the second time is harmless
    with psycopg.connect(cluster.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    start(prepare_postgres(home), running)
    with psycopg.connect(cluster.url()) as connection:
        assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)


def test_a_lock_file_whose_number_now_belongs_to_another_process_is_no_obstacle(home, running):
    cluster = prepare_postgres(home)
    lock = cluster.data / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{cluster.data}\n")
    start(prepare_postgres(home), running)
    assert lock.read_text().split()[0] != str(os.getpid())


def test_a_server_that_survived_a_crash_is_stopped_first(home, running):
    cluster = prepare_postgres(home)
    survivor = start(cluster, running)
    again = prepare_postgres(home)
    assert survivor.wait(timeout=30) == 0
    start(again, running)


def test_a_half_made_cluster_is_made_anew(home, running):
    cluster = prepare_postgres(home)
    shutil.move(cluster.data, home / "making-1")
    (home / "making-1" / "PG_VERSION").unlink()
    start(prepare_postgres(home), running)
    assert not (home / "making-1").exists()


def test_a_cluster_of_another_version_is_explained(home):
    cluster = prepare_postgres(home)
    (cluster.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(StackError, match=r"made by PostgreSQL 12.*DATABASE_URL"):
        prepare_postgres(home)


def test_foreign_files_in_the_place_of_a_cluster_are_left_alone(home):
    cluster = prepare_postgres(home)
    (cluster.data / "PG_VERSION").unlink()
    with pytest.raises(StackError, match="is not empty"):
        prepare_postgres(home)
    assert (cluster.data / "postgresql.conf").exists()


def test_nobody_but_the_studio_can_reach_the_socket(home, running):
    cluster = prepare_postgres(home)
    start(cluster, running)
    assert home.stat().st_mode & 0o777 == 0o700
    assert cluster.sockets.stat().st_mode & 0o777 == 0o700
    with psycopg.connect(cluster.url("postgres")) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
def test_binaries_that_the_account_cannot_read_are_copied(home, running, monkeypatch, tmp_path):
    found = engines.postgres_binaries()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = found.parent.parent
    (closed / package.name).mkdir()
    (closed / package.name / found.parent.name).symlink_to(found.parent)
    monkeypatch.setattr(engines, "postgres_binaries", lambda: closed / found.relative_to(package.parent))
    monkeypatch.setattr(engines, "ROOT_HOME", home)
    home.mkdir(mode=0o755)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        (closed / libraries.name).symlink_to(libraries)
    cluster = prepare_postgres(home / "cluster")
    assert cluster.bin.is_relative_to(home / "engines")
    start(cluster, running)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert prepare_postgres(home / "cluster").bin == cluster.bin


def test_without_any_postgres_the_ways_out_are_named(monkeypatch):
    monkeypatch.setattr(engines, "_wheel_folder", lambda package: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(engines, "Path", lambda text: Path("/nonexistent") if "postgresql" in str(text) else Path(text))
    with pytest.raises(StackError, match=r"make up.*DATABASE_URL"):
        engines.postgres_binaries()
    with pytest.raises(StackError, match=r"make up.*REDIS_URL"):
        engines.valkey_binary()


def test_a_killed_valkey_keeps_what_it_had_written(tmp_path, running):
    place = engines.socket_folder(tmp_path)
    server = prepare_valkey(tmp_path / "valkey", place)
    child = start(server, running)
    with pytest.raises(StackError, match="still answers"):
        prepare_valkey(tmp_path / "valkey", place)
    assert server.socket.stat().st_mode & 0o777 == 0o700
    assert _ask(server, b"SET kept 7") == b"+OK\r\n"
    assert _ask(server, b"ACL SETUSER pool-1 on >secret ~zaffre:pool:1:* +@all") == b"+OK\r\n"
    assert _ask(server, b"ACL SAVE") == b"+OK\r\n"
    child.send_signal(signal.SIGTERM)
    child.wait(timeout=30)
    start(prepare_valkey(tmp_path / "valkey", place), running)
    assert _ask(server, b"GET kept") == b"$1\r\n7\r\n"
    assert b"pool-1" in _ask(server, b"ACL USERS")


def _ask(server: Valkey, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(10)
        wire.connect(str(server.socket))
        wire.sendall(line + b"\r\n")
        return wire.recv(4096)


def test_a_deep_folder_gets_its_sockets_elsewhere(tmp_path):
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    place = engines.socket_folder(deep)
    assert len(str(place / ".s.PGSQL.5432")) <= engines.SOCKET_PATH_LIMIT
    assert place.stat().st_mode & 0o777 == 0o700
    assert engines.socket_folder(deep) == place
    assert engines.socket_folder(tmp_path / ("a" * 60) / ("c" * 60)) != place
