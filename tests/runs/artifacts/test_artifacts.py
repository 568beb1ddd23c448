"""What runs leave behind: whole or not at all, by the attempt that holds the run, until it ends."""

import hashlib
import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from runs.artifacts import services
from runs.artifacts.models import Artifact
from runs.models import Run
from studio.kernel import blobs, tokens
from tests.kernel.asgi import DoorClient
from tests.runs.telemetry import Running
from workspace.audit.models import Entry
from workspace.models import Workspace

WHO = ("olga", "carl", "rio", "mallory", "ada", None)
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


@pytest.fixture
def upload(lab: Workspace) -> Callable[[dict[str, bytes]], list[dict[str, object]]]:
    def store(contents: dict[str, bytes]) -> list[dict[str, object]]:
        return [
            {"path": path, "sha256": blobs.put([data], workspace_id=lab.pk)[0], "size": len(data)}
            for path, data in contents.items()
        ]

    return store


def code_of(running: Running) -> APIClient:
    client = DoorClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {running.token}")
    return client


def send(client: APIClient, where: str, files: object):
    return client.post(f"{where}/artifacts", {"files": files}, format="json")


def test_running_code_leaves_files_and_people_get_them(api, running, upload):
    files = upload({"outputs/model.bin": b"weights", "outputs/matrix.png": PNG, "logs/own.log": b"line\n"})
    answer = send(code_of(running), running.agent, files)
    assert (answer.status_code, answer.json()) == (200, {"added": 3})
    listed = api("rio").get(f"{running.user}/artifacts").json()["artifacts"]
    assert [one["path"] for one in listed] == ["logs/own.log", "outputs/matrix.png", "outputs/model.bin"]
    assert listed[2]["size"] == 7 and listed[2]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    below = api("rio").get(f"{running.user}/artifacts?prefix=outputs/m").json()["artifacts"]
    assert [one["path"] for one in below] == ["outputs/matrix.png", "outputs/model.bin"]
    for odd in ("%25", "_", "outputs_", "%00", "\\"):
        assert len(api("rio").get(f"{running.user}/artifacts?prefix={odd}").json()["artifacts"]) in {0, 3}
    model = api("rio").get(f"{running.user}/artifacts/outputs/model.bin")
    assert model.getvalue() == b"weights" and model["Content-Disposition"].startswith("attachment")
    picture = api("rio").get(f"{running.user}/artifacts/outputs/matrix.png")
    assert picture.getvalue() == PNG and picture["Content-Type"] == "image/png"
    assert picture["Content-Disposition"].startswith("inline") and "sandbox" in picture["Content-Security-Policy"]


def test_a_page_that_a_script_wrote_is_saved_and_not_run(api, running, upload):
    files = upload({"outputs/x.html": b"<script>", "outputs/x.svg": b"<svg onload='x'>"})
    send(code_of(running), running.agent, files)
    for name in ("x.html", "x.svg"):
        answer = api("rio").get(f"{running.user}/artifacts/outputs/{name}")
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["Content-Disposition"].startswith("attachment")
        answer.close()


@pytest.mark.parametrize("name", WHO)
def test_who_reads_and_who_writes(api, make_run, upload, name):
    running, noted = make_run(), make_run(kind="interactive")
    files = upload({"outputs/a.txt": b"1"})
    send(code_of(running), running.agent, files)
    reads = {"mallory": 404, "ada": 403, None: 401}.get(name, 200)
    assert api(name).get(f"{running.user}/artifacts").status_code == reads
    assert api(name).get(f"{running.user}/artifacts/outputs/a.txt").status_code == reads
    into_script = {"olga": 403, "carl": 403, "rio": 403, "mallory": 404, "ada": 403, None: 401}[name]
    assert send(api(name), running.user, files).status_code == into_script
    # An interactive run is its submitter's, who is carl.
    into_own = {"olga": 403, "carl": 200, "rio": 403, "mallory": 404, "ada": 403, None: 401}[name]
    assert send(api(name), noted.user, files).status_code == into_own
    assert Entry.objects.filter(action="artifact.add", target=noted.id).count() == (name == "carl")
    assert send(api(name), running.agent, files).status_code == 401, "code sends its token, and a session is none"


def test_code_writes_to_its_own_run_only(make_run, upload, api):
    mine, other = make_run(), make_run()
    files = upload({"a.txt": b"1"})
    assert send(code_of(mine), other.agent, files).status_code == 404
    assert send(code_of(mine), other.user, files).status_code == 404
    assert code_of(mine).get(f"{other.user}/artifacts").status_code == 404
    assert code_of(mine).get(f"{mine.user}/artifacts").json() == {"artifacts": []}
    assert Artifact.objects.count() == 0
    assert api("mallory").get(f"/api/v1/workspaces/den/runs/{mine.id}/artifacts").status_code == 404


def test_the_last_whole_one_wins(api, running, upload):
    client = code_of(running)
    for data in (b"one", b"three"):
        assert send(client, running.agent, upload({"outputs/a.txt": data})).json() == {"added": 1}
    [one] = api("rio").get(f"{running.user}/artifacts").json()["artifacts"]
    assert one["size"] == 5
    assert api("rio").get(f"{running.user}/artifacts/outputs/a.txt").getvalue() == b"three"


