"""MLflow's add-on for people before our accounts, members and roles."""

import json

import pytest

from studio.mlflow import rights
from tests.conftest import PASSWORD, People
from tests.kernel.asgi import Answer, Caller
from tests.mlflow.client import tell
from tests.mlflow.conftest import Enter, refusal
from tests.mlflow.test_people import DENIED, HIDDEN, OK, basic, outcome
from tests.runs.telemetry import ask
from tests.stack.running import Studio
from workspace.audit.models import Entry
from workspace.models import Membership

NEW = "correct horse battery"
UNKNOWN, FIXED = (401, "UNAUTHENTICATED"), (501, "NOT_IMPLEMENTED")
BAD = (400, "INVALID_PARAMETER_VALUE")


async def call(caller: Caller, method: str, path: str, **fields: object) -> Answer:
    version = "3.0" if "roles" in path or "permissions" in path else "2.0"
    address = f"/mlflow/lab/api/{version}/mlflow/{path}"
    if method == "GET":
        return await caller.get(f"{address}?{'&'.join(f'{key}={value}' for key, value in fields.items())}")
    return await caller.call(method, address, json.dumps(fields).encode())


async def test_who_may_do_what_with_people(enter: Enter):
    member = {"olga": OK, "carl": OK, "rio": OK, "mallory": HIDDEN, "ada": OK, None: UNKNOWN}
    owner = {"olga": OK, "carl": DENIED, "rio": DENIED, "mallory": HIDDEN, "ada": DENIED, None: UNKNOWN}
    admin = {**owner, "olga": DENIED, "ada": OK}
    calls = [
        (member, "GET", "users/get", {"username": "carl"}),
        (member, "GET", "users/list", {}),
        (member, "GET", "users/current", {}),
        (member, "GET", "users/current/permissions", {}),
        (member, "GET", "users/permissions/list", {"username": "rio"}),
        (member, "GET", "users/permissions/get", {"username": "rio", "resource_type": "run", "resource_id": "*"}),
        (member, "GET", "users/roles/list", {"username": "rio"}),
        (member, "GET", "roles/list", {"workspace": "lab"}),
        (member, "GET", "roles/get", {"role_id": 2}),
        (member, "GET", "roles/permissions/list", {"role_id": "3"}),
        (member, "GET", "roles/users/list", {"role_id": 1}),
        (admin, "POST", "users/create", {"username": "nina", "password": NEW}),
        (owner, "POST", "roles/assign", {"username": "nina", "role_id": 3}),
        (owner, "DELETE", "roles/unassign", {"username": "nina", "role_id": 3}),
        (admin, "PATCH", "users/update-admin", {"username": "nina", "is_admin": True}),
        (admin, "DELETE", "users/delete", {"username": "nina"}),
    ]
    wrong = {}
    for wanted, method, path, fields in calls:
        # Who may change something comes last.
        for name in sorted(wanted, key=lambda one: wanted[one] == OK):
            got = outcome(await call(enter(name).caller, method, path, **fields))
            if got != wanted[name]:
                wrong[path, name] = got
    assert wrong == {}


async def test_rights_are_what_the_role_has(enter: Enter):
    olga = enter("olga")
    number = await olga.experiment()
    await olga.post("registered-models/create", name="m")
    found = {}
    for username in ("olga", "carl", "rio"):
        for kind, thing in [("experiment", number), ("experiment", "999"), ("registered_model", "m"), ("scorer", "*")]:
            told = await call(
                olga.caller,
                "GET",
                "users/permissions/get",
                username=username,
                resource_type=kind,
                resource_id=thing,
            )
            found[username, kind, thing] = (told.json()["permission"], told.json()["allowed"])
    wanted = {"olga": ("MANAGE", True), "carl": ("EDIT", True), "rio": ("READ", False)}
    for username, kind, thing in found:
        there = thing in (number, "m")
        assert found[username, kind, thing] == (wanted[username] if there else ("NO_PERMISSIONS", False))
    rows = (await call(olga.caller, "GET", "users/permissions/list", username="rio")).json()
    assert {one["permission"] for one in rows["permissions"]} == {"READ"}
    assert rows["is_admin"] is False
    assert rights.grants("labeler") == []
    older = await olga.get("experiments/permissions/get", experiment_id=number, username="carl")
    assert older.json()["experiment_permission"]["permission"] == "EDIT"
    older = await olga.get("registered-models/permissions/get", name="m", username="rio")
    assert older.json()["registered_model_permission"]["permission"] == "READ"
    assert refusal(await olga.get("registered-models/permissions/get", name="n", username="rio")) == HIDDEN


