"""Wrong passwords, expired tokens and strangers at the doors of a running studio."""

import http.cookiejar
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import psycopg
import pytest

from tests.stack.running import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def test_an_expired_token_says_so(studio):
    made = studio.ask("POST", "/api/v1/tokens", {"name": "short", "days": 1})
    assert made.status == 201, made.body
    token = made.json["token"]
    assert studio.ask("GET", "/api/v1/me", token=token).status == 200
    with psycopg.connect(studio.env["DATABASE_URL"]) as connection:
        connection.execute("UPDATE accounts_token SET expires = now() - interval '1 day' WHERE name = 'short'")
    refused = studio.ask("GET", "/api/v1/me", token=token)
    assert refused.status == 401
    assert refused.json["error"]["code"] == "unauthenticated"
    assert "expired" in refused.json["error"]["message"]


def test_without_a_token_or_with_a_broken_one_every_door_is_closed(studio):
    for token in (None, "zaf_pat_nonsense", studio.known["token"][:-1] + "x"):
        for path in ("/api/v1/me", f"{studio.ws}/runs", f"{studio.ws}/models"):
            refused = studio.ask("GET", path, token=token)
            assert refused.status == 401, (token, path, refused.body)


def test_a_stranger_gets_404_and_learns_nothing(studio):
    code = (
        "from studio.kernel.actors import SYSTEM\n"
        "from workspace.accounts.services import create_token, create_user\n"
        "user = create_user(actor=SYSTEM, username='mallory', password='a long enough password')\n"
        "print(create_token(actor=user.as_actor(), name='t', days=1)[1])\n"
    )
    env = {**studio.env, "SECRET_KEY_FILE": str(studio.var / "secret_key")}
    made = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=ROOT,
        env={key: value for key, value in env.items() if key != "REDIS_URL"},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    token = made.stdout.split()[-1]
    existing = studio.ask("GET", f"{studio.ws}/runs", token=token)
    missing = studio.ask("GET", "/api/v1/workspaces/no-such-place/runs", token=token)
    assert existing.status == missing.status == 404
    assert existing.body.replace(studio.known["workspace"].encode(), b"X") == missing.body.replace(
        b"no-such-place", b"X"
    )
    assert studio.ask("GET", "/api/v1/me", token=token).json["workspaces"] == []


def test_a_wrong_password_is_refused_without_saying_which_half(studio):
    answers = []
    for name in (studio.known["admin"], f"nobody-{os.getpid()}"):
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        opener = urllib.request.build_opener(jar)
        page = opener.open(f"{studio.url}/login").read().decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, page
        fields = {"csrfmiddlewaretoken": token.group(1), "username": name, "password": "not the password at all"}
        request = urllib.request.Request(
            f"{studio.url}/login", urllib.parse.urlencode(fields).encode(), {"Referer": f"{studio.url}/login"}
        )
        try:
            answer = opener.open(request)
        except urllib.error.HTTPError as refused:
            answer = refused
        text = answer.read().decode()
        assert answer.status in {200, 400, 401, 403, 422}
        assert urllib.parse.urlsplit(answer.url).path == "/login"
        answers.append("The user name or the password is wrong" in text)
    assert answers == [True, True]
