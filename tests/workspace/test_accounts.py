"""Tokens, log-in and accounts."""

import re
from datetime import timedelta
from functools import cache

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from studio.kernel import events, tokens
from studio.kernel.errors import Invalid, TooMany, Unauthenticated
from tests.conftest import PASSWORD
from workspace.accounts import services, throttle
from workspace.accounts.models import Token, User
from workspace.audit.models import Entry

ME = "/api/v1/me"


def make_token(api, name="laptop", **body):
    answer = api("olga").post("/api/v1/tokens", {"name": name, **body}, format="json")
    assert answer.status_code == 201, answer.json()
    return answer.json()


def with_token(plain: str) -> APIClient:
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {plain}")


# --- tokens ------------------------------------------------------------------------------------------


def test_a_token_opens_the_door_of_its_owner(api, lab):
    made = make_token(api)
    body = with_token(made["token"]).get(ME).json()
    assert body["user"] == {"username": "olga", "display_name": "Olga", "is_admin": False}
    assert body["workspaces"] == [{"slug": "lab", "name": "Lab", "role": "owner"}]


def test_a_token_is_shown_once_and_kept_as_a_hash(api, people):
    made = make_token(api)
    secret = tokens.parse(made["token"]).secret
    assert re.fullmatch(r"zaf_pat_[0-9A-Z]{26}_[A-Za-z0-9-]{43}_[0-9a-f]{6}", made["token"])
    listed = api("olga").get("/api/v1/tokens").json()["tokens"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert secret not in str(listed)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" AS kept WHERE kept::text LIKE %s', [f"%{secret}%"])
            assert cursor.fetchone()[0] == 0, f"the secret is in {table}"


def test_a_token_lives_ninety_days_unless_said_otherwise(api, people):
    make_token(api)
    left = Token.objects.get().expires - timezone.now()
    assert timedelta(days=89) < left < timedelta(days=91)


@pytest.mark.parametrize(
    "body", [{"days": 0}, {"days": 367}, {"days": "x"}, {"days": 10**12}, {"name": ""}, {"name": "a\nb"}]
)
def test_a_token_that_cannot_be_meant_is_refused(api, people, body):
    answer = api("olga").post("/api/v1/tokens", {"name": "laptop", **body}, format="json")
    assert answer.status_code == 422
    assert not Token.objects.exists()


def test_an_expired_token_says_since_when(api, people):
    made = make_token(api)
    Token.objects.update(expires=timezone.now() - timedelta(days=3))
    answer = with_token(made["token"]).get(ME)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert f"expired on {Token.objects.get().expires:%Y-%m-%d}" in answer.json()["error"]["message"]


def test_a_revoked_token_is_dead_at_once(api, people):
    made = make_token(api)
    phone = with_token(made["token"])
    assert phone.get(ME).status_code == 200
    assert api("olga").delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    answer = phone.get(ME)
    assert (answer.status_code, "revoked" in answer.json()["error"]["message"]) == (401, True)
    assert api("olga").get("/api/v1/tokens").json() == {"tokens": []}


def test_only_the_owner_of_a_token_revokes_it(api, people):
    made = make_token(api)
    for somebody in ("carl", "ada"):
        assert api(somebody).delete(f"/api/v1/tokens/{made['id']}").status_code == 404
    assert with_token(made["token"]).get(ME).status_code == 200


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text[:-1], "not a Zaffre token"),
        (lambda text: text[:40] + ("A" if text[40] != "A" else "B") + text[41:], "mistyped"),
        (lambda text: tokens.new("pat", tokens.parse(text).id)[0], "unknown"),
        (lambda text: tokens.new("pat", "01ARZ3NDEKTSV4RRFFQ69G5FAV")[0], "unknown"),
        (lambda text: tokens.new("ept", tokens.parse(text).id)[0], "not for this door"),
        (lambda text: "\N{SNOWMAN}".encode().decode("latin-1"), "not a Zaffre token"),
    ],
)
def test_a_token_that_is_not_the_token_is_refused(api, people, spoil, says):
    answer = with_token(spoil(make_token(api)["token"])).get(ME)
    assert answer.status_code == 401
    assert says in answer.json()["error"]["message"]


def test_who_does_not_know_the_secret_learns_nothing_about_the_token(api, people):
    made = make_token(api)
    Token.objects.update(expires=timezone.now() - timedelta(days=3))
    guessed = tokens.new("pat", made["id"])[0]
    assert "unknown" in with_token(guessed).get(ME).json()["error"]["message"]