async def test_a_role_is_given_and_taken(enter: Enter, people: People):
    olga = enter("olga").caller
    assert refusal(await call(olga, "POST", "roles/assign", username="rio", role_id=2)) == (
        400,
        "RESOURCE_ALREADY_EXISTS",
    )
    assert refusal(await call(olga, "DELETE", "roles/unassign", username="rio", role_id=2)) == HIDDEN
    assert (await call(olga, "DELETE", "roles/unassign", username="rio", role_id=3)).json() == {}
    assert refusal(await enter("rio").get("registered-models/search")) == HIDDEN
    made = (await call(olga, "POST", "roles/assign", username="rio", role_id=2)).json()["assignment"]
    assert (made["user_id"], made["role_id"]) == (people.rio.pk, 2)
    assert (await enter("rio").post("registered-models/create", name="m")).status == 200
    last = await call(olga, "DELETE", "roles/unassign", username="olga", role_id=1)
    assert refusal(last) == (409, "RESOURCE_CONFLICT")
    assert refusal(await call(olga, "POST", "roles/assign", username="mallory", role_id=9)) == HIDDEN
    assert refusal(await call(olga, "POST", "roles/assign", username="nobody", role_id=3)) == BAD
    lines = await ask(lambda: list(Entry.objects.filter(action__startswith="member.").values_list("action", "target")))
    assert sorted(lines) == [("member.add", "rio"), ("member.remove", "rio")]


async def test_what_would_not_be_kept_is_refused(enter: Enter):
    thing = {"username": "rio", "resource_type": "experiment", "resource_id": "1", "permission": "MANAGE"}
    for method, path in [
        ("POST", "users/permissions/grant"),
        ("POST", "users/permissions/revoke"),
        ("POST", "roles/create"),
        ("PATCH", "roles/update"),
        ("DELETE", "roles/delete"),
        ("POST", "roles/permissions/add"),
        ("DELETE", "roles/permissions/remove"),
        ("PATCH", "roles/permissions/update"),
    ]:
        answer = await call(enter("olga").caller, method, path, **thing)
        assert refusal(answer) == FIXED
        assert "roles/assign" in answer.json()["message"]
        assert refusal(await call(enter("mallory").caller, method, path, **thing)) == HIDDEN
    older = await enter("olga").post("experiments/permissions/create", experiment_id="1", username="rio")
    assert refusal(older) == FIXED
    assert await ask(lambda: Membership.objects.get(user__username="rio").role) == "reader"


async def test_a_password_is_its_owners(app, enter: Enter, people: People, caplog):
    rio = basic(app, "rio", PASSWORD).caller
    change = ("PATCH", "users/update-password")
    for name in ("olga", "ada"):
        assert refusal(await call(enter(name).caller, *change, username="rio", password=NEW)) == DENIED
    assert refusal(await call(rio, *change, username="rio", password=NEW)) == BAD
    wrong = await call(rio, *change, username="rio", password=NEW, current_password="tried-this-one")
    assert refusal(wrong) == BAD
    weak = await call(rio, *change, username="rio", password="swordfish", current_password=PASSWORD)
    assert refusal(weak) == BAD
    done = await call(rio, *change, username="rio", password=NEW, current_password=PASSWORD)
    assert (done.status, done.json()) == (200, {})
    assert (await call(basic(app, "rio", NEW).caller, "GET", "users/current")).json()["user"]["username"] == "rio"
    audit = str(await ask(lambda: list(Entry.objects.values_list("action", "target", "fields"))))
    assert "password.change" in audit
    for secret in (NEW, PASSWORD, "tried-this-one", "swordfish"):
        assert secret not in audit + caplog.text + wrong.body.decode() + weak.body.decode()


