"""The key vault: values that only owners see and runs get, in no row, line, page or error; and keys that change."""

import io
import logging
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.kernel import keyring
from studio.kernel.actors import SYSTEM
from workspace.audit.models import Entry
from workspace.secrets import services
from workspace.secrets.models import Secret, SecretVersion

URL = "/api/v1/workspaces/lab/secrets"
PAGE = "/w/lab/keyvault"
VALUE = "plum-Tree-4711 <b>&\nof two lines"

pytestmark = pytest.mark.usefixtures("lab")


@pytest.fixture(autouse=True)
def ring(settings, tmp_path):
    settings.KEKS, settings.ACTIVE_KEK, settings.KEY_RING = {}, "", str(tmp_path / "keyring.json")


def keep(client, name="db", value=VALUE, **more):
    return client.post(URL, {"name": name, "value": value, **more}, format="json")


def value_of(client, name="db", **query):
    return client.get(f"{URL}/{name}/value", query)


def test_a_secret_is_kept_replaced_and_shown_to_an_owner(api, trail):
    olga, carl = api("olga"), api("carl")
    made = keep(olga, description="the database of the lab")
    assert made.status_code == 201
    assert made.json()["version"] == 1
    assert keep(carl, value="another value").json()["version"] == 2, "a contributor replaces what he may not read"
    shown = value_of(olga)
    assert shown.json() == {"name": "db", "value": "another value"}
    assert shown["Cache-Control"] == "no-store"
    assert value_of(olga, version=1).json()["value"] == VALUE
    assert value_of(olga, version=9).status_code == 404
    found = olga.get(f"{URL}/db").json()
    assert [one["number"] for one in found["versions"]] == [2, 1]
    assert found["description"] == "the database of the lab"
    assert [action for _, action, _ in trail() if action.startswith("secret.")] == [
        "secret.set",
        "secret.set",
        "secret.reveal",
        "secret.reveal",
    ]


@pytest.mark.parametrize("value", ["", "sh0rt", "  ab9 ", "nul\0character", "x" * 25_601])
def test_what_cannot_be_a_secret_is_refused_and_not_repeated(api, value):
    refused = keep(api("olga"), value=value)
    assert refused.status_code in {413, 422}
    assert refused.json()["error"]["message"]
    assert not value.strip() or value.strip() not in refused.content.decode()
    assert not Secret.objects.exists()


@pytest.mark.parametrize("name", ["", "-x", "with space", "ü", "a/b", "x" * 128, "a\nb"])
def test_a_name_that_is_none_is_refused(api, name):
    assert keep(api("olga"), name=name).status_code == 422


