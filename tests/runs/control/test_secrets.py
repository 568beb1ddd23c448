"""Secrets of runs: named at the submit, given at the claim, asked for while it runs; with the submitter's rights."""

import json

import pytest
from django.db import connection

from runs.models import Attempt, Run
from tests.runs.control.conftest import WS, FakeCode, bearer
from workspace.audit.models import Entry
from workspace.models import Membership, Role

VALUE = "plum-Tree-4711"


@pytest.fixture
def vault(yard, api):
    for name, value in [("db-password", VALUE), ("wandb", "another value")]:
        made = api("olga").post(f"{WS}/secrets", {"name": name, "value": value}, format="json")
        assert made.status_code == 201
    return api("olga")


def test_a_run_gets_what_it_names_and_nothing_is_kept(carl, node, vault):
    run = carl.submit(secrets=["db-password", "WANDB_API_KEY=wandb"])
    named = ["ZAFFRE_SECRET_DB_PASSWORD=db-password", "WANDB_API_KEY=wandb"]
    assert run.config["secrets"] == named
    nonce = "the same word of chance"
    spec = node.claim(nonce=nonce)
    assert spec["secrets"] == {"db-password": VALUE, "wandb": "another value"}
    assert node.claim(nonce=nonce)["secrets"] == spec["secrets"], "a claim whose answer was cut is answered the same"
    told = Entry.objects.filter(action="secret.give").first()
    assert (told.fields["run"], told.fields["secrets"]) == (run.pk, ["db-password", "wandb"])
    assert VALUE not in json.dumps(carl.look(run))
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{VALUE}%"])
            assert cursor.fetchone() == (0,), table


def test_nothing_is_given_to_a_run_that_names_nothing(carl, node, vault):
    carl.submit()
    assert node.claim()["secrets"] == {}
    assert not Entry.objects.filter(action="secret.give").exists()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (["db-pasword"], "Did you mean 'db-password'"),
        (["not a name"], "one entry is neither"),
        (["A=db-password", "A=wandb"], "set twice"),
        ("db-password", "is a list"),
        ([{"name": "x"}], "one entry is neither"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_submit(carl, vault, named, said):
    refused = carl.try_submit(secrets=named)
    assert refused.status_code == 422
    assert said in refused.json()["error"]["message"]
    assert not Run.objects.exists()


def test_a_value_in_place_of_a_name_is_not_repeated(carl, vault):
    assert "p@ssw0rd!" not in carl.try_submit(secrets=["p@ssw0rd!"]).content.decode()


def test_a_secret_and_a_variable_do_not_take_the_same_place(carl, vault):
    refused = carl.try_submit(secrets=["TOKEN=wandb"], environment_variables={"TOKEN": "x"})
    assert refused.status_code == 422


def test_a_run_whose_secret_is_gone_fails_with_its_name(carl, node, vault):
    run = carl.submit(secrets=["wandb"])
    vault.delete(f"{WS}/secrets/wandb")
    assert node.ask().status == 204
    run.refresh_from_db()
    assert (run.status, run.reason_code) == ("failed", "secret_gone")
    assert "wandb" in run.reason


def test_who_was_made_a_reader_gets_no_secrets_any_more(carl, node, vault, people):
    carl.submit(secrets=["wandb"])
    Membership.objects.filter(user=people.carl).update(role=Role.READER)
    assert node.ask().status == 204
    assert Run.objects.get().reason_code == "submitter_gone"


# --- running code -----------------------------------------------------------------------------------------------


@pytest.fixture
def code(carl, node, vault) -> FakeCode:
    carl.submit()
    made = FakeCode(node.claim())
    made.start()
    return made


def test_code_asks_for_values_by_name(code):
    answer = code.post("secrets", names=["db-password", "nothing"])
    assert answer.json() == {"secrets": {"db-password": VALUE, "nothing": None}}
    assert answer["Cache-Control"] == "no-store"
    told = Entry.objects.get(action="secret.read")
    assert (told.fields["secrets"], told.fields["for"]) == (["db-password"], "carl")


def test_code_reads_nothing_once_its_run_has_ended(code):
    code.end()
    assert code.post("secrets", names=["wandb"]).status_code in {401, 409}


def test_code_of_a_lost_attempt_reads_nothing(code):
    Run.objects.update(attempt_no=2)
    refused = code.post("secrets", names=["wandb"])
    assert refused.status_code in {401, 409}
    assert VALUE not in refused.content.decode()


def test_code_reads_with_the_rights_that_its_submitter_has_now(code, people):
    Membership.objects.filter(user=people.carl).update(role=Role.READER)
    assert code.post("secrets", names=["wandb"]).status_code == 403
    Membership.objects.filter(user=people.carl).delete()
    assert code.post("secrets", names=["wandb"]).status_code == 404


def test_nobody_else_enters_by_this_door(code, node, api, carl):
    at = f"{code.at}/secrets"
    body = {"names": ["wandb"]}
    assert bearer(node.token).post(at, body, format="json").status_code == 403
    assert api("olga").post(at, body, format="json").status_code == 403
    assert api(None).post(at, body, format="json").status_code == 401
    carl.submit()
    other = FakeCode(node.claim())
    assert bearer(other.spec["token"]).post(at, body, format="json").status_code == 404
    assert Attempt.objects.count() == 2


def test_code_cannot_read_by_the_door_of_people(code):
    assert bearer(code.spec["token"]).get(f"{WS}/secrets/wandb/value").status_code == 403
    assert bearer(code.spec["token"]).get(f"{WS}/secrets").status_code == 403
