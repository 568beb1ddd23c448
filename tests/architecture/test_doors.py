"""Every door, those of tomorrow too: closed to visitors, and asking for work that somebody does."""

import ast
import asyncio
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from studio.asgi import application, router
from studio.celery import app as control
from studio.urls import ROOMS as COLLECTED
from studio.urls import collect
from tests.architecture.sources import ROOMS, calls, python, words_given
from tests.kernel.asgi import Caller
from zaffre.protocol import SYNC_TASK, WAKE_TASK

#: What a visitor may see, and why.
OPEN = {
    "healthz",  # machines ask whether the process lives
    "readyz",
    "login",
}
#: MLflow's clients ask these before they send a credential; the answers are the same for every workspace.
OPEN_RAW = {
    "/mlflow/<ws>/health",
    "/mlflow/<ws>/version",
    "/mlflow/<ws>/api/3.0/mlflow/server-info",
    "/mlflow/<ws>/ajax-api/3.0/mlflow/server-info",
}
WORDS = {"str": "x", "int": "1", "path": "x/y", "slug": "x", "uuid": "0" * 8 + "-0000-4000-8000-" + "0" * 12}


def _routes(patterns: list[object], prefix: str = "") -> Iterator[str]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _routes(one.url_patterns, prefix + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield prefix + str(one.pattern)


def _address(route: str) -> str:
    return "/" + re.sub(r"<(?:(\w+):)?\w+>", lambda found: WORDS[found[1] or "str"], route)


ROUTES = sorted(set(_routes(get_resolver().url_patterns)))


def test_there_are_routes_to_look_at():
    assert len(ROUTES) > 60
    assert len(collect("hot_routes")) > 10


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_no_page_and_no_json_for_visitors(method):
    client, opened = Client(), []
    for route in ROUTES:
        if route in OPEN:
            continue
        answer = getattr(client, method)(_address(route), content_type="application/json")
        to_login = answer.status_code == 302 and answer["Location"].startswith("/login")
        if not to_login and answer.status_code not in {401, 403, 404, 405}:
            opened.append((route, answer.status_code))
        if route.startswith(("api/", "agent/")) and answer.status_code not in {401, 405}:
            opened.append((route, answer.status_code))
    assert opened == []


@pytest.mark.django_db(transaction=True)
def test_no_raw_door_is_open_to_visitors():
    async def ask() -> list[tuple[str, int]]:
        opened = []
        for route in collect("hot_routes"):
            path = re.sub(r"<(?:path:)?\w+>", "x", route.path)
            assert router.match(route.method, path) is not None
            answer = await Caller(application).call(route.method, path, b"{}")
            # An address that is a right in itself: one that nobody sealed is none.
            refused = 403 if route.path.endswith("/<sealed>") else 401
            if answer.status != refused and route.path not in OPEN_RAW:
                opened.append((route.path, answer.status))
        return opened

    assert asyncio.run(ask()) == []


@pytest.mark.django_db(transaction=True)
def test_no_socket_is_open_to_visitors():
    async def ask(path: str) -> int:
        async with Caller(application).socket(path) as socket:
            return (await socket.until("closed"))["code"]

    for route in collect("live_routes"):
        path = "/" + re.sub(r"<(?:\w+:)?\w+>", "x", str(route.pattern))
        assert asyncio.run(ask(path)) == 4401, path


def _asked(function: str) -> dict[str, str]:
    """{task: where} of all calls of `enqueue` or `hint_pool`; a task that cannot be read off the code is "?"."""
    found = {}
    for name, module in python(*ROOMS, "studio"):
        for call in calls(module, function):
            given = words_given(module, call) if function == "enqueue" else words_given(module, _without_first(call))
            found |= dict.fromkeys(given or ["?"], f"{name}:{call.lineno}")
    return found


def _without_first(call: ast.Call) -> ast.Call:
    return ast.Call(call.func, call.args[1:], call.keywords)


def test_every_enqueued_task_is_one_that_the_worker_knows():
    control.loader.import_default_modules()
    asked = _asked("enqueue")
    assert len(asked) >= 3
    assert {task: where for task, where in asked.items() if task not in control.tasks} == {}


def test_every_hint_is_one_that_nodes_know():
    asked = _asked("hint_pool")
    assert {task: where for task, where in asked.items() if task not in {WAKE_TASK, SYNC_TASK}} == {}
    assert set(asked) == {WAKE_TASK, SYNC_TASK}


def test_what_is_not_built_has_no_address():
    """The original's other parts come one by one, each with its room. Until then nothing answers in their place."""
    unbuilt = re.compile(r"(?:^|/)(?:nb|notebooks?|pipelines?|sweeps?|automl|designer|label\w*)(?:/|$)")
    rooms = {"/".join(Path(name).parts[:2]) for name, _ in python(*ROOMS, "studio")}
    everything = [
        *ROUTES,
        *(route.path for route in collect("hot_routes")),
        *(str(one.pattern) for one in collect("live_routes")),
    ]
    assert [place for place in [*rooms, *everything] if unbuilt.search(place)] == []


def test_every_room_with_addresses_is_asked_for_them():
    """A room's urls.py that studio/urls.py does not name would be dead, and no test of doors would see it."""
    rooms = {
        name.removesuffix("/urls.py").replace("/", ".")
        for name, _ in python(*ROOMS, "studio")
        if name.endswith("/urls.py")
    }
    assert rooms - {"studio"} == set(COLLECTED)
    lists = {"pages", "api_routes", "agent_routes", "live_routes", "hot_routes"}
    for room in COLLECTED:
        held = vars(import_module(f"{room}.urls"))
        assert {name for name, value in held.items() if isinstance(value, list) and not name.startswith("_")} <= lists
