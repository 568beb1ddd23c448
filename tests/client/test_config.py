"""Which studio, which workspace, whose token."""

import json
import os

import pytest

from tests.client.studio import TOKEN
from zaffre import config
from zaffre.core import Workspace
from zaffre.errors import ConfigError


def studio_file(folder, url, token="host-token"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "studio.json").write_text(json.dumps({"url": url, "token": token, "workspace": "main", "password": "p"}))


def test_nothing_known_says_how():
    with pytest.raises(ConfigError, match="zaffre login"):
        config.find_login()


def test_the_login_file_is_private_and_holds_several_studios(home):
    config.keep_profile("default", url="https://a.example", token="ta", workspace="main")
    file = config.keep_profile("other", url="https://b.example", token="tb", workspace="lab")
    assert file == home / ".zaffre" / "config.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert config.find_login().url == "https://b.example"
    assert config.find_login(profile="default").token == "ta"
    assert config.find_login(url="https://a.example").token == "ta"
    with pytest.raises(ConfigError, match="nobody"):
        config.find_login(profile="nobody")


def test_the_studio_of_this_host_works_at_once(home, tmp_path, monkeypatch):
    studio_file(home / "work" / "var", "http://localhost:8000")
    deep = home / "work" / "examples" / "quickstart"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    login = config.find_login()
    assert (login.url, login.token, login.workspace) == ("http://localhost:8000", "host-token", "main")
    # What was said outright wins: the folder that a variable names, then a login.
    config.keep_profile("default", url="https://a.example", token="ta", workspace="main")
    assert config.find_login().url == "https://a.example"
    studio_file(tmp_path / "srv", "http://localhost:9000")
    monkeypatch.setenv("ZAFFRE_VAR", str(tmp_path / "srv"))
    assert config.find_login().url == "http://localhost:9000"


def test_the_environment_of_make_up_finds_its_studio_from_every_folder(tmp_path, monkeypatch):
    studio_file(tmp_path / "clone" / "var", "http://localhost:8000")
    monkeypatch.setattr(config.sys, "prefix", str(tmp_path / "clone" / ".venv"))
    assert config.find_login().token == "host-token"


def test_a_studio_file_of_somebody_else_is_not_believed(home, monkeypatch):
    studio_file(home / "work" / "var", "http://localhost:8000")
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    if (home / "work" / "var" / "studio.json").stat().st_uid == 0:
        assert config.find_login().url == "http://localhost:8000"  # root may speak for the host
    else:
        with pytest.raises(ConfigError):
            config.find_login()


def test_a_token_goes_only_where_it_was_given_for(monkeypatch):
    config.keep_profile("default", url="https://a.example", token="ta", workspace="main")
    with pytest.raises(ConfigError, match="no token"):
        config.find_login(url="https://evil.example")
    monkeypatch.setenv("ZAFFRE_URL", "https://a.example")
    monkeypatch.setenv("ZAFFRE_TOKEN", "te")
    assert config.find_login().token == "te"
    with pytest.raises(ConfigError, match="no token"):
        config.find_login(url="https://evil.example")
    monkeypatch.delenv("ZAFFRE_URL")
    # A token without an address is for the address that was typed, and not for one that a file names.
    assert config.find_login(url="https://b.example").token == "te"
    with pytest.raises(ConfigError, match="no token"):
        config.find_login(url="https://evil.example", trusted=False)
    assert config.find_login(url="https://a.example", trusted=False).token == "ta"


@pytest.mark.parametrize("place", [".zaffre", ".azureml", "."])
def test_from_config_looks_upwards(studio, home, monkeypatch, place):
    folder = home / "work" / place
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"workspace_name": "main", "subscription_id": "x"}))
    deep = home / "work" / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    monkeypatch.setenv("ZAFFRE_URL", studio.url)
    monkeypatch.setenv("ZAFFRE_TOKEN", TOKEN)
    assert Workspace.from_config().name == "main"
    assert Workspace.from_config(str(folder / "config.json")).name == "main"


def test_write_config_is_found_again_and_holds_no_token(studio, space, home, monkeypatch):
    config.keep_profile("default", url=studio.url, token=TOKEN, workspace="")
    path = space.write_config()
    assert TOKEN not in (home / "work" / path).read_text()
    assert Workspace.from_config().name == "main"


def test_from_config_names_the_searched_places(home):
    with pytest.raises(ConfigError) as told:
        Workspace.from_config()
    assert str(home / "work") in str(told.value)
    assert ".azureml/config.json" in str(told.value)


def test_the_login_file_is_no_workspace_file(home, monkeypatch):
    config.keep_profile("default", url="https://a.example", token="ta", workspace="main")
    monkeypatch.chdir(home)
    assert config.find_workspace_file()[0] is None


def test_from_config_without_a_file_takes_the_login(studio):
    config.keep_profile("default", url=studio.url, token=TOKEN, workspace="main")
    assert Workspace.from_config().name == "main"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://a.example/", "https://a.example"),
        ("a.example", "https://a.example"),
        ("localhost:8000", "http://localhost:8000"),
    ],
)
def test_addresses_are_kept_in_one_spelling(typed, kept):
    assert config.clean_url(typed) == kept


@pytest.mark.parametrize("typed", ["", "ftp://a", "https://", "https://user:pw@a.example", "https://a.example/?t=1"])
def test_an_address_that_cannot_be_one_is_refused(typed):
    with pytest.raises(ConfigError):
        config.clean_url(typed)


def test_a_broken_login_file_is_named(home):
    (home / ".zaffre").mkdir()
    (home / ".zaffre" / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json cannot be read"):
        config.find_login()


def test_a_login_does_not_show_its_token():
    assert TOKEN not in repr(config.Login("https://a", TOKEN, "main", "here"))