@pytest.mark.parametrize(
    "odd", [["s3cret-word"], {"a": "s3cret-word"}, 12345678, True, "", None, "short", "\ud800ab" * 9]
)
async def test_no_refusal_tells_a_password(enter: Enter, caplog, odd):
    for field in ("password", "current_password", "username"):
        fields = {"username": "nina", "password": NEW, "current_password": NEW, field: odd}
        for method, path in (("POST", "users/create"), ("PATCH", "users/update-password")):
            answer = await call(enter("ada").caller, method, path, **fields)
            assert answer.status in (200, 400, 403)
            for secret in ("s3cret-word", "12345678", NEW):
                assert secret not in answer.body.decode() + caplog.text


async def test_the_last_site_administrator_stays(enter: Enter):
    ada = enter("ada").caller
    update = ("PATCH", "users/update-admin")
    assert refusal(await call(ada, *update, username="ada", is_admin=False)) == (409, "RESOURCE_CONFLICT")
    assert refusal(await call(ada, *update, username="nobody", is_admin=True)) == HIDDEN
    assert (await call(ada, *update, username="olga", is_admin=True)).status == 200
    assert (await call(ada, *update, username="ada", is_admin=False)).status == 200
    entries = Entry.objects.filter(action="user.change").order_by("pk")
    told = await ask(lambda: list(entries.values_list("target", "fields")))
    assert told == [("olga", {"site_admin": True}), ("ada", {"site_admin": False})]


SCRIPT = """
import os, sys, types
# Its client comes with its server, which wants this to be installed. The client does not use it.
sys.modules["flask_wtf"] = sys.modules["flask_wtf.csrf"] = types.ModuleType("flask_wtf.csrf")
sys.modules["flask_wtf.csrf"].CSRFProtect = object
from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client
client = get_app_client("basic-auth", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
user = client.create_user("nina", "correct horse battery")
print(user.username, user.is_admin, client.get_user("nina").id == user.id)
client.update_user_admin("nina", True)
print(client.get_user("nina").is_admin)
for role in client.list_all_roles():
    print(role.id, role.name, role.workspace, sorted({one.permission for one in role.permissions}))
client.assign_role("nina", 3)
print([one.name for one in client.list_user_roles("nina")], len(client.list_role_users(3)))
print(client.get_role(3).name, [one.permission for one in client.list_role_permissions(3)][:1])
got = client.get_user_permission("nina", "experiment", "*")
print(got.permission, got.allowed)
for refused in (
    lambda: client.grant_user_permission("nina", "experiment", "1", "MANAGE"),
    lambda: client.create_role("mine", "lab"),
    lambda: client.update_user_password("nina", "another long password"),
    lambda: client.get_user("nobody"),
):
    try:
        refused()
    except MlflowException as error:
        print(error.error_code)
client.unassign_role("nina", 3)
client.delete_user("nina")
print([one.name for one in client.list_roles(os.environ["MLFLOW_TRACKING_URI"].rsplit("/", 1)[1])])
"""


def test_the_client_for_people(studio: Studio, python, tmp_path):
    told = tell(studio, python, SCRIPT, tmp_path).splitlines()
    assert told[:2] == ["nina False True", "True"]
    assert [line.split()[1] for line in told[2:6]] == ["owner", "contributor", "reader", "labeler"]
    assert told[6:9] == ["['reader'] 1", "reader ['READ']", "READ False"]
    assert told[9:13] == ["NOT_IMPLEMENTED", "NOT_IMPLEMENTED", "PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST"]
    assert told[13] == "['owner', 'contributor', 'reader', 'labeler']"
