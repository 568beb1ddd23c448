"""Looking through a board: who is let through at every request, and what passes."""

import re

import pytest
from django.contrib.sessions.models import Session

from runs.tensorboards import tickets
from runs.tensorboards.models import Board
from studio.kernel import credentials
from tests.kernel.asgi import Caller
from tests.runs.telemetry import ask
from tests.runs.tensorboards.conftest import EVENTS, WS, kept
from workspace.models import Membership


def opened(api, trained, join, fake):
    """A board that is ready, with the server behind it."""
    node, run = join("a"), trained()
    made = api("olga").post(f"{WS}/tensorboards", {"runs": [run.id]}, format="json").json()
    here = fake(made["id"])
    assert kept(node, here.ready(made["id"])) == [made["id"]]
    return made["id"], run, here, node


def src_on(page: str) -> str:
    """The address that the page gives to its frame."""
    found = re.search(r'data-src="([^"]*)"', page)
    assert found, page
    return found[1]


@pytest.fixture
async def ready(api, trained, join, fake):
    return await ask(lambda: opened(api, trained, join, fake))


@pytest.fixture
def page_of(browser):
    async def read(name: str, run, ws: str = "lab") -> str:
        client = await ask(lambda: browser(name))
        answer = await ask(lambda: client.get(f"/w/{ws}/runs/{run.id}/tensorboard"))
        assert answer.status_code == 200, answer.content
        return answer.content.decode()

    return read


async def test_a_reader_looks_through_the_address_of_the_page(app, ready, page_of):
    board, run, here, _ = ready
    src = src_on(await page_of("rio", run))
    assert src.startswith(f"/tb/lab/{board}/")
    here.answer_headers |= {"Set-Cookie": "sessionid=mine; Path=/", "Clear-Site-Data": "*", "Refresh": "0; url=/x"}
    visitor = Caller(app)  # no cookie comes from a frame without an origin
    first = await visitor.get(src, cookie="sessionid=secret", accept_encoding="gzip", x_forwarded_for="1.2.3.4")
    assert first.status == 200
    assert first.body.startswith(b"<!doctype html><html><head><script>")
    assert b"<title>T</title>" in first.body
    told = first.headers
    assert told["content-security-policy"].startswith("sandbox allow-scripts allow-downloads; default-src 'none'")
    assert "allow-same-origin" not in told["content-security-policy"]
    assert told["access-control-allow-origin"] == "null"
    assert told["referrer-policy"] == "no-referrer"
    assert not {"set-cookie", "clear-site-data", "refresh"} & set(told)
    data = await visitor.get(f"{src}data/plugin/scalars/tags?x=%22", authorization="", x_xsrf_protected="1")
    assert data.json() == {"path": "/data/plugin/scalars/tags?x=%22"}
    for one in here.asked:
        assert not {"cookie", "authorization", "x-forwarded-for", "origin", "referer"} & set(one["headers"])
        assert src not in str(one)
    assert here.asked[-1]["headers"]["x-xsrf-protected"] == "1"
    posted = await visitor.post(f"{src}data/plugin/timeseries/timeSeries", b"a=1")
    assert (posted.status, here.asked[-1]["method"], here.asked[-1]["body"]) == (200, "POST", "a=1")


async def test_a_preflight_and_methods_that_tensorboard_does_not_have(app, ready, page_of):
    _, run, here, _ = ready
    src = src_on(await page_of("rio", run))
    asked = await Caller(app).call("OPTIONS", f"{src}data/x", origin="null")
    assert asked.status == 204
    assert "x-xsrf-protected" in asked.headers["access-control-allow-headers"]
    for method in ("DELETE", "PUT", "PATCH"):
        assert (await Caller(app).call(method, f"{src}data/x")).status == 422
    assert here.asked == []