def test_nothing_of_a_value_is_anywhere_in_the_database_the_pages_and_the_log(api, browser, caplog, trail):
    caplog.set_level(logging.DEBUG)
    olga = browser("olga")
    keep(api("olga"))
    for path in (PAGE, f"{PAGE}/db", "/w/lab/activity", "/w/lab/"):
        assert "plum-Tree" not in olga.get(path).content.decode()
    assert "plum-Tree" not in api("olga").get(URL).content.decode()
    assert value_of(api("carl")).status_code == 403
    value_of(api("olga"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        assert len(tables) > 30
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', ["%plum-Tree%"])
            assert cursor.fetchone() == (0,), table
            raw = b"plum-Tree".hex()
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{raw}%"])
            assert cursor.fetchone() == (0,), table
    assert "plum-Tree" not in caplog.text
    assert "plum-Tree" not in repr(list(Entry.objects.values()))


def test_a_deleted_secret_can_be_restored_for_a_while(api, settings):
    olga = api("olga")
    keep(olga)
    assert olga.delete(f"{URL}/db").status_code == 204
    assert value_of(olga).status_code == 404
    assert [one["name"] for one in olga.get(URL).json()["deleted"]] == ["db"]
    assert olga.post(f"{URL}/db/restore").status_code == 200
    assert value_of(olga).json()["value"] == VALUE
    olga.delete(f"{URL}/db")
    assert keep(olga, value="a new beginning").json()["version"] == 1, "the name is free meanwhile"
    assert olga.post(f"{URL}/db/restore").status_code == 409
    Secret.objects.filter(deleted__isnull=False).update(deleted=timezone.now() - timedelta(days=8))
    assert olga.get(URL).json()["deleted"] == []
    services.purge(actor=SYSTEM)
    assert Secret.objects.count() == SecretVersion.objects.count() == 1


def test_only_the_newest_versions_are_kept(api):
    for number in range(services.MOST_VERSIONS + 3):
        keep(api("olga"), value=f"value number {number}")
    assert SecretVersion.objects.count() == services.MOST_VERSIONS
    assert value_of(api("olga"), version=1).status_code == 404


def test_a_value_that_was_moved_to_another_row_does_not_open(api):
    keep(api("olga"), name="mine")
    keep(api("olga"), name="yours", value="another value")
    mine, yours = SecretVersion.objects.order_by("pk")
    SecretVersion.objects.filter(pk=yours.pk).update(wrapped=mine.wrapped, content=mine.content)
    refused = value_of(api("olga"), name="yours")
    assert refused.status_code == 503
    assert "plum-Tree" not in refused.content.decode()


def test_a_browser_keeps_the_lines_of_a_private_key(browser, api):
    form = {"name": "key", "value": "-----BEGIN-----\r\nabc\r\n-----END-----\r\n", "description": ""}
    assert browser("carl").post(f"{PAGE}/-/new", form).status_code == 302
    assert value_of(api("olga"), "key").json()["value"] == "-----BEGIN-----\nabc\n-----END-----\n"
    told = browser("carl").post(f"{PAGE}/-/new", form, follow=True).content.decode()
    assert "There is a secret key already" in told
    assert "BEGIN" not in told
    browser("carl").post(f"{PAGE}/key/change", {"value": "", "description": "of the robot"})
    assert (Secret.objects.get().latest, Secret.objects.get().description) == (1, "of the robot")


def test_the_page_offers_what_may_be_done(browser, api):
    keep(api("olga"))
    assert "Show the value" in browser("olga").get(f"{PAGE}/db").content.decode()
    carl = browser("carl").get(f"{PAGE}/db").content.decode()
    assert "Show the value" not in carl
    assert "Owners see the value" in carl
    assert browser("rio").get(f"{PAGE}/db").status_code == 403
    assert "Key vault" not in browser("rio").get("/w/lab/").content.decode()


def test_the_list_asks_the_same_number_of_questions_for_many(browser, api):
    olga = browser("olga")
    keep(api("olga"), name="first")
    olga.get(PAGE)
    counted = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            assert olga.get(PAGE).status_code == 200
        counted.append(len(asked))
        for number in range(6):
            keep(api("olga"), name=f"s{number}")
    assert counted[0] == counted[1] <= 12


# --- keys -----------------------------------------------------------------------------------------------------


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("secrets", *words, stdout=out)
    return out.getvalue()


def test_keys_change_while_the_studio_runs(api, client):
    olga = api("olga")
    for number in range(5):
        keep(olga, name=f"s{number}", value=f"value number {number}")
    said("add-kek", "k2")
    with pytest.raises(CommandError, match="still encrypts"):
        said("rotate-kek", "--to", "k2", "--check")
    assert "5 values were put under k2" in said("rotate-kek", "--to", "k2")
    assert "no other key" in said("rotate-kek", "--to", "k2", "--check")
    assert "k2" in said("keys")
    for number in range(5):
        assert value_of(olga, f"s{number}").json()["value"] == f"value number {number}"
    keep(olga, name="new", value="under the new key")
    assert set(SecretVersion.objects.values_list("kek_id", flat=True)) == {"k2"}


def test_a_rotation_that_was_stopped_goes_on(api, monkeypatch):
    olga = api("olga")
    for number in range(6):
        keep(olga, name=f"s{number}", value=f"value number {number}")
    keyring.add("k2")
    keyring.activate("k2")
    real, done = services.envelope.rewrap, []

    def breaks(*args, **more):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(1)
        return real(*args, **more)

    monkeypatch.setattr(services.envelope, "rewrap", breaks)
    with pytest.raises(KeyboardInterrupt):
        services.rewrap_all("k2", actor=SYSTEM)
    assert SecretVersion.objects.filter(kek_id="k2").count() == 3
    assert all(value_of(olga, f"s{number}").status_code == 200 for number in range(6)), "half way, all can be read"
    with pytest.raises(CommandError, match="Still needed"):
        said("rotate-kek", "--to", "k2", "--check")
    monkeypatch.undo()
    assert services.rewrap_all("k2", actor=SYSTEM) == 3


def test_a_ring_without_a_key_fails_readiness_by_name_and_changes_nothing(api, client, settings):
    keep(api("olga"))
    assert client.get("/readyz").status_code == 200
    before = list(SecretVersion.objects.values())
    name = SecretVersion.objects.get().kek_id
    settings.SECRET_KEY = "another key of the studio, long enough"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert name in answer.json()["missing"]["key ring"]
    assert list(SecretVersion.objects.values()) == before


def test_a_key_that_does_not_exist_is_not_rotated_to():
    with pytest.raises(CommandError, match="no key 'k9'"):
        said("rotate-kek", "--to", "k9")
