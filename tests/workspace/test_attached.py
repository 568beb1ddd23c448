"""Attached machines before a real sshd: what is refused before anybody connects, keys of machines, what goes wrong."""

import asyncio
import json
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection

from tests.runs.control.conftest import Submitter
from tests.sshd import MISSING, Sshd, running_sshd
from workspace.attached import guard, scripts, states
from workspace.attached.keeper import Keep, Keeper
from workspace.attached.models import Attachment
from workspace.audit.models import Entry
from workspace.compute.models import ComputeTarget, Node
from workspace.environments.services import install_curated
from workspace.secrets.models import Secret

URL = "/api/v1/workspaces/lab/compute"
PAGE = "/w/lab/compute"
AT = f"{URL}/box/attachment"

needs_sshd = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(autouse=True)
def ring(settings, tmp_path, transactional_db, lab):
    settings.KEKS, settings.ACTIVE_KEK, settings.KEY_RING = {}, "", str(tmp_path / "keyring.json")
    settings.SSH_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


def given(sshd: Sshd | None = None, **more: Any) -> dict[str, Any]:
    there = {"address": "127.0.0.1", "port": sshd.port, "username": sshd.user} if sshd else {"address": "box.local"}
    return {
        "username": "ubuntu",
        **there,
        **({} if more.keys() & {"password", "private_key"} else {"password": "pass w0rd"}),
        **more,
    }


def attach(client, **body: Any) -> Any:
    return client.post(AT, given(**body), format="json")


def work(done: Callable[[Attachment], bool], seconds: float = 240.0) -> Attachment:
    """Let a keeper work until the row is as it should be."""

    async def until() -> Attachment:
        keeper = Keeper()
        try:
            end = asyncio.get_running_loop().time() + seconds
            while True:
                await keeper.round()
                row = await asyncio.to_thread(look)
                if done(row):
                    return row
                assert asyncio.get_running_loop().time() < end, (row.state, row.code, row.about, row.steps)
                await asyncio.sleep(0.05)
        finally:
            await keeper.stop()

    def look() -> Attachment:
        try:
            return Attachment.objects.select_related("target").get()
        finally:
            connection.close()

    return asyncio.run(until())


def troubled(row: Attachment) -> bool:
    return bool(row.code)


# --- before anybody connects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "status"), [("olga", 201), ("carl", 403), ("rio", 403), ("mallory", 404), (None, 401)])
def test_owners_attach_machines(api, who, status):
    assert attach(api(who)).status_code == status
    assert Attachment.objects.count() == (status == 201)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"address": "two words"}, "address"),
        ({"address": "-oProxyCommand=x"}, "address"),
        ({"username": "a b"}, "username"),
        ({"username": "-l"}, "username"),
        ({"port": 0}, "port"),
        ({"port": 70000}, "port"),
        ({"slots": 0}, "slots"),
        ({"studio_url": "ftp://x"}, "studio_url"),
        ({"password": ""}, "private_key"),
        ({"password": "x" * 8, "private_key": "y"}, "private_key"),
        ({"private_key": "ssh-ed25519 AAAA me@here"}, "private_key"),
        ({"private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"}, "private_key"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(api, more, field):
    refused = attach(api("olga"), **more)
    assert refused.status_code == 422, refused.content
    assert refused.json()["error"]["details"]["field"] == field
    assert not ComputeTarget.objects.filter(name="box").exists()
    assert not Secret.objects.exists()


def test_a_passphrase_is_tried_when_it_is_given(api, tmp_path):
    if MISSING:
        pytest.skip(MISSING)
    Sshd._keygen(tmp_path / "locked", "open sesame")
    key = (tmp_path / "locked").read_text()
    for phrase, told in [("", "has a passphrase"), ("wrong one", "does not open the key")]:
        refused = attach(api("olga"), private_key=key, private_key_passphrase=phrase)
        assert refused.json()["error"]["details"]["field"] == "private_key_passphrase"
        assert told in refused.json()["error"]["message"]
        assert "wrong one" not in refused.content.decode()
    assert attach(api("olga"), private_key=key, private_key_passphrase="open sesame").status_code == 201


def test_how_it_logs_in_is_shown_to_nobody(api, browser):
    assert attach(api("olga"), password="plum-Tree-4711").status_code == 201
    for path in (f"{PAGE}/box/machine", f"{PAGE}?tab=attached", "/w/lab/keyvault", "/w/lab/activity"):
        answer = browser("olga").get(path)
        assert answer.status_code == 200, path
        assert "plum-Tree" not in answer.content.decode()
    assert "plum-Tree" not in api("olga").get(AT).content.decode()
    assert api("olga").get("/api/v1/workspaces/lab/secrets").json()["secrets"] == []
    assert api("olga").get("/api/v1/workspaces/lab/secrets/password/value").status_code == 404
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', ["%plum-Tree%"])
            assert cursor.fetchone() == (0,), table


def test_a_refused_form_comes_back_without_its_password(browser):
    form = {"name": "box", "address": "two words", "username": "u", "way": "password", "password": "plum-Tree-4711"}
    form |= {"port": "22", "slots": "1", "studio_url": "http://studio"}
    answer = browser("olga").post(f"{PAGE}-attach", form)
    assert answer.status_code == 422
    html = answer.content.decode()
    assert "two words" in html
    assert "plum-Tree" not in html
    assert 'value="password" checked' in html and 'value="key" checked' not in html
    made = browser("olga").post(f"{PAGE}-attach", {**form, "address": "box.local"})
    assert made["Location"] == f"{PAGE}/box/machine"


def test_the_compute_page_does_not_delete_what_has_to_be_detached(api):
    attach(api("olga"))
    refused = api("olga").delete(f"{URL}/box")
    assert refused.status_code == 409
    assert "Detach" in refused.json()["error"]["hint"]
    assert api("olga").post(URL, {"name": "bare", "kind": "attached"}, format="json").status_code == 422


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True),
        ("192.168.1.5", True),
        ("10.1.2.3", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", True),
        ("fd00::1", True),
        ("fe80::1", False),
        # Addresses that carry another one, which a router may take out.
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:a9fe:a9fe::1", False),
    ],
)
def test_where_the_studio_may_connect_to(settings, address, allowed):
    settings.SSH_NETWORKS = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
    assert guard.may_call(address) is allowed


