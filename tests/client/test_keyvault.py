"""Secrets by SDK and command: from a prompt or a pipe, never from words, and by a run's own token inside of one."""

import json

import pytest

from tests.client.studio import RUN, Reply, W
from zaffre.cli.secret import asked
from zaffre.errors import UserErrorException

VALUE = "plum-Tree-4711"


def test_a_value_comes_from_standard_input_and_is_not_printed(studio, zaffre):
    studio.next(f"POST {W}/secrets", Reply(201, {"name": "db", "version": 1}))
    done = zaffre("secret", "set", "db", input=f"{VALUE}\n")
    assert done.returncode == 0, done.stderr
    assert studio.asked("POST", f"{W}/secrets")[0].json == {"name": "db", "value": VALUE}
    assert VALUE not in done.stdout + done.stderr


def test_only_the_last_line_end_is_taken_away(studio, zaffre):
    studio.next(f"POST {W}/secrets", Reply(201, {"name": "key", "version": 1}))
    zaffre("secret", "set", "key", input="-----BEGIN-----\nabc\n-----END-----\n\n")
    assert studio.asked("POST", f"{W}/secrets")[0].json["value"].endswith("-----END-----\n")


def test_there_is_no_word_for_a_value(zaffre):
    assert zaffre("secret", "set", "db", VALUE).returncode == 2
    assert zaffre("secret", "set", "db", "--value", VALUE).returncode == 2
    assert zaffre("secret", "set", "db").returncode == 1, "nothing came"


def test_a_value_is_typed_twice_where_nobody_sees_it(monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    typed = iter([VALUE, "something else"])
    monkeypatch.setattr("getpass.getpass", lambda question: next(typed))
    with pytest.raises(UserErrorException, match="not the same"):
        asked("Value: ")


def test_show_prints_a_value_only_when_asked(studio, zaffre):
    found = {"name": "db", "version": 2, "description": "", "updated": None, "versions": []}
    studio.next(f"GET {W}/secrets/db", Reply(200, found))
    assert "version" in zaffre("secret", "show", "db").stdout
    studio.next(f"GET {W}/secrets/db/value", Reply(200, {"name": "db", "value": VALUE}))
    assert zaffre("secret", "show", "db", "--value").stdout == f"{VALUE}\n"


def test_list_delete_and_restore(studio, zaffre):
    one = {"name": "db", "version": 1, "description": "of the lab", "updated": None}
    studio.next(f"GET {W}/secrets", Reply(200, {"secrets": [one], "deleted": []}))
    assert "of the lab" in zaffre("secret", "list").stdout
    assert zaffre("secret", "delete", "db").returncode == 1, "nobody can be asked"
    studio.next(f"DELETE {W}/secrets/db", Reply(204))
    assert "zaffre secret restore db" in zaffre("secret", "delete", "db", "--yes").stdout
    studio.next(f"POST {W}/secrets/db/restore", Reply(200, one))
    assert json.loads(zaffre("secret", "restore", "db", "--json").stdout)["name"] == "db"


def test_submit_names_secrets(studio, zaffre, home):
    (home / "work" / "train.py").write_text("print(1)\n")
    words = ["--secret", "db", "--secret", "WANDB_API_KEY=wandb", "--json", "--", "train.py"]
    assert zaffre("run", "submit", "--experiment", "first", *words).returncode == 0
    sent = studio.submitted[0].json
    assert sent["config"]["secrets"] == ["db", "WANDB_API_KEY=wandb"]


def test_the_keyvault_of_a_workspace(studio, space):
    vault = space.get_default_keyvault()
    studio.next(f"POST {W}/secrets", Reply(201, {"name": "db", "version": 1}))
    vault.set_secret("db", VALUE)
    studio.next(f"GET {W}/secrets", Reply(200, {"secrets": [{"name": "db"}], "deleted": []}))
    assert vault.list_secrets() == ["db"]
    studio.next(f"GET {W}/secrets/db/value", Reply(200, {"name": "db", "value": VALUE}))
    studio.next(f"GET {W}/secrets/nothing/value", Reply(404, {"error": {"code": "not_found", "message": "no"}}))
    assert vault.get_secrets(["db", "nothing"]) == {"db": VALUE, "nothing": None}
    studio.next(f"DELETE {W}/secrets/db", Reply(204))
    vault.delete_secret("db")
    assert VALUE not in repr(vault)


def test_inside_a_run_the_runs_own_token_asks(studio, inside):
    from zaffre.core import Run

    run = Run.get_context()
    at = f"/agent/v1/runs/{RUN}/secrets"
    studio.next(f"POST {at}", *[Reply(200, {"secrets": {"db": VALUE}})] * 2)
    assert run.get_secret("db") == VALUE
    assert run.experiment.workspace.get_default_keyvault().get_secret("db") == VALUE
    assert [call.json for call in studio.asked("POST", at)] == [{"names": ["db"]}] * 2
