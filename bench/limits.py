"""What the machine itself can do: the ceiling of each kind of work, measured in the same run."""

import contextlib
import hashlib
import os
import socket
import statistics
import threading
import time
from pathlib import Path

import psycopg
import redis

SECONDS = 1.5


def commits(url: str) -> float:
    """Durable single-row commits a second, one connection."""
    with psycopg.connect(url, autocommit=True) as line:
        line.execute("CREATE TABLE IF NOT EXISTS one_row (id bigserial PRIMARY KEY, value float8)")
        return _repeated(lambda: line.execute("INSERT INTO one_row (value) VALUES (%s)", [1.5]))


def chunks(url: str, points: int = 1000) -> float:
    """Points a second when each durable commit inserts one bytea of 1000 points."""
    data = os.urandom(24 * points)
    with psycopg.connect(url, autocommit=True) as line:
        line.execute("CREATE TABLE IF NOT EXISTS chunk (id bigserial PRIMARY KEY, data bytea)")
        return points * _repeated(lambda: line.execute("INSERT INTO chunk (data) VALUES (%b)", [data]))


def loopback() -> float:
    """MB/s through one TCP connection of this host."""
    piece = bytes(1 << 20)
    with socket.create_server(("127.0.0.1", 0)) as server:
        taker = threading.Thread(target=_swallow, args=(server,), daemon=True)
        taker.start()
        with socket.create_connection(server.getsockname()) as line:
            rate = _repeated(lambda: line.sendall(piece))
    taker.join(10)
    return rate * len(piece) / 1e6


def _swallow(server: socket.socket) -> None:
    line, _ = server.accept()
    with line, contextlib.suppress(OSError):
        held = bytearray(1 << 20)
        while line.recv_into(held):
            pass


def hashing() -> float:
    """MB/s of SHA-256 in one thread."""
    piece = os.urandom(1 << 20)
    digest = hashlib.sha256()
    return _repeated(lambda: digest.update(piece)) * len(piece) / 1e6


def writing(folder: Path) -> float:
    """MB/s into one new file, with fsync at its end."""
    piece, count, file = os.urandom(1 << 20), 128, folder / "limit"
    begin = time.perf_counter()
    with file.open("wb") as out:
        for _ in range(count):
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    took = time.perf_counter() - begin
    file.unlink()
    return count * len(piece) / 1e6 / took


def publishing(url: str) -> float:
    """Milliseconds from publishing in Valkey to a subscriber, median."""
    client = redis.Redis.from_url(url)
    listener = client.pubsub()
    listener.subscribe("limit")
    listener.get_message(timeout=5)
    took = []
    for _ in range(300):
        begin = time.perf_counter()
        client.publish("limit", b"x" * 100)
        while listener.get_message(timeout=5) is None:
            pass
        took.append(time.perf_counter() - begin)
    listener.close()
    client.close()
    return statistics.median(took) * 1e3


def _repeated(work: object) -> float:
    assert callable(work)
    done, begin = 0, time.perf_counter()
    while (now := time.perf_counter()) - begin < SECONDS:
        work()
        done += 1
    return done / (now - begin)