def test_words_of_scripts_are_only_words():
    assert scripts.with_words("echo", folder="a'b; rm -rf /") == "FOLDER='a'\"'\"'b; rm -rf /'\necho"


def test_pauses_grow_and_steps_are_ticked_off():
    assert [states.pause(n) for n in (1, 2, 3, 7, 50)] == [1, 2, 4, 60, 60]
    steps = states.ticked(states.fresh(), states.PYTHON, states.BUSY, "3.11")
    assert [one["state"] for one in steps[:5]] == ["done", "done", "done", "busy", "waiting"]


# --- before a real sshd -----------------------------------------------------------------------------------------


@needs_sshd
def test_the_first_key_waits_until_somebody_has_confirmed_it(api, browser, sshd):
    olga = api("olga")
    assert attach(olga, sshd=sshd, private_key=sshd.key()).status_code == 201
    row = work(troubled)
    assert (row.state, row.code) == ("confirm", "host_key")
    told = olga.get(AT).json()
    assert told["shown_key"] == sshd.fingerprint
    assert sshd.fingerprint in browser("olga").get(f"{PAGE}/box/machine").content.decode()
    assert "Accepted publickey" not in (sshd.folder / "sshd.log").read_text(), "nothing was sent yet"
    assert olga.post(f"{AT}/confirm", {"fingerprint": "SHA256:other"}, format="json").status_code == 409
    assert api("carl").post(f"{AT}/confirm", {"fingerprint": sshd.fingerprint}, format="json").status_code == 403
    assert olga.post(f"{AT}/confirm", {"fingerprint": sshd.fingerprint}, format="json").status_code == 200
    row = work(lambda row: bool(row.found))
    assert row.steps[3] == {**row.steps[3], "name": "python", "state": "done"}
    assert row.found["folder"].startswith(f"{sshd.home}/.zaffre/attached/")
    assert Entry.objects.get(action="machine.trust").fields["fingerprint"] == sshd.fingerprint


@needs_sshd
@pytest.mark.parametrize(
    ("more", "code", "state"),
    [
        ({"stranger": True}, "denied", "failed"),
        ({"password": "not the password"}, "denied", "failed"),
        ({"port": 1}, "connection_refused", "unreachable"),
        ({"address": "no-such-machine.invalid"}, "unknown_host", "unreachable"),
        ({"address": "169.254.169.254"}, "forbidden_network", "failed"),
    ],
)
def test_what_goes_wrong_is_told_with_what_to_do(api, browser, sshd, more, code, state):
    more = dict(more)
    if more.pop("stranger", False):
        more["private_key"] = sshd.stranger()
    elif "password" not in more:
        more["private_key"] = sshd.key()
    assert attach(api("olga"), sshd=sshd, trust_first=True, **more).status_code == 201
    row = work(troubled)
    assert (row.state, row.code) == (state, code)
    told = api("olga").get(AT).json()["reason"]
    assert told["cause"]
    assert told["advice"]
    page = browser("olga").get(f"{PAGE}/box/machine").content.decode()
    assert "Try again" in page
    assert "PRIVATE KEY-----\n" not in page


@needs_sshd
def test_a_key_with_a_passphrase_lets_in(api, sshd):
    key = sshd.key("locked", "open sesame")
    attach(api("olga"), sshd=sshd, trust_first=True, private_key=key, private_key_passphrase="open sesame")
    assert work(lambda row: bool(row.found)).found["python"]