def test_the_last_use_is_noted_at_most_once_a_minute(api, people):
    phone = with_token(make_token(api)["token"])
    phone.get(ME)
    first = Token.objects.get().last_used
    with CaptureQueriesContext(connection) as seen:
        phone.get(ME)
    assert not [query for query in seen if query["sql"].startswith("UPDATE")]
    Token.objects.update(last_used=first - timedelta(minutes=2))
    phone.get(ME)
    assert Token.objects.get().last_used > first - timedelta(minutes=1)


def test_a_token_made_with_a_token_does_not_outlive_it(api, people):
    parent = make_token(api, days=2)
    answer = with_token(parent["token"]).post("/api/v1/tokens", {"name": "child", "days": 300}, format="json")
    assert answer.status_code == 201
    assert answer.json()["expires"] == parent["expires"]


def test_a_repeated_request_does_not_keep_the_token(api, people):
    olga = api("olga")
    keys = {"HTTP_IDEMPOTENCY_KEY": "same", "format": "json"}
    texts = {olga.post("/api/v1/tokens", {"name": "laptop"}, **keys).json()["token"] for _ in range(2)}
    assert len(texts) == 2


# --- log-in ------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def forgotten_failures():
    """No test inherits the failures of another."""
    for key in events.client().scan_iter(throttle.PREFIX + "*"):
        events.client().delete(key)
    throttle._local.clear()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until `clock.now` moves."""

    class Clock:
        now = 1_700_000_000.0

        def time(self) -> float:
            return self.now

    standing = Clock()
    monkeypatch.setattr(throttle, "time", standing)
    return standing


@pytest.fixture(params=["redis", "without redis"])
def counter(request, monkeypatch):
    """Failures are counted in Redis, or in the process when Redis is away."""
    if request.param == "without redis":
        import redis

        # By its address, as the studio makes its client: made otherwise, it would try again for seconds.
        away = redis.Redis.from_url("unix:///nonexistent/valkey.sock")
        monkeypatch.setattr(events, "client", cache(lambda: away))
    return request.param


def visit(address: str = "192.0.2.1"):
    """A request with a session, as the log-in page gets it."""
    from django.contrib.sessions.backends.db import SessionStore
    from django.test import RequestFactory

    request = RequestFactory().post("/login", REMOTE_ADDR=address)
    request.session = SessionStore()
    return request


def fails(username="olga", password="wrong", address="192.0.2.1") -> None:
    with pytest.raises(Unauthenticated, match="user name or the password is wrong"):
        services.log_in(visit(address), username, password)


def test_the_right_password_begins_a_session_under_a_new_key(people):
    request = visit()
    request.session["basket"] = 1
    request.session.save()
    planted = request.session.session_key
    assert services.log_in(request, "olga", PASSWORD) == people.olga
    assert request.session.session_key != planted
    assert Entry.objects.filter(action="session.begin", actor_name="olga", address="192.0.2.1").exists()


@pytest.mark.parametrize(
    ("username", "password"),
    [("olga", "wrong"), ("nobody", PASSWORD), ("", ""), ("olga\0", PASSWORD), ("o" * 1000, "x"), ("olga", "x" * 10**6)],
)
def test_a_wrong_name_and_a_wrong_password_sound_the_same(people, username, password):
    fails(username, password)
    assert Entry.objects.filter(action="session.refuse").count() == 1


def test_a_closed_account_cannot_log_in(people):
    User.objects.filter(username="olga").update(is_active=False)
    fails("olga", PASSWORD)


def test_five_failures_make_the_account_pause_and_the_pause_grows(people, clock, counter):
    for _ in range(5):
        clock.now += 1
        fails()
    waits = []
    for _ in range(3):
        with pytest.raises(TooMany) as refused:
            services.log_in(visit(), "OLGA" if counter else "", PASSWORD)
        waits.append(refused.value.details["retry_after"])
        clock.now += waits[-1]
        fails()
    assert waits == [31, 61, 121]


def test_a_refused_try_does_not_prolong_the_pause(people, clock, counter):
    for _ in range(5):
        fails()
    for _ in range(10):
        with pytest.raises(TooMany):
            services.log_in(visit(), "olga", "wrong")
    clock.now += 31
    assert services.log_in(visit(), "olga", PASSWORD) == people.olga


def test_success_forgets_the_failures(people, clock, counter):
    for _ in range(3):
        for _ in range(4):
            fails()
        assert services.log_in(visit(), "olga", PASSWORD)


def test_failures_are_forgotten_after_a_quarter_of_an_hour(people, clock, counter):
    for _ in range(5):
        fails()
    clock.now += throttle.WINDOW + 1
    fails()
    assert services.log_in(visit(), "olga", PASSWORD)


def test_twenty_failures_make_the_address_pause_for_every_account(people, clock, counter):
    for number in range(20):
        fails(username=f"guess-{number}")
    with pytest.raises(TooMany):
        services.log_in(visit(), "olga", PASSWORD)
    assert services.log_in(visit("192.0.2.2"), "olga", PASSWORD)


def test_the_password_changes_only_with_the_old_one_and_ends_other_sessions(people):
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.force_login(people.olga)
    request = visit()
    request.session, request.user = here.session, people.olga
    actor = people.olga.as_actor()
    with pytest.raises(Invalid, match="present password is wrong"):
        services.change_password(request, actor=actor, old="wrong", new="another long password")
    with pytest.raises(Invalid) as weak:
        services.change_password(request, actor=actor, old=PASSWORD, new="password")
    assert weak.value.code == "weak_password"
    services.change_password(request, actor=actor, old=PASSWORD, new="another long password")
    request.session.save()
    here.cookies["sessionid"] = request.session.session_key
    assert here.get(ME).status_code == 200
    assert elsewhere.get(ME).status_code == 401
    assert services.log_in(visit(), "olga", "another long password")


# --- accounts ----------------------------------------------------------------------------------------

NEW = {"username": "nina", "password": "quite a long secret"}


@pytest.mark.parametrize(
    ("person", "status"), [("olga", 403), ("carl", 403), ("rio", 403), ("mallory", 403), ("ada", 201), (None, 401)]
)
def test_site_administrators_make_accounts(api, lab, person, status):
    assert api(person).post("/api/v1/users", NEW, format="json").status_code == status
    assert api(person).get("/api/v1/users").status_code == {201: 200}.get(status, status)
    assert User.objects.filter(username="nina").exists() == (status == 201)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"username": "OLGA"}, 409, "taken"),
        ({"username": "has space"}, 422, "invalid"),
        ({"username": "a/b"}, 422, "invalid"),
        ({"username": ".."}, 422, "invalid"),
        ({"username": "n" * 151}, 422, "invalid"),
        ({"password": "short"}, 422, "weak_password"),
        ({"password": "password1234"}, 422, "weak_password"),
        ({"username": "nina-the-great", "password": "nina-the-great"}, 422, "weak_password"),
    ],
)
def test_an_account_that_cannot_be_meant_is_refused(api, people, change, status, code):
    answer = api("ada").post("/api/v1/users", {**NEW, **change}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_closing_an_account_ends_its_sessions_and_tokens(api, lab, people):
    carl, ada = api("carl"), api("ada")
    plain = carl.post("/api/v1/tokens", {"name": "laptop"}, format="json").json()["token"]
    assert ada.patch("/api/v1/users/carl", {"active": False}, format="json").json()["is_active"] is False
    assert carl.get(ME).status_code == 401
    assert with_token(plain).get(ME).status_code == 401
    assert ada.patch("/api/v1/users/carl", {"active": True}, format="json").status_code == 200
    assert with_token(plain).get(ME).status_code == 401


def test_the_last_owner_and_oneself_are_not_closed_out(api, lab):
    ada = api("ada")
    answer = ada.patch("/api/v1/users/olga", {"active": False}, format="json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "last_owner")
    assert answer.json()["error"]["details"]["workspaces"] == ["lab"]
    assert ada.patch("/api/v1/users/ada", {"active": False}, format="json").status_code == 409
    assert ada.patch("/api/v1/users/nobody", {"active": False}, format="json").status_code == 404


def test_a_profile_takes_only_what_exists(people):
    actor = people.rio.as_actor()
    services.update_profile(actor=actor, display_name="Rio R.", language="ja", theme="dark")
    rio = User.objects.get(username="rio")
    assert (rio.shown_name, rio.initials, rio.language, rio.theme) == ("Rio R.", "RR", "ja", "dark")
    for wrong in ({"language": "tlh"}, {"theme": "pink"}, {"display_name": "x" * 81}):
        with pytest.raises(Invalid):
            services.update_profile(actor=actor, **wrong)


def test_a_cookie_that_no_session_can_have_is_a_visitors(browser, lab):
    visitor = browser(None)
    visitor.cookies["sessionid"] = "abcdefgh\0ij"
    answer = visitor.get("/w/lab/")
    assert (answer.status_code, answer.url) == (302, "/login?next=%2Fw%2Flab%2F")
