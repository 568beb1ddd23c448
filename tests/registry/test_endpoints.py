"""Endpoints, their keys and deployments, through the JSON door and the page."""

import pytest

from registry.endpoints import routes
from registry.endpoints.models import Deployment, Endpoint
from registry.endpoints.services import publish_routes
from studio.gateway import wire
from studio.kernel import events, tokens
from studio.kernel.actors import SYSTEM
from studio.kernel.errors import Forbidden
from studio.kernel.models import Outbox
from tests.registry.conftest import WS, newest, replicas
from workspace.audit.models import Entry

URL = f"{WS}/endpoints"
WHO = [("olga", 200, 201, 200, 204), ("carl", 200, 201, 200, 204), ("rio", 200, 403, 403, 403)]
WHO += [("mallory", 404, 404, 404, 404), ("ada", 403, 403, 403, 403), (None, 401, 401, 401, 401)]


@pytest.mark.parametrize(("who", "read", "create", "keys", "delete"), WHO)
def test_who_may(api, carl, who, read, create, keys, delete):
    client = api(who)
    assert client.get(URL).status_code == read
    assert client.get(f"{URL}/digits").status_code == read
    assert client.post(URL, {"name": "mine"}, format="json").status_code == create
    carl.client, before = client, carl.client
    code = {"snapshot": "x"} if who not in {"olga", "carl"} else {}
    body = {"model": "m", "entry_script": "score.py", "environment": "system", **code}
    if not code:
        assert carl.deploy().status_code == create
    else:
        assert client.post(f"{URL}/digits/deployments", body, format="json").status_code == create
    carl.client = before
    assert client.get(f"{URL}/digits/keys").status_code == keys
    assert client.post(f"{URL}/digits/keys", {"which": "primary"}, format="json").status_code == keys
    assert client.delete(f"{URL}/digits").status_code == delete
    assert Endpoint.objects.filter(name="digits").exists() == (delete != 204)


def test_an_endpoint_has_one_name_and_two_keys(api, carl):
    again = carl.post("endpoints", name="digits")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "taken")
    assert carl.post("endpoints", name="../x").status_code == 422
    keys = api("olga").get(f"{URL}/digits/keys")
    assert keys["Cache-Control"] == "no-store"
    primary, secondary = keys.json()["primary"], keys.json()["secondary"]
    assert primary != secondary
    assert tokens.parse(primary).kind == tokens.parse(secondary).kind == "ept"
    row = Endpoint.objects.get(name="digits")
    assert row.primary_hash == wire.key_hash(primary)
    assert primary not in row.primary_sealed and primary not in str(carl.look())
    assert carl.look()["state"] == "empty"
    assert carl.look()["score_url"].endswith("/score/lab/digits")


def test_looking_at_keys_and_making_one_anew_is_written_down_without_the_key(api, carl):
    olga = api("olga")
    before = olga.get(f"{URL}/digits/keys").json()
    after = olga.post(f"{URL}/digits/keys", {"which": "primary"}, format="json").json()
    assert after["secondary"] == before["secondary"] and after["primary"] != before["primary"]
    assert olga.get(f"{URL}/digits/keys").json() == after
    assert olga.post(f"{URL}/digits/keys", {"which": "third"}, format="json").status_code == 422
    lines = list(
        Entry.objects.filter(action__startswith="endpoint.", actor_name="olga")
        .order_by("pk")
        .values_list("action", "target")
    )
    assert lines == [
        ("endpoint.show_keys", "digits"),
        ("endpoint.regenerate_key", "digits"),
        ("endpoint.show_keys", "digits"),
    ]
    told = str(list(Entry.objects.values()))
    assert not any(key in told for key in (*before.values(), *after.values()))
    assert Outbox.objects.filter(task="registry.publish_routes").count() >= 2


def test_an_endpoint_key_opens_no_door_of_the_studio(carl):
    from tests.runs.control.conftest import bearer

    key = carl.client.get(f"{URL}/digits/keys").json()["primary"]
    assert bearer(key).get(URL).status_code == 401