@needs_sshd
def test_another_key_of_the_machine_is_refused_until_it_is_trusted(api, browser, tmp_path):
    olga = api("olga")
    with running_sshd(tmp_path / "sshd") as sshd:
        attach(olga, sshd=sshd, trust_first=True, private_key=sshd.key())
        work(lambda row: bool(row.found))
        first = sshd.fingerprint
        sshd.stop()
        sshd.new_host_key()
        sshd.start()
        log = (sshd.folder / "sshd.log").read_text().count("Accepted")
        olga.post(f"{AT}/again")
        row = work(troubled)
        assert (row.state, row.code) == ("failed", "host_key_changed")
        told = olga.get(AT).json()
        assert (told["host_key"], told["shown_key"]) == (first, sshd.fingerprint)
        assert (sshd.folder / "sshd.log").read_text().count("Accepted") == log, "nobody logged in"
        assert "Trust the new key" in browser("olga").get(f"{PAGE}/box/machine").content.decode()
        olga.post(f"{AT}/confirm", {"fingerprint": sshd.fingerprint}, format="json")
        assert work(lambda row: row.steps[3]["state"] == "done").host_key


@needs_sshd
def test_a_machine_without_a_python_says_so(api, sshd, monkeypatch):
    monkeypatch.setattr(scripts, "LOOK", scripts.LOOK.replace("(3, 9)", "(9, 9)"))
    attach(api("olga"), sshd=sshd, trust_first=True, private_key=sshd.key())
    row = work(troubled)
    assert (row.state, row.code) == ("failed", "no_python")
    assert row.about.startswith("Python 3")


@needs_sshd
def test_who_worked_for_something_older_writes_nothing(api, sshd):
    attach(api("olga"), sshd=sshd, trust_first=True, private_key=sshd.key())
    stale = Attachment.objects.select_related("target__workspace").get()
    api("olga").post(f"{AT}/again")
    asyncio.run(Keep(stale).run())
    row = Attachment.objects.get()
    assert (row.state, row.host_key, row.asked) == ("connecting", "", 2)


def test_detaching_a_machine_that_was_never_reached_leaves_nothing(api):
    olga = api("olga")
    attach(olga)
    assert olga.delete(AT).status_code == 202
    row = Attachment.objects.select_related("target__workspace").get()
    asyncio.run(Keep(row).run())
    assert not Attachment.objects.exists()
    assert not Secret.objects.exists()
    assert olga.get(f"{URL}/box").status_code == 404


@needs_sshd
def test_a_machine_that_is_away_says_what_is_left_and_can_be_forgotten(api, browser, tmp_path):
    olga = api("olga")
    with running_sshd(tmp_path / "sshd") as sshd:
        attach(olga, sshd=sshd, trust_first=True, private_key=sshd.key())
        folder = work(lambda row: bool(row.found)).found["folder"]
    target = ComputeTarget.objects.get(name="box")
    node = Node.objects.create(id="N" * 26, target=target, name="box", last_seen="2026-01-01T00:00Z")
    assert olga.delete(f"{AT}?forget=1").status_code == 409, "only what is being detached"
    assert olga.delete(AT).status_code == 202
    node.refresh_from_db()
    assert node.removed, "its token is dead at once"
    row = work(troubled)
    assert (row.state, row.code) == ("leftover", "connection_refused")
    page = browser("olga").get(f"{PAGE}/box/machine").content.decode()
    assert f"rm -rf {folder}" in page
    assert olga.delete(f"{AT}?forget=1").status_code == 204
    assert not Secret.objects.exists()
    assert json.dumps(olga.get(URL).json()).count("box") == 0


@needs_sshd
def test_list_overview_and_waiting_runs_say_how_far_the_machine_is(api, browser, lab, sshd):
    def told() -> tuple[str, str, str]:
        (one,) = [one for one in api("rio").get(URL).json()["targets"] if one["name"] == "box"]
        overview = browser("rio").get(f"{PAGE}/box").content.decode()
        assert "No machine serves this target" not in overview and f'href="{PAGE}/box/machine"' in overview
        waits = api("carl").get(f"/api/v1/workspaces/lab/runs/{run}").json()["queue"]
        assert waits["code"] == "waiting_for_node" and waits["message"].split(" is not ready. ")[1] in unescape(
            overview
        )
        return one["shown_state"], waits["message"], browser("rio").get(f"{PAGE}?tab=attached").content.decode()

    attach(api("olga"), private_key=sshd.stranger(), username=sshd.user, address="127.0.0.1", port=sshd.port)
    install_curated(lab)
    run = Submitter(api("carl"), lab).submit(target="box").pk
    assert told()[:2] == ("connecting", "box is not ready. The studio is setting it up.")
    work(lambda row: row.state == states.CONFIRM)
    state, waits, page = told()
    assert state == "confirm" and "confirm the key" in waits and "attach one" not in page and "Waits for you" in page
    api("olga").post(f"{AT}/confirm", {"fingerprint": sshd.fingerprint}, format="json")
    work(troubled)
    state, waits, page = told()
    assert state == "failed" and "did not let us in. Correct the user name" in waits and "Failed" in page