def test_two_writers_at_once_leave_one_file_of_one_of_them(running, upload):
    actor = tokens.actor_of_bearer(f"Bearer {running.token}")
    sets = [upload({f"outputs/{at:03d}": f"{who} {at}".encode() for at in range(100)}) for who in "ab"]
    start = threading.Barrier(2)
    raised: list[BaseException] = []

    def write(files: list[dict[str, object]]) -> None:
        try:
            start.wait(10)
            for _ in range(5):
                services.add_artifacts(running.id, actor=actor, files=files)
        except BaseException as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=[files]) for files in (sets[0], list(reversed(sets[1])))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert raised == []
    kept = {(one.path, one.sha256) for one in Artifact.objects.all()}
    assert kept in [{(one["path"], one["sha256"]) for one in files} for files in sets], "no mixture of the two"


@pytest.mark.parametrize("status", ["completed", "failed", "canceled"])
def test_an_ended_run_takes_nothing_more(api, make_run, upload, status):
    noted, files = make_run(kind="interactive"), upload({"a.txt": b"1"})
    noted.change(status=status)
    answer = send(api("carl"), noted.user, files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "final")
    # Code whose run was ended under it, with a token that is not refused yet.
    running = make_run()
    running.change(status=status)
    answer = send(code_of(running), running.agent, files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "final")
    assert Artifact.objects.count() == 0


def test_a_lost_attempt_writes_nothing(make_run, upload):
    running = make_run()
    running.change(attempt_no=2)
    answer = send(code_of(running), running.agent, upload({"a.txt": b"1"}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stale_attempt")
    running.change(attempt_no=1, status="queued")
    assert send(code_of(running), running.agent, upload({"a.txt": b"1"})).status_code == 409
    assert Artifact.objects.count() == 0


def test_bytes_that_the_workspace_does_not_hold(running, people, upload):
    den = people.mallory.memberships.get().workspace
    sha256, size = blobs.put([b"secret"], workspace_id=den.pk)
    files = [*upload({"fine.txt": b"1"}), {"path": "stolen.txt", "sha256": sha256, "size": size}]
    answer = send(code_of(running), running.agent, files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "blobs_missing")
    assert Artifact.objects.count() == 0, "all or none"


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a\\b", "a//b", "", ".", "a\0b", "x" * 300, "a/" * 600 + "b", 7, None, ["a"]]
)
def test_hostile_paths(running, upload, path):
    [entry] = upload({"good": b"1"})
    assert send(code_of(running), running.agent, [{**entry, "path": path}]).status_code == 422
    assert Artifact.objects.count() == 0


@pytest.mark.parametrize("files", ["all", [5], {"a": 1}, None, [{}]])
def test_lists_that_are_none(running, files):
    assert send(code_of(running), running.agent, files).status_code == 422


def test_a_size_that_is_told_means_nothing(running, upload):
    [entry] = upload({"a.txt": b"12345"})
    assert send(code_of(running), running.agent, [{**entry, "size": 10**30, "mode": "x"}]).status_code == 200
    assert Artifact.objects.get().size == 5


def test_no_file_at_a_path_that_is_none(api, running, upload):
    send(code_of(running), running.agent, upload({"outputs/a.txt": b"1"}))
    for path in ("outputs", "outputs/", "../outputs/a.txt", "outputs/../outputs/a.txt", "%00", "x" * 2000):
        assert api("rio").get(f"{running.user}/artifacts/{path}").status_code == 404


def test_limits(running, upload, monkeypatch):
    monkeypatch.setattr(services, "MOST_FILES", 3)
    monkeypatch.setattr(services, "MOST_OF_A_RUN", 4)
    files = upload({f"{at}": b"1" for at in range(4)})
    assert send(code_of(running), running.agent, files).status_code == 413
    assert send(code_of(running), running.agent, files[:3]).status_code == 200
    assert send(code_of(running), running.agent, files[1:]).status_code == 200
    more = upload({"more": b"1"})
    assert send(code_of(running), running.agent, more).json()["error"]["code"] == "too_many_files"
    assert send(code_of(running), running.agent, files[:2]).status_code == 200, "new bytes at known paths fit"


def test_a_body_over_the_limit(running):
    answer = code_of(running).post(
        f"{running.agent}/artifacts", b" " * (8 * 1024 * 1024 + 1), content_type="application/json"
    )
    assert answer.status_code == 413


def test_many_files_cost_no_more_queries(api, running, upload):
    counts = []
    for number in (1, 1500):
        files, client = upload({f"outputs/{at}": b"1" for at in range(number)}), code_of(running)
        reader = api("rio")
        with CaptureQueriesContext(connection) as seen:
            assert send(client, running.agent, files).json() == {"added": number}
            assert len(reader.get(f"{running.user}/artifacts").json()["artifacts"]) == number
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 20


def test_artifacts_go_with_their_run(running, upload):
    send(code_of(running), running.agent, upload({"a": b"1"}))
    Run.objects.get(pk=running.id).delete()
    assert Artifact.objects.count() == 0
