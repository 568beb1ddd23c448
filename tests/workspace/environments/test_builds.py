"""Builds that people ask for, and what nodes say of them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studio.kernel.actors import SYSTEM
from tests.workspace.environments.conftest import LOCK
from workspace.environments.models import EnvironmentBuild
from workspace.environments.services import give_up_builds, register_environment

URL = "/api/v1/workspaces/lab/environments/fit/builds"


def sync(machine, *builds, free=True, epoch=""):
    return machine.post("builds/sync", {"epoch": epoch or machine.epoch, "free": free, "builds": list(builds)})


def start(api, name="carl", **body):
    return api(name).post(URL, {"target": "local", **body}, format="json")


@pytest.mark.parametrize(
    ("name", "status"), [("olga", 201), ("carl", 201), ("rio", 403), ("mallory", 404), (None, 401)]
)
def test_who_may_build(api, target, version, name, status):
    made = start(api, name)
    assert made.status_code == status
    assert EnvironmentBuild.objects.count() == (status == 201)


def test_a_node_takes_a_build_and_its_log_grows_on_the_page(api, browser, machine, version, trail):
    build = start(api).json()
    assert build["status"] == "queued" and ("carl", "environment.build", "fit:1") in trail()
    again = start(api)
    assert (again.status_code, again.json()["id"]) == (200, build["id"]), "two builds of one version on one target"
    (spec,) = sync(machine).json()["builds"]
    assert spec["id"] == build["id"] and spec["environment"]["spec"] == version.spec
    page = f"/w/lab/environments/fit/builds/{build['id']}"
    sync(machine, {"id": build["id"], "status": "running", "log": "Resolving 2 requirements"})
    shown = browser("rio").get(page).content.decode()
    assert "Resolving 2 requirements" in shown and 'hx-trigger="zaffre-environments' in shown
    machine.lock(version)
    end = {"status": "succeeded", "seconds": 1.5, "size": 2048, "packages": 2, "log": "Resolving 2 requirements\nReady"}
    assert sync(machine, {"id": build["id"], **end, "digest": "ab"}).json()["builds"] == []
    told = api("rio").get(f"{URL}/{build['id']}").json()
    assert (told["status"], told["node"], told["size"], told["packages"]) == ("succeeded", "box", 2048, 2)
    assert told["log"].endswith("Ready") and told["ended"]
    shown = browser("rio").get(page).content.decode()
    assert "2.0 kB" in shown or "2.05 kB" in shown or "2 kB" in shown
    assert 'hx-trigger="zaffre-environments' not in shown, "a build that has ended is asked for again"
    assert api("rio").get("/api/v1/workspaces/lab/environments/fit/versions/1/lock").json()["packages"][0] == {
        "name": "joblib",
        "version": "1.6.0",
        "address": "",
        "marker": "",
        "hashes": ["sha256:" + "ab" * 32],
    }


def test_a_failed_build_names_package_and_line(api, browser, machine, version):
    build = start(api).json()
    sync(machine)
    reason = "The environment could not be built: there is no version of numpy that is ==99."
    told = {"status": "failed", "reason": reason, "package": "numpy", "line": "numpy>=2", "log": "error: no"}
    sync(machine, {"id": build["id"], **told})
    shown = browser("rio").get(f"/w/lab/environments/fit/builds/{build['id']}").content.decode()
    assert reason in shown and "<code>numpy&gt;=2</code>" in shown
    overview = browser("rio").get("/w/lab/environments/fit").content.decode()
    assert reason in overview and f'href="/w/lab/environments/fit/builds/{build["id"]}"' in overview
    assert "Not resolved yet" not in overview, "a run would fail as this build did"
    assert "Correct it as a new version" not in overview, "a reader is offered what he may not do"
    assert "?from=fit&amp;version=1" in browser("carl").get("/w/lab/environments/fit").content.decode()
    assert "Failed" in browser("rio").get("/w/lab/environments?tab=custom").content.decode()
    assert start(api, again=True).status_code == 201
    assert reason not in browser("rio").get("/w/lab/environments/fit").content.decode(), "it is tried again"


def test_cancel(api, machine, version):
    waiting = start(api).json()
    ended = api("carl").post(f"{URL}/{waiting['id']}/cancel").json()
    assert ended["status"] == "canceled"
    assert api("carl").post(f"{URL}/{waiting['id']}/cancel").status_code == 409
    running = start(api).json()
    assert sync(machine).json()["builds"][0]["cancel"] is False
    assert api("rio").post(f"{URL}/{running['id']}/cancel").status_code == 403
    assert api("carl").post(f"{URL}/{running['id']}/cancel").json()["status"] == "running"
    (spec,) = sync(machine, {"id": running["id"], "status": "running"}).json()["builds"]
    assert spec["cancel"] is True
    sync(machine, {"id": running["id"], "status": "canceled"})
    assert EnvironmentBuild.objects.get(pk=running["id"]).status == "canceled"


def test_a_node_that_is_gone_loses_its_build(api, machine, version, settings):
    build = start(api).json()
    sync(machine)
    assert give_up_builds(actor=SYSTEM) == 0
    long_ago = timezone.now() - timedelta(seconds=settings.LEASE_SECONDS + 1)
    EnvironmentBuild.objects.update(last_seen=long_ago)
    assert give_up_builds(actor=SYSTEM) == 1
    told = api("rio").get(f"{URL}/{build['id']}").json()
    assert told["status"] == "failed" and "box fell silent" in told["reason"]
    # One that came back without it loses it at once.
    second = start(api).json()
    sync(machine)
    sync(machine, free=False)
    assert "started anew" in api("rio").get(f"{URL}/{second['id']}").json()["reason"]
    assert sync(machine, epoch="other").status_code == 409


def test_one_build_is_given_to_one_node(api, machine, join, version, people):
    other = join(name="other")
    first = start(api).json()
    spec = {"kind": "pip", "requirements": ["click"]}
    register_environment("lab", actor=people.actor("carl"), name="more", spec=spec)
    second = api("carl").post(URL.replace("fit", "more"), {"target": "local"}, format="json").json()
    assert [one["id"] for one in sync(machine).json()["builds"]] == [first["id"]]
    assert [one["id"] for one in sync(other).json()["builds"]] == [second["id"]]
    going = {"id": first["id"], "status": "running"}
    assert [one["id"] for one in sync(machine, going, free=False).json()["builds"]] == [first["id"]]
    assert sync(other, {"id": first["id"], "status": "failed"}, free=False).json()["builds"] == []
    assert EnvironmentBuild.objects.get(pk=first["id"]).status == "running", "a node ended another's build"


def test_nothing_is_built_for_the_nodes_own_python(api, target, lab, people):
    register_environment("lab", actor=people.actor("carl"), name="own", spec={"kind": "system"})
    refused = api("carl").post(URL.replace("fit", "own"), {"target": "local"}, format="json")
    assert refused.status_code == 422 and refused.json()["error"]["code"] == "nothing_to_build"
    assert start(api).status_code == 404
    register_environment("lab", actor=people.actor("carl"), name="fit", spec={"kind": "pip", "requirements": []})
    assert start(api, target="locall").json()["error"]["message"].endswith("Did you mean 'local'?")


def test_the_pages_of_an_environment(api, browser, machine, version, people):
    machine.lock(version)
    spec = {"kind": "pip", "requirements": ["joblib==1.6.0", "numpy>=2.5"]}
    second = register_environment("lab", actor=people.actor("carl"), name="fit", spec=spec)
    machine.lock(second, LOCK.replace("2.4.6", "2.5.5"))
    rio = browser("rio")
    overview = rio.get("/w/lab/environments/fit?version=1").content.decode()
    assert "numpy&gt;=2\n" in overview or "numpy&gt;=2<" in overview
    assert "2.4.6" in overview and "2.5.5" not in overview
    packages = rio.get("/w/lab/environments/fit/packages?q=num").content.decode()
    assert "2.5.5" in packages and "joblib" not in packages.split("<tbody>")[1]
    diff = rio.get("/w/lab/environments/fit/diff?from=1&to=2").content.decode()
    assert "numpy&gt;=2.5" in diff and "2.4.6" in diff and "2.5.5" in diff
    told = api("rio").get("/api/v1/workspaces/lab/environments/fit/diff?from=1&to=2").json()
    assert told["installed"] == [{"name": "numpy", "old": "2.4.6", "new": "2.5.5"}]
    assert {one["line"] for one in told["asked"]} == {"numpy>=2", "numpy>=2.5"}
    for path in ("builds", "used", "diff?from=x&to=1"):
        assert rio.get(f"/w/lab/environments/fit/{path}").status_code == 200, path
        assert browser("mallory").get(f"/w/lab/environments/fit/{path}").status_code == 404, path
    assert 'data-dialog="build"' not in overview, "a reader is offered what he may not do"
    carl = browser("carl")
    assert 'data-dialog="build"' in carl.get("/w/lab/environments/fit").content.decode()
    begun = carl.post("/w/lab/environments/fit/builds/start", {"version": "1", "target": "local"})
    assert carl.get(begun["Location"]).status_code == 200
    assert rio.get("/w/lab/environments?tab=custom&q=fi").content.decode().count("/environments/fit") >= 1
    assert rio.get("/w/lab/environments?tab=nonsense").status_code == 404


def test_a_page_asks_the_database_as_often_for_many_builds_as_for_few(browser, machine, version):
    rio, counted = browser("rio"), []
    for _ in range(2):
        for _ in range(5):
            machine.post(f"environments/{version.pk}/builds", {"status": "succeeded"})
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert rio.get("/w/lab/environments/fit/builds").status_code == 200
        counted.append(len(asked))
    assert counted[0] == counted[1] <= 16, counted
