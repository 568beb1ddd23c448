"""Secrets in what code prints: none gets through in any piece or form, and nothing else is changed."""

import base64
import json
import random
from urllib.parse import quote, quote_plus

import pytest

from zaffre.agent.masking import MASK, Masker, forms

SECRET = 'hunter2+/"ä=pass\\word'


def masked(text: bytes, *values: str, pieces: int = 0) -> bytes:
    masker, dice, out = Masker(values), random.Random(pieces), b""
    while text:
        size = dice.randint(1, pieces) if pieces else len(text)
        out += masker.feed(text[:size])
        text = text[size:]
    return out + masker.flush()


WAYS = {
    "plain": SECRET.encode(),
    "json": json.dumps({"password": SECRET}).encode(),
    "json as it is": json.dumps({"password": SECRET}, ensure_ascii=False).encode(),
    "repr": repr(SECRET).encode(),
    "address": quote(SECRET, safe="").encode(),
    "form": quote_plus(SECRET).encode(),
    **{f"base64 at {n}": base64.b64encode(b"u" * n + SECRET.encode() + b"tail") for n in range(4)},
    "base64 for addresses": base64.urlsafe_b64encode(SECRET.encode()),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pieces", [0, 1, 3, 17])
def test_a_secret_is_found_in_every_form_and_in_every_piece(way, pieces):
    text = b"before " + WAYS[way] + b" after\n" + b"x" * 50
    found = masked(text, SECRET, pieces=pieces)
    assert MASK in found
    assert found.startswith(b"before ") and found.endswith(b" after\n" + b"x" * 50)
    for form in forms(SECRET):
        assert form not in found
    if way.startswith("base64 at"):
        # What is left of it are the letters of what stands around the secret, and two that it shares with these.
        assert len(found.split()[1].replace(MASK, b"")) <= 14


@pytest.mark.parametrize("pieces", [0, 1, 5, 1000])
def test_what_is_no_secret_comes_out_byte_for_byte(pieces):
    dice = random.Random(8)
    # Beginnings of the secret everywhere, and bytes of every kind.
    text = b"".join(dice.choice([b"hunter", b"hunter2+/", b"\0\xff", b"\n", dice.randbytes(9)]) for _ in range(3000))
    assert masked(text, SECRET, pieces=pieces) == text


def test_secrets_that_lie_over_each_other_are_masked_as_one():
    assert masked(b"<abcdefghij>", "abcdef", "defghij") == b"<***>"
    assert masked(b"<abcdefghij>", "abcdefghij", "cdefgh") == b"<***>"
    assert masked(b"abcdefabcdef", "abcdef") == MASK * 2
    for pieces in range(1, 12):
        assert masked(b"-abcdefghijklm-", "abcdefghijkl", "cdefgh", "hijklm", pieces=pieces) == b"-***-"


def test_a_naive_search_finds_the_same():
    dice = random.Random(3)
    for _ in range(200):
        words = ["".join(dice.choice("ab") for _ in range(dice.randint(6, 9))) for _ in range(3)]
        text = "".join(dice.choice("ab") for _ in range(120)).encode()
        found = masked(text, *words, pieces=dice.randint(1, 9))
        covered = bytearray(len(text))
        for form in {form for word in words for form in forms(word)}:
            at = text.find(form)
            while at >= 0:
                covered[at : at + len(form)] = b"x" * len(form)
                at = text.find(form, at + 1)
        assert found.replace(MASK, b"") == bytes(b for b, hidden in zip(text, covered, strict=True) if not hidden)


def test_lines_of_a_key_are_secrets_and_short_words_are_not():
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nshort\nkqhkiG9w0BAQEF\n"
    found = masked(b"got MIIEvQIBADANBg here\nand short\nkqhkiG9w0BAQEF\n", key)
    assert found == b"got *** here\nand short\n***\n"
    assert masked(b"yes no", "yes", "no") == b"yes no"


def test_what_may_be_a_beginning_waits_and_is_given_out_when_it_is_none():
    masker = Masker([SECRET])
    assert masker.feed(b"pass it: hunt") == b"pass it: "
    assert masker.waiting
    assert masker.feed(b"ing") == b"hunting" and not masker.waiting
    assert masker.feed(b"hunter2") == b""
    assert masker.flush() == b"hunter2" and not masker.waiting


def test_two_streams_do_not_mix():
    one = Masker([SECRET])
    other = one.fork()
    half = SECRET.encode()
    assert one.feed(half[:9]) == b"" and other.feed(half[9:]) == half[9:]
    assert one.feed(half[9:]) == MASK


def test_without_secrets_nothing_is_looked_at():
    assert not Masker([]) and Masker([]).feed(b"abc") == b"abc"
