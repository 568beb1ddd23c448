"""A database that is away is told as what it is, on pages as on the JSON door: 503, and when to come again."""

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.db import InterfaceError, OperationalError


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("path", ["/w/lab/runs", "/api/v1/me", "/"])
def test_a_request_while_the_database_is_away(lab, browser, monkeypatch, error, path):
    olga = browser("olga")

    def away(*_: object) -> None:
        raise error("the connection is closed")

    monkeypatch.setattr(SessionBase, "_get_session", away)
    monkeypatch.setattr(SessionBase, "_session", property(away))
    olga.raise_request_exception = False
    answer = olga.get(path)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "2")
