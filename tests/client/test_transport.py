"""Repeats are safe and end, refusals say what to do, and a token goes nowhere else."""

import time

import pytest

from tests.client.studio import TOKEN, Reply, W, _refuse
from zaffre.errors import Forbidden, Invalid, NotFound, TooMany, Unauthenticated, Unreachable
from zaffre.transport import Client


@pytest.fixture
def client(studio):
    return Client(studio.url, TOKEN, patience=5)


@pytest.mark.parametrize("fault", [Reply(cut=True), Reply(503, {}), Reply(502, b"<html>"), Reply(429, {})])
def test_a_post_is_repeated_with_the_same_key_and_body(studio, client, fault):
    studio.next(f"POST {W}/datasets", fault, fault)
    client.post(f"{W}/datasets", {"name": "a", "files": []})
    calls = studio.asked("POST", f"{W}/datasets")
    assert len(calls) == 3
    assert len({(call.headers["idempotency-key"], call.body) for call in calls}) == 1
    client.post(f"{W}/datasets", {"name": "a", "files": []})
    assert studio.calls[-1].headers["idempotency-key"] != calls[0].headers["idempotency-key"]


def test_what_may_not_be_repeated_is_asked_once(studio, client):
    studio.next(f"POST {W}/datasets", Reply(cut=True))
    with pytest.raises(Unreachable):
        client.call("POST", f"{W}/datasets", {"name": "a", "files": []}, repeat=False)
    assert len(studio.asked("POST", f"{W}/datasets")) == 1


def test_retry_after_is_waited_for(studio, client):
    studio.next(f"GET {W}", Reply(503, {}, {"Retry-After": "1"}))
    begun = time.monotonic()
    client.get(W)
    assert time.monotonic() - begun >= 0.9


def test_patience_ends(studio):
    client = Client(studio.url, TOKEN, patience=0.5)
    studio.next(f"GET {W}", *[_refuse(429, "too_many", "Slowly.")] * 50)
    with pytest.raises(TooMany, match="Slowly"):
        client.get(W)
    assert len(studio.asked("GET", W)) < 50


def test_a_studio_that_is_not_there_is_named(studio):
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9 cannot be reached.*refused") as told:
        Client("http://127.0.0.1:9", TOKEN, patience=0.1).get(W)
    assert TOKEN not in f"{told.value!r} {told.value}"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthenticated), (403, Forbidden), (404, NotFound), (422, Invalid), (400, Invalid)]
)
def test_a_refusal_has_its_kind_code_and_hint(studio, client, status, kind):
    told = {"code": "so", "message": "No.", "hint": "Do this.", "details": {"a": 1}}
    studio.next(f"GET {W}", Reply(status, {"error": told}))
    with pytest.raises(kind) as raised:
        client.get(W)
    more = f" Log in again: zaffre login {studio.url}" if status == 401 else ""
    assert (raised.value.status, raised.value.code, raised.value.hint) == (status, "so", f"Do this.{more}")
    assert str(raised.value) == f"No. Do this.{more}"
    assert len(studio.calls) == 1


def test_a_redirect_is_not_followed(studio, client):
    studio.next(f"GET {W}", Reply(302, {}, {"Location": "https://elsewhere.example/login?next=secret"}))
    with pytest.raises(Unreachable, match=r"https://elsewhere\.example") as raised:
        client.get(W)
    assert "secret" not in str(raised.value)


def test_an_answer_that_is_no_json_names_the_proxy(studio, client):
    studio.next(f"GET {W}", Reply(200, b"<html>captive portal"))
    with pytest.raises(Unreachable, match="proxy"):
        client.get(W)


def test_what_a_scoring_script_raised_is_told_as_it_is(studio, client):
    studio.next("POST /score/main/x", Reply(500, {"message": "An error occurred in the scoring script."}))
    with pytest.raises(Unreachable) as raised:
        client.call("POST", "/score/main/x", {}, repeat=False)
    assert str(raised.value) == "An error occurred in the scoring script."
    assert len(studio.calls) == 1


def test_a_client_does_not_show_its_token():
    assert TOKEN not in repr(Client("http://x", TOKEN))


def test_the_certificate_of_a_studio_is_checked(tmp_path):
    import ssl
    import subprocess
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    made = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    if subprocess.run(["openssl", *words, *made], capture_output=True).returncode:
        pytest.skip("openssl is not here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        with pytest.raises(Unreachable, match="certificate"):
            Client(f"https://127.0.0.1:{server.server_port}", TOKEN, patience=0.1).get(W)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
