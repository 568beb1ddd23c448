"""What the first start makes, and that later ones repair it and change nothing else."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from workspace.accounts.models import Token, User
from workspace.compute.models import Enrolment
from workspace.models import Membership, Workspace


@pytest.fixture
def place(settings, tmp_path, db):
    settings.VAR_DIR = tmp_path
    settings.PUBLIC_URL = "http://localhost:8000"
    return tmp_path


def bootstrap() -> dict[str, str]:
    out = io.StringIO()
    call_command("bootstrap", "--json", stdout=out)
    return json.loads(out.getvalue())


def known(place) -> dict[str, str]:
    return json.loads((place / "studio.json").read_text())


def me(token: str):
    return Client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


def test_the_first_start_makes_an_administrator_a_workspace_a_token_and_an_invitation(place):
    made = bootstrap()
    found = known(place)
    assert found == {
        "url": "http://localhost:8000",
        "admin": "admin",
        "password": made["password"],
        "token": found["token"],
        "workspace": "main",
    }
    for file in ("studio.json", "node/node.json"):
        assert (place / file).stat().st_mode & 0o777 == 0o600
    answer = me(found["token"]).json()
    assert answer["user"]["is_admin"] is True
    assert answer["workspaces"] == [{"slug": "main", "name": "Main", "role": "owner"}]
    assert Client().login(username="admin", password=made["password"])
    node = json.loads((place / "node" / "node.json").read_text())
    assert (node["url"], node["target"]) == ("http://localhost:8000", "local")
    assert node["token"].startswith("zaf_reg_")
    target = Client().get(
        "/api/v1/workspaces/main/compute/local", headers={"Authorization": f"Bearer {found['token']}"}
    )
    assert target.status_code == 200


def test_the_second_start_changes_nothing_and_tells_no_password(place):
    bootstrap()
    before, node = known(place), (place / "node" / "node.json").read_text()
    assert bootstrap() == {}
    assert known(place) == before
    assert (place / "node" / "node.json").read_text() == node
    counts = [table.objects.count() for table in (User, Workspace, Membership, Token, Enrolment)]
    assert counts == [1, 1, 1, 1, 1]


def test_a_token_or_invitation_that_ends_soon_is_made_anew(place):
    bootstrap()
    before, node = known(place), json.loads((place / "node" / "node.json").read_text())
    Token.objects.update(expires=timezone.now() + timedelta(days=2))
    Enrolment.objects.update(expires=timezone.now() - timedelta(seconds=1))
    bootstrap()
    assert known(place)["token"] != before["token"]
    assert me(known(place)["token"]).status_code == 200
    assert json.loads((place / "node" / "node.json").read_text())["token"] != node["token"]


def test_a_lost_file_is_written_again_without_touching_the_password(place):
    made = bootstrap()
    (place / "studio.json").unlink()
    assert bootstrap() == {}
    assert known(place)["password"] == ""
    assert me(known(place)["token"]).status_code == 200
    assert Client().login(username="admin", password=made["password"])


def test_a_new_address_reaches_the_files(place, settings):
    bootstrap()
    settings.PUBLIC_URL = "http://localhost:8100"
    bootstrap()
    assert known(place)["url"] == "http://localhost:8100"
    assert json.loads((place / "node" / "node.json").read_text())["url"] == "http://localhost:8100"


def test_broken_files_are_repaired(place):
    bootstrap()
    (place / "studio.json").write_text("{half")
    (place / "node" / "node.json").write_text("[]")
    bootstrap()
    assert me(known(place)["token"]).status_code == 200
    assert json.loads((place / "node" / "node.json").read_text())["token"].startswith("zaf_reg_")