@pytest.mark.parametrize(
    ("wrong", "code", "near"),
    [
        ({"entry_script": "scor.py"}, "no_such_script", "score.py"),
        ({"entry_script": "help.py"}, "no_such_script", "lib/help.py"),
        ({"environment": "sistem"}, "no_such_environment", "system"),
        ({"target": "locla"}, "no_such_target", "local"),
        ({"model": "m:7"}, "no_such_version", None),
        ({"model": "n"}, "no_such_model", None),
        ({"model": "m:x"}, "invalid", None),
        ({"snapshot": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "no_such_snapshot", None),
        ({"replicas": 0}, "invalid", None),
        ({"replicas": 1000}, "invalid", None),
    ],
)
def test_what_cannot_be_deployed_is_refused_with_the_nearest_name(carl, wrong, code, near):
    answer = carl.deploy(**wrong)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"].get("nearest")) == (422, code, near)
    assert not Deployment.objects.exists()
    assert carl.deploy("nothing").status_code == 404


def test_the_page_deploys_and_shows_it(browser, carl):
    code = carl.snapshot({"score.py": "def init(): pass"})
    page = browser("carl")
    form = {"endpoint": "fresh", "model": "m:1", "snapshot": code, "entry_script": "score.py", "environment": "system"}
    made = page.post("/w/lab/endpoints/deploy", form)
    assert made.headers["Location"] == "/w/lab/endpoints/fresh"
    shown = page.get("/w/lab/endpoints/fresh").content.decode()
    assert "No node of local is online" in shown
    assert "fresh" in page.get("/w/lab/endpoints").content.decode()
    again = page.post("/w/lab/endpoints/fresh/keys", {"which": "secondary"})
    assert again.status_code == 302
    assert browser("rio").post("/w/lab/endpoints/fresh/keys", {"which": "primary"}).status_code == 403
    gone = page.post("/w/lab/endpoints/fresh/delete", {"typed": "fresh"})
    assert gone.headers["Location"] == "/w/lab/endpoints"
    assert not Endpoint.objects.filter(name="fresh").exists()


def test_routes_hold_hashes_and_no_keys_and_are_repaired_when_redis_lost_them(carl, join, people):
    keys = carl.client.get(f"{URL}/digits/keys").json()
    events.client().delete(wire.ROUTES_KEY)
    assert publish_routes(actor=SYSTEM)
    assert not publish_routes(actor=SYSTEM)  # nothing new
    body = events.client().hget(wire.ROUTES_KEY, "body")
    known = wire.decode(body)
    assert set(known.endpoints["lab/digits"].keys) == {wire.key_hash(key) for key in keys.values()}
    assert not any(key.encode() in body for key in keys.values())
    assert "Nothing is deployed" in known.endpoints["lab/digits"].note
    events.client().delete(wire.ROUTES_KEY)
    assert publish_routes(actor=SYSTEM)
    assert events.client().hget(wire.ROUTES_KEY, "version").decode() == routes.current().version
    with pytest.raises(Forbidden):
        publish_routes(actor=people.actor("olga"))


def test_a_deployment_is_fixed_when_it_is_made(carl, trained):
    carl.deploy(entry_script="./score.py")
    run = trained({"outputs/model.txt": b"4"})
    carl.post("models", name="m", run=run.id, path="outputs/model.txt")
    [shown] = carl.look()["deployments"]
    assert (shown["model"], shown["entry_script"], shown["environment"]) == ("m:1", "score.py", "system:1")
    assert (shown["number"], shown["state"], shown["traffic"]) == (1, "transitioning", 0)
    assert len(replicas(deployment=newest())) == 1


def test_a_version_that_was_deleted_is_not_told_as_the_newest(api, carl):
    [first] = api("rio").get(f"{WS}/model-versions").json()["versions"]
    assert carl.post("models", name="m", run=first["run"], path="outputs/model.txt").json()["version"] == 2
    assert api("olga").delete(f"{WS}/models/m/versions/2").status_code == 204
    told = carl.deploy(model="m:2").json()["error"]
    assert told["message"] == "The model m has no version 2: its newest is 1."
