"""The table as a browser gets it: the frame first, then the rows, in one compressed stream."""

import asyncio
import gzip
import zlib
from collections.abc import Callable

from runs.tables import finding
from studio.kernel.errors import Unavailable
from studio.shell import queries as frames
from tests.kernel.asgi import Answer, Caller

EXPERIMENT = "/w/lab/experiments/digits"


def enter(app, client, path: str, **headers: str) -> Answer:
    cookie = "; ".join(f"{key}={one.coded_value}" for key, one in client.cookies.items())
    return asyncio.run(Caller(app, {"cookie": cookie}).get(path, **headers))


def test_head_and_frame_are_readable_before_what_comes_after_them_is_asked_for(filled, app, browser):
    filled("the only one", loss=0.5)
    answer = enter(app, browser("rio"), EXPERIMENT, accept_encoding="gzip")
    assert answer.status == 200 and answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"].lower()
    reading = zlib.decompressobj(wbits=31)
    head, frame = (reading.decompress(part).decode() for part in answer.parts[:2])
    assert "<title>digits" in head and "<script" in head
    assert "<main" not in head and "the only one" not in head
    assert 'href="/w/lab/compute"' in frame and "<main" in frame and "the only one" not in frame
    page = gzip.decompress(answer.body).decode()
    assert page.count("the only one") > 1 and page.count("<main") == page.count("</main>") == 1
    assert page.rstrip().endswith("</html>")


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_it_is_the_page_that_comes_at_once(filled, app, browser):
    filled("the only one", loss=0.5)
    answer = enter(app, browser("rio"), EXPERIMENT)
    assert "content-encoding" not in answer.headers
    whole, late = browser("rio").get(EXPERIMENT).content.decode(), answer.body.decode()
    # But for what stands in forms against forgery, which is masked anew each time.
    assert _without_tokens(late) == _without_tokens(whole)


def test_a_mistake_in_the_filter_still_decides_the_status(filled, app, browser):
    filled("the only one", loss=0.5)
    assert enter(app, browser("rio"), EXPERIMENT + "?filter=nonsense%20%3D").status == 422


def test_what_fails_after_the_frame_is_said_in_its_place(filled, app, browser, monkeypatch):
    filled("the only one", loss=0.5)
    monkeypatch.setattr(finding, "find", failing(RuntimeError("a secret of the studio")))
    page = enter(app, browser("rio"), EXPERIMENT).body.decode()
    assert "This part of the page failed" in page and "a secret" not in page and page.rstrip().endswith("</html>")


def test_a_frame_that_fails_is_said_after_the_head(filled, app, browser, monkeypatch):
    filled("the only one", loss=0.5)
    monkeypatch.setattr(frames, "counts", failing(Unavailable("The database is not answering right now.")))
    page = enter(app, browser("rio"), EXPERIMENT).body.decode()
    assert "<title>digits" in page and "is not answering" in page and "the only one" not in page
    assert page.rstrip().endswith("</html>")


def test_cookies_of_the_frame_are_settled_with_the_head(filled, app, browser):
    filled("the only one", loss=0.5)
    carl = browser("carl")
    carl.post("/w/lab/views", {"name": "mine", "query": "", "experiment": "digits"})
    assert "messages" in carl.cookies
    answer = enter(app, carl, EXPERIMENT)
    assert answer.body.decode().count("The view was saved.") == 1
    assert 'messages=""' in answer.headers["set-cookie"] and "csrftoken=" in answer.headers["set-cookie"]


def _without_tokens(page: str) -> list[str]:
    lines = [line.strip() for line in page.splitlines() if "csrf" not in line.lower()]
    return [line for line in lines if line]
