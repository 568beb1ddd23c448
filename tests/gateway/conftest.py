"""A gateway in this process, before scoring servers that are processes of their own."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings

from studio.gateway import wire
from studio.gateway.app import Gateway
from tests.kernel.asgi import Caller
from tests.serve.conftest import Server, start

__all__ = ["start"]
KEY, OTHER_KEY = "zaf_ept_primary", "zaf_ept_secondary"
ECHO = """
import json, os
from zaffre.serve import AMLResponse, rawhttp

def init():
    pass

@rawhttp
def run(request):
    seen = {"body": request.data.decode(), "headers": dict(request.headers), "query": request.args, "pid": os.getpid()}
    answer = AMLResponse(json.dumps(seen), 200)
    for name, value in json.loads(request.headers.get("x-answer", "{}")).items():
        answer.add_header(name, value)
    return answer
"""


async def eventually(check: Callable[[], Any], seconds: float = 240.0) -> None:
    """Return as soon as `check()`, a function or a coroutine function, says true."""
    async with asyncio.timeout(seconds):
        while True:
            found = check()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.02)


@dataclass
class Board:
    """What the studio publishes."""

    client: "redis.Redis"
    endpoints: dict[str, wire.Endpoint] = field(default_factory=dict)

    def put(
        self, *servers: Any, name: str = "lab/digits", keys: tuple[str, ...] = (KEY, OTHER_KEY), note: str = ""
    ) -> str:
        addresses = [one if isinstance(one, str) else f"unix:{one.socket}" for one in servers]
        replicas = tuple(wire.Replica(f"R{at}-{address}", address) for at, address in enumerate(addresses))
        lanes = (wire.Deployment(1, 100, replicas),)
        self.endpoints[name] = wire.Endpoint(tuple(map(wire.key_hash, keys)), lanes, note)
        return self.publish()

    def publish(self, *, bell: bool = True) -> str:
        routes = wire.make(self.endpoints)
        self.client.hset(wire.ROUTES_KEY, mapping={"version": routes.version, "body": wire.encode(routes)})
        if bell:
            self.client.publish(wire.ROUTES_BELL, routes.version)
        return routes.version


@pytest.fixture
def board() -> Any:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(wire.ROUTES_KEY)
        yield Board(client)
        client.delete(wire.ROUTES_KEY)


@dataclass
class Door:
    """The gateway as its callers see it."""

    gateway: Gateway

    async def score(self, body: Any = None, at: str = "/score/lab/digits", key: str = KEY, **headers: str) -> Any:
        told = {"authorization": f"Bearer {key}"} if key else {}
        return await Caller(self.gateway, told).post(at, body if body is not None else {"data": 1}, **headers)

    async def call(self, method: str, path: str, body: Any = b"", key: str = KEY, **headers: str) -> Any:
        told = {"authorization": f"Bearer {key}"} if key else {}
        return await Caller(self.gateway, told).call(method, path, body, **headers)

    async def until(self, status: int, seconds: float = 240.0, **more: Any) -> Any:
        """The first answer with this status."""
        answers: list[Any] = []

        async def there() -> bool:
            answers.append(await self.score(**more))
            return bool(answers[-1].status == status)

        await eventually(there, seconds)
        return answers[-1]


@pytest.fixture
async def gate(board: Board, tmp_path: Path) -> AsyncIterator[Callable[..., Door]]:
    """`gate()` makes a gateway; everything is stopped at the end."""
    made: list[Gateway] = []

    def make(**options: Any) -> Door:
        given = {"redis_url": settings.REDIS_URL, "copy": tmp_path / "run" / "routes.json", **options}
        made.append(Gateway(**given))
        return Door(made[-1])

    yield make
    for one in made:
        await one.stop()


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """The address of a Redis that is not there."""
    return f"unix://{tmp_path}/{uuid.uuid4().hex}.sock"


@contextlib.contextmanager
def frozen(server: Server) -> Any:
    """The server's process stands still meanwhile."""
    import signal

    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)