async def test_an_address_is_good_for_its_viewer_its_board_and_no_longer(app, ready, page_of, monkeypatch):
    board, run, here, _ = ready
    src = src_on(await page_of("rio", run))
    ticket = src.rstrip("/").rsplit("/", 1)[1]
    visitor = Caller(app)
    for other in ("x", ticket[:-2] + "zz", "A" * 200, "%00", "é"):
        assert (await visitor.get(f"/tb/lab/{board}/{other}/data/x")).status == 401
    assert (await visitor.get(f"/tb/lab/01M0000000000000000000000/{ticket}/")).status == 401
    assert (await visitor.get(f"/tb/den/{board}/{ticket}/")).status == 404
    assert here.asked == []
    monkeypatch.setattr(tickets.time, "time", lambda: 4e9)
    credentials.forget()
    assert (await visitor.get(src)).status == 401


@pytest.mark.parametrize("lost", ["log-out", "membership", "inactive"])
async def test_a_right_that_is_taken_away_ends_the_look(app, ready, page_of, people, lost):
    _, run, here, _ = ready
    src = src_on(await page_of("rio", run))
    assert (await Caller(app).get(f"{src}data/x")).status == 200

    def take() -> None:
        if lost == "log-out":
            Session.objects.all().delete()
        elif lost == "membership":
            Membership.objects.filter(user=people.rio).delete()
        else:
            type(people.rio).objects.filter(pk=people.rio.pk).update(is_active=False)
        credentials.forget()  # a second later

    await ask(take)
    seen = len(here.asked)
    assert (await Caller(app).get(f"{src}data/x")).status == (404 if lost == "membership" else 401)
    assert len(here.asked) == seen


async def test_programs_look_with_a_token_and_cookies_alone_do_not(app, ready, person, people):
    from workspace.accounts.services import create_token

    board, _, here, _ = ready

    def pats() -> dict[str, str]:
        names = ("rio", "mallory", "ada")
        return {name: create_token(actor=people.actor(name), name="t", days=1)[1] for name in names}

    tokens = await ask(pats)
    at = f"/tb/lab/{board}/-/data/runs"
    for name, status in (("rio", 200), ("mallory", 404), ("ada", 403)):
        caller = Caller(app, {"authorization": f"Bearer {tokens[name]}"})
        assert (await caller.get(at)).status == status, name
    assert "authorization" not in here.asked[-1]["headers"]
    assert (await person("rio").get(at)).status == 401
    assert (await Caller(app).get(at)).status == 401


async def test_a_board_that_is_not_there_says_so(app, ready, page_of, people):
    _, run, here, _ = ready
    src = src_on(await page_of("rio", run))
    visitor = Caller(app)
    await ask(lambda: Board.objects.update(state="starting", address=""))
    credentials.forget()
    assert (await visitor.get(src)).code == "not_ready"
    await ask(lambda: Board.objects.update(state="stopped"))
    credentials.forget()
    assert (await visitor.get(src)).code == "stopped"
    gone = f"unix:{here.folder}/s/gone.sock"
    await ask(lambda: Board.objects.update(state="ready", address=gone))
    credentials.forget()
    refused = await visitor.get(src)
    assert (refused.status, refused.headers["retry-after"]) == (503, "2")


async def test_looking_keeps_it_alive(app, ready, page_of, settings):
    from datetime import timedelta

    from django.utils import timezone

    from runs.tensorboards.services import opening
    from tests.runs.tensorboards.conftest import go

    _, run, _, _ = ready
    src = src_on(await page_of("rio", run))
    old = timezone.now() - timedelta(seconds=settings.TENSORBOARD_IDLE_SECONDS + 5)
    await ask(lambda: Board.objects.update(used=old))
    opening._noted.clear()
    assert (await Caller(app).get(src)).status == 200
    await ask(go)
    assert (await ask(Board.objects.get)).state == "ready"


