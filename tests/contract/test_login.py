"""Logging in to a real studio, and what a wrong token meets."""

import json

import pytest

from zaffre.core import Workspace
from zaffre.errors import NotFound, Unauthenticated

pytestmark = pytest.mark.stack


def test_login_then_every_command_works(studio, home):
    clean = {"HOME": str(home), "ZAFFRE_VAR": "", "ZAFFRE_TOKEN": studio.known["token"]}
    done = studio.zaffre("login", studio.url, cwd=home, **clean)
    assert done.returncode == 0, done.stderr
    assert studio.known["token"] not in done.stdout + done.stderr
    listed = studio.zaffre("workspace", "list", "--json", cwd=home, **{**clean, "ZAFFRE_TOKEN": ""})
    assert json.loads(listed.stdout)["workspaces"]


def test_a_wrong_token_and_a_strange_workspace(studio):
    with pytest.raises(Unauthenticated):
        Workspace.get("main", url=studio.url, token=studio.known["token"][:-1] + "x")
    with pytest.raises(NotFound):
        Workspace.get("nobody-has-this", url=studio.url, token=studio.known["token"])


def test_workspaces_are_founded_listed_and_written_down(studio, home):
    told = {"url": studio.url, "token": studio.known["token"]}
    made = Workspace.create("contract-lab", exist_ok=True, **told)
    assert "contract-lab" in Workspace.list(**told)
    assert Workspace.create("contract-lab", exist_ok=True, **told).get_details()["slug"] == "contract-lab"
    assert made.get_mlflow_tracking_uri() == f"{studio.url}/mlflow/contract-lab"
