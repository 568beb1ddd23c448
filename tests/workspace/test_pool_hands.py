"""Machines of pools in several hands at once: people, who prepares a machine, and who keeps a node on it for days."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from studio.kernel import db
from studio.kernel.actors import SYSTEM
from workspace.attached import hosting, machine, services
from workspace.attached.models import Host
from workspace.attached.places import Place, Trouble, fingerprint
from workspace.compute.models import Happening

URL = "/api/v1/workspaces/lab/compute"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1m6hQp2y0vCqkYV1fW2m0hN0J7cJm1m3n8o2b6yq3A"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq3Tn0vXo2m1l9w8yC4s5d6f7g8h9j0k1l2z3x4c5v6"


@pytest.fixture(autouse=True)
def pool(settings, tmp_path, transactional_db, lab, api) -> None:
    settings.KEKS, settings.ACTIVE_KEK, settings.KEY_RING = {}, "", str(tmp_path / "keyring.json")
    body = {"hosts": ["a.local", "b.local"], "username": "ubuntu", "password": "pass w0rd", "trust_first": True}
    made = api("olga").post(f"{URL}/few/pool", {**body, "settings": {"max_nodes": 1}}, format="json")
    assert made.status_code == 201
    Host.objects.update(host_key=KEY)


def host(name: str) -> Host:
    return Host.objects.select_related("target__workspace").get(host=name)


async def test_who_keeps_a_machine_for_days_logs_in_as_people_say_by_now(api, monkeypatch):
    asked: list[tuple[str, str, str]] = []

    async def connect(place: Place, trusted: str) -> Any:
        asked.append((place.username, place.password, trusted))
        raise Trouble("host_key_changed")

    monkeypatch.setattr(machine, "connect", connect)
    kept = await db.run(host, "a.local")

    def people() -> None:
        Host.objects.filter(pk=kept.pk).update(shown_key=OTHER)
        at = f"{URL}/few/hosts/{kept.pk}/confirm"
        assert api("olga").post(at, {"fingerprint": fingerprint(OTHER)}, format="json").status_code == 200
        body = {"username": "root", "password": "another"}
        assert api("olga").patch(f"{URL}/few/pool", body, format="json").status_code == 200

    await db.run(people)
    with pytest.raises(Trouble):
        async with hosting.logged_in(kept):
            pass
    assert asked == [("root", "another", OTHER)]


def test_the_same_trouble_of_two_hands_is_told_once():
    first, second = host("a.local"), host("a.local")
    for one in (first, second):
        services.note_host(one, actor=SYSTEM, code="no_route")
    assert Happening.objects.filter(code="host_failed").count() == 1
    assert host("a.local").failures == 2
    Host.objects.filter(pk=first.pk).delete()
    services.note_host(first, actor=SYSTEM, code="no_route")  # out of the pool meanwhile: nothing to write down


def test_a_word_that_is_no_button_does_nothing(browser):
    at = "/w/lab/compute/few/hosts"
    assert browser("olga").post(f"{at}/{host('a.local').pk}/agian").status_code == 404
    assert browser("olga").post(f"{at}/lgoin", {"way": "password", "password": "other"}).status_code == 404
    assert not Host.objects.filter(leaving=True).exists()
    assert services.host_place(host("a.local"), actor=SYSTEM).password == "pass w0rd"


def test_two_who_take_machines_out_at_once_leave_as_many_as_it_may_have_nodes(api):
    addresses = [f"{URL}/few/hosts/{one.pk}" for one in Host.objects.all()]
    together = threading.Barrier(2)

    def remove(address: str) -> int:
        client = api("olga")
        try:
            together.wait(60)
            return int(client.delete(address).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(remove, addresses)) == [202, 409]
    assert Host.objects.filter(leaving=False).count() == 1