async def test_a_second_origin_shows_boards_and_nothing_else(app, ready, page_of, settings, person):
    _, run, _, _ = ready
    settings.CONTENT_URL = "https://content.example"
    src = src_on(await page_of("rio", run))
    assert src.startswith("https://content.example/tb/lab/")
    path = src.removeprefix("https://content.example")
    assert (await Caller(app).get(path)).status == 404
    assert (await Caller(app).get(path, host="content.example")).status == 200
    for place in ("/login", f"{WS}/runs", f"/w/lab/runs/{run.id}"):
        assert (await person("rio").get(place, host="content.example")).status == 404


# --- pages -----------------------------------------------------------------------------------------------------


def test_the_tab_is_there_when_there_are_event_files(browser, trained):
    with_events, without = trained(), trained({"logs/a.txt": b"x"})
    rio = browser("rio")
    assert "TensorBoard" in rio.get(f"/w/lab/runs/{with_events.id}").content.decode()
    assert "TensorBoard" not in rio.get(f"/w/lab/runs/{without.id}").content.decode()
    assert "SummaryWriter" in rio.get(f"/w/lab/runs/{without.id}/tensorboard").content.decode()


def test_the_pages_from_open_to_stop(browser, trained, join):
    join("a")
    one, other = trained(), trained({EVENTS: b"other"})
    rio = browser("rio")
    tab = f"/w/lab/runs/{one.id}/tensorboard"
    page = rio.get(tab).content.decode()
    assert "Open TensorBoard" in page
    went = rio.post("/w/lab/tensorboard/open", {"run": one.id, "next": tab})
    assert (went.status_code, went["Location"]) == (302, tab)
    page = rio.get(tab).content.decode()
    assert "Build the environment" in page
    assert 'data-src=""' in page
    board = Board.objects.get()
    went = rio.post(f"/w/lab/tensorboard/{board.pk}/stop", {"next": "https://elsewhere.example/w/"})
    assert went["Location"] == "/w/lab/runs"
    assert "Open again" in rio.get(tab).content.decode()
    went = rio.post("/w/lab/tensorboard/open", {"run": [one.id, other.id]})
    assert went["Location"] == f"/w/lab/tensorboard?run={one.id}&run={other.id}"
    shown = rio.get(went["Location"])
    assert shown.status_code == 200
    assert "2 runs" in shown.content.decode()
    live = Board.objects.get(state="starting")
    assert rio.post(f"/w/lab/tensorboard/{live.pk}/seen").status_code == 204


def test_compared_runs_go_to_one_board(browser, trained):
    one, other, without = trained(), trained(), trained({})
    rio = browser("rio")
    page = rio.get(f"/w/lab/compare?run={one.id}&run={other.id}").content.decode()
    form = re.search(r'<form method="get" action="/w/lab/tensorboard">(.*?)</form>', page)
    assert form
    assert re.findall(r'value="(\w+)"', form[1]) == [one.id, other.id]
    page = rio.get(f"/w/lab/compare?run={without.id}&run={trained({}).id}").content.decode()
    assert "/w/lab/tensorboard" not in page


def test_pages_are_closed_to_strangers(browser, trained, join):
    join("a")
    run = trained()
    for name, status in (("mallory", 404), ("ada", 403)):
        client = browser(name)
        assert client.get(f"/w/lab/runs/{run.id}/tensorboard").status_code == status
        assert client.get(f"/w/lab/tensorboard?run={run.id}").status_code == status
        assert client.post("/w/lab/tensorboard/open", {"run": run.id}).status_code == status
    assert browser("mallory").get(f"/w/den/tensorboard?run={run.id}").status_code == 404
    assert not Board.objects.exists()


def test_what_a_node_says_is_text(browser, api, trained, join):
    node, run = join("a"), trained()
    made = api("rio").post(f"{WS}/tensorboards", {"runs": [run.id]}, format="json").json()
    evil = "<script>alert(1)</script>"
    kept(node, {"id": made["id"], "state": "failed", "reason": evil, "log_tail": evil})
    page = browser("rio").get(f"/w/lab/runs/{run.id}/tensorboard").content.decode()
    assert evil not in page
    assert "&lt;script&gt;" in page
