"""The ring of keys and what it opens: nothing in another's place, keys that change while everything goes on."""

import base64
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from studio.kernel import envelope, keyring
from studio.kernel.errors import Unavailable


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture(autouse=True)
def ring_file(settings, tmp_path) -> Path:
    settings.KEKS, settings.ACTIVE_KEK = {}, ""
    settings.KEY_RING = str(tmp_path / "keyring.json")
    return tmp_path / "keyring.json"


def test_what_is_sealed_opens_in_its_own_place_only():
    sealed = envelope.seal("hunter2 hunter2", context="a")
    assert envelope.unseal(sealed, context="a") == "hunter2 hunter2"
    assert b"hunter2" not in sealed.content + sealed.wrapped
    with pytest.raises(Unavailable):
        envelope.unseal(sealed, context="b")


def test_the_same_value_never_looks_the_same():
    one, two = (envelope.seal("the same value", context="a") for _ in range(2))
    assert (one.content, one.wrapped) != (two.content, two.wrapped)
    with pytest.raises(Unavailable):
        envelope.unseal(replace(one, content=two.content), context="a")


@pytest.mark.parametrize("part", ["content", "wrapped"])
def test_a_changed_bit_is_seen(part):
    sealed = envelope.seal("some value", context="a")
    raw = bytearray(getattr(sealed, part))
    raw[-1] ^= 1
    with pytest.raises(Unavailable):
        envelope.unseal(replace(sealed, **{part: bytes(raw)}), context="a")


def test_an_opened_value_does_not_show_itself():
    value = envelope.unseal(envelope.seal("hunter2 hunter2", context="a"), context="a")
    assert "hunter2" not in repr(value) + repr({"value": value}) + repr([value])
    assert json.dumps(value) == '"hunter2 hunter2"'


def test_without_a_ring_the_key_comes_from_the_studios_own_and_is_named(settings):
    sealed = envelope.seal("some value", context="a")
    assert sealed.kek_id.startswith("derived-")
    settings.SECRET_KEY = "another key of the studio, long enough"
    with pytest.raises(Unavailable, match=sealed.kek_id):
        envelope.unseal(sealed, context="a")


def test_a_key_that_is_added_and_made_active_is_seen_at_once(ring_file):
    old = envelope.seal("some value", context="a")
    keyring.add("k2")
    assert envelope.seal("other value", context="a").kek_id == old.kek_id, "a new key encrypts nothing yet"
    assert keyring.activate("k2")
    new = envelope.seal("other value", context="a")
    assert new.kek_id == "k2"
    assert envelope.unseal(old, context="a") == "some value"
    assert ring_file.stat().st_mode & 0o777 == 0o600
    moved = envelope.rewrap(old, to="k2", context="a")
    assert moved.kek_id == "k2"
    assert moved.content == old.content
    assert envelope.unseal(moved, context="a") == "some value"


def test_a_key_of_the_same_name_and_other_bytes_is_told_from_damage(settings):
    settings.KEKS = {"k1": key()}
    sealed = envelope.seal("some value", context="a")
    settings.KEKS = {"k1": key()}
    assert not envelope.opens(sealed, context="a")
    with pytest.raises(Unavailable, match="'k1'") as refused:
        envelope.unseal(sealed, context="a")
    assert refused.value.code == "wrong_key"


def test_of_several_keys_one_has_to_be_named(settings):
    settings.KEKS = {"k1": key(), "k2": key()}
    with pytest.raises(Unavailable, match="ZAFFRE_ACTIVE_KEK"):
        envelope.seal("some value", context="a")
    settings.ACTIVE_KEK = "k2"
    assert envelope.seal("some value", context="a").kek_id == "k2"


@pytest.mark.parametrize("text", ["short", "", "%%%", base64.b64encode(b"x" * 16).decode()])
def test_a_key_that_is_none_is_refused_without_being_shown(settings, text):
    settings.KEKS = {"k1": text or " "}
    with pytest.raises(Unavailable, match="32 bytes") as refused:
        envelope.seal("some value", context="a")
    assert not text or text not in refused.value.message


def test_a_file_that_is_no_ring_says_what_it_should_be(ring_file):
    ring_file.write_text("[]")
    with pytest.raises(Unavailable, match="active"):
        keyring.ring()
