"""The table as a browser gets it: the frame first, then the rows, in one compressed stream."""

import asyncio
import gzip
import zlib

from runs.tables import finding
from tests.kernel.asgi import Answer, Caller

EXPERIMENT = "/w/lab/experiments/digits"


def enter(app, browser, path: str, **headers: str) -> Answer:
    cookie = "; ".join(f"{key}={one.value}" for key, one in browser("rio").cookies.items())
    return asyncio.run(Caller(app, {"cookie": cookie}).get(path, **headers))


def test_the_frame_is_readable_before_the_rows_are_asked_for(filled, app, browser):
    filled("the only one", loss=0.5)
    answer = enter(app, browser, EXPERIMENT, accept_encoding="gzip")
    assert answer.status == 200 and answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"].lower()
    reading = zlib.decompressobj(wbits=31)
    first = reading.decompress(answer.parts[0]).decode()
    assert "<title>" in first and 'href="/w/lab/compute"' in first and "the only one" not in first
    page = gzip.decompress(answer.body).decode()
    assert page.count("the only one") > 1 and page.count("<main") == page.count("</main>") == 1
    assert page.rstrip().endswith("</html>")


def test_it_is_the_page_that_comes_at_once(filled, app, browser):
    filled("the only one", loss=0.5)
    answer = enter(app, browser, EXPERIMENT)
    assert "content-encoding" not in answer.headers
    whole, late = browser("rio").get(EXPERIMENT).content.decode(), answer.body.decode()
    # But for what stands in forms against forgery, which is masked anew each time.
    assert _without_tokens(late) == _without_tokens(whole)


def test_a_mistake_in_the_filter_still_decides_the_status(filled, app, browser):
    filled("the only one", loss=0.5)
    assert enter(app, browser, EXPERIMENT + "?filter=nonsense%20%3D").status == 422


def test_what_fails_after_the_frame_is_said_in_its_place(filled, app, browser, monkeypatch):
    filled("the only one", loss=0.5)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the studio")

    monkeypatch.setattr(finding, "find", fail)
    page = enter(app, browser, EXPERIMENT).body.decode()
    assert "This part of the page failed" in page and "a secret" not in page and page.rstrip().endswith("</html>")


def _without_tokens(page: str) -> list[str]:
    lines = [line.strip() for line in page.splitlines() if "csrf" not in line.lower()]
    return [line for line in lines if line]
