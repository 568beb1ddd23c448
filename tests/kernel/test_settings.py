"""Values of the environment that cannot be meant stop the start, with what to do."""

import pytest

from studio.env import BadSetting, envbool, envfloat, envlist, envnetworks, envsecret


@pytest.mark.parametrize(
    ("environment", "file"),
    [({}, ""), ({}, "short"), ({"KEY": "short"}, "f" * 32), ({"KEY_FILE": "/nowhere"}, "f" * 32)],
)
def test_there_is_no_start_without_a_key_that_nobody_guesses(monkeypatch, tmp_path, environment, file):
    (tmp_path / "key").write_text(file)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match="make up"):
        envsecret("KEY", tmp_path / "key")


def test_a_key_is_taken_from_the_environment_or_a_file(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("f" * 32 + "\n")
    assert envsecret("KEY", tmp_path / "key") == "f" * 32
    monkeypatch.setenv("KEY", "e" * 40)
    assert envsecret("KEY", tmp_path / "key") == "e" * 40


def test_what_is_no_number_and_neither_yes_nor_no_is_said(monkeypatch):
    monkeypatch.setenv("SOME", "many")
    with pytest.raises(BadSetting, match="SOME='many'"):
        envfloat("SOME", 1)
    with pytest.raises(BadSetting, match="SOME='many'"):
        envbool("SOME", False)
    monkeypatch.setenv("SOME", "a, b,,")
    assert envlist("SOME", "") == ["a", "b"]


def test_what_is_no_network_is_refused_before_anything_starts(monkeypatch):
    assert envnetworks("SOME", "10.0.0.0/8, fc00::/7") == ["10.0.0.0/8", "fc00::/7"]
    for wrong in ("10.0.0.0/8 127.0.0.0/8", "10.0.0.0/8,inside"):
        monkeypatch.setenv("SOME", wrong)
        with pytest.raises(BadSetting, match="is no network"):
            envnetworks("SOME", "")
