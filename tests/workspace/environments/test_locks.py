"""A version is resolved once: the first lock counts, for every node and for ever."""

import pytest

from tests.workspace.environments.conftest import HASH, LOCK
from workspace.compute.services import create_target
from workspace.environments.locks import differences, parse_lock
from workspace.environments.models import EnvironmentBuild
from workspace.environments.queries import as_spec
from workspace.models import Workspace


def test_the_first_lock_counts_and_is_given_to_everybody(machine, join, version, trail):
    first = machine.lock(version).json()
    assert first["requirements"] == LOCK and len(first["sha256"]) == 64
    other = join(name="other")
    late = other.lock(version, LOCK.replace("2.4.6", "2.5.5")).json()
    assert late == first, "a later report replaced the lock"
    assert as_spec(version)["lock"] == [{"python": "3.11", "platform": "any", "sha256": first["sha256"]}]
    kept = other.client.get(f"/agent/v1/environments/{version.pk}/locks/{first['sha256']}")
    assert kept.json() == first
    assert [one for one in trail() if one[1] == "environment.lock"] == [("box", "environment.lock", "fit:1")]


def test_another_python_gets_a_lock_of_its_own(machine, version):
    first = machine.lock(version).json()
    second = machine.lock(version, LOCK.replace("2.4.6", "2.0.1"), python="3.9").json()
    assert second["sha256"] != first["sha256"]
    assert [one["python"] for one in as_spec(version)["lock"]] == ["3.11", "3.9"]
    # One that counts everywhere ends the question; one for a single platform comes too late.
    assert machine.lock(version, platform="linux-x86_64", text=LOCK.replace("2.4.6", "2.1.0")).json() == first


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LOCK.replace("numpy==2.4.6", "numpy>=2.4.6"), "no exact version"),
        (LOCK.replace(HASH, ""), "no hash"),
        (f"joblib==1.6.0 {HASH}\n", "lacks 'numpy>=2'"),
        (LOCK.replace("joblib==1.6.0", "joblib==1.5.0"), "1.5.0 for 'joblib==1.6.0'"),
        ("-r /etc/passwd\n", "no exact package"),
        ("x" * 900_001, "at most"),
    ],
)
def test_what_is_no_lock_is_refused(machine, version, text, says):
    answer = machine.lock(version, text)
    assert answer.status_code == 422 and says in answer.json()["error"]["message"]
    assert not version.locks.exists()


def test_only_a_node_of_the_workspace_reports(api, machine, join, version, people):
    assert api("olga").post(f"/agent/v1/environments/{version.pk}/locks", {}, format="json").status_code == 422
    body = {"python": "3.11", "platform": "any", "requirements": LOCK}
    for name, status in [("olga", 403), ("mallory", 403), (None, 401)]:
        answer = api(name).post(f"/agent/v1/environments/{version.pk}/locks", body, format="json")
        assert answer.status_code == status, name
    create_target(Workspace.objects.get(slug="den"), actor=people.actor("mallory"), name="local")
    stranger = join("den", "mallory")
    assert stranger.lock(version).status_code == 404
    assert stranger.client.get(f"/agent/v1/environments/{version.pk}/locks/{'0' * 64}").status_code == 404
    assert not version.locks.exists()


def test_a_build_for_a_run_is_written_down(machine, version):
    told = {
        "status": "failed",
        "seconds": 2.5,
        "reason": "The environment could not be built: there is no package 'x' in the package index.",
        "package": "x",
        "line": "x==1",
        "log": "error: \0 x",
        "run": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "size": "big",
    }
    assert machine.post(f"environments/{version.pk}/builds", told).status_code == 201
    build = EnvironmentBuild.objects.get()
    assert (build.status, build.package, build.line, build.size) == ("failed", "x", "x==1", None)
    assert build.node_name == "box" and build.log == "error: \ufffd x" and build.run == told["run"]
    for wrong in ([1], {"status": "queued"}, {"status": 7}, "text"):
        assert machine.post(f"environments/{version.pk}/builds", wrong).status_code == 422, wrong


def test_a_lock_is_read_and_held_to_another():
    found = parse_lock(LOCK)
    assert [(one["name"], one["version"], len(one["hashes"])) for one in found] == [
        ("joblib", "1.6.0", 1),
        ("numpy", "2.4.6", 2),
    ]
    assert found[1]["marker"] == 'python_full_version < "3.12"'
    other = parse_lock(LOCK.replace("2.4.6", "2.5.5").replace("joblib==1.6.0", f"click==8 {HASH}\njoblib==1.6.0"))
    assert differences(found, other) == [
        {"name": "click", "old": "", "new": "8"},
        {"name": "numpy", "old": "2.4.6", "new": "2.5.5"},
    ]
    git = parse_lock("tool @ git+https://host/tool.git@0123456789abcdef\n")
    assert git[0]["address"].startswith("git+https://")
