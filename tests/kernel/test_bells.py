"""Frames from the commit threads: none is encoded for nobody, and who listens gets the last word."""

import time

import pytest

from studio.kernel import bells
from studio.kernel.events import LIVE_PREFIX, client


@pytest.fixture
def ears():
    with client().pubsub() as listener:
        yield listener


def test_without_a_listener_few_are_encoded_and_the_last_one_always(monkeypatch):
    monkeypatch.setattr(bells, "HOLD", 2.0)  # a moment that a busy machine keeps
    made: list[int] = []

    def frame(number: int):
        return lambda: made.append(number) or b"x"

    for number in range(300):
        bells.ring_soon("nobody.here", "points", frame(number))
    deadline = time.monotonic() + 20
    while 299 not in made and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made[-1] == 299 and len(made) < 300
    assert made == sorted(made)


def test_a_listener_gets_each_frame_in_its_order(ears):
    ears.subscribe(f"{LIVE_PREFIX}somebody.here")
    assert ears.get_message(timeout=10)["type"] == "subscribe"
    sent = [b"%d" % number for number in range(200)]
    for word in sent:
        bells.ring_soon("somebody.here", "points", lambda word=word: word)
    heard: list[bytes] = []
    deadline = time.monotonic() + 20
    while len(heard) < len(sent) and time.monotonic() < deadline:
        if message := ears.get_message(timeout=1):
            heard.append(message["data"])
    assert heard == sent
