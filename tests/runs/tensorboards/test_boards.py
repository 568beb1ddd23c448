"""Boards from their opening to their end: by the doors of people, of nodes and of the relay."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from runs.models import Run
from runs.tensorboards import states
from runs.tensorboards.models import Board
from tests.runs.control.conftest import bearer
from tests.runs.telemetry import ask
from tests.runs.tensorboards.conftest import EVENTS, WS, board, go, kept, leave, sync
from workspace.audit.models import Entry
from workspace.compute.models import Node


def start(client, *runs: str):
    return client.post(f"{WS}/tensorboards", {"runs": list(runs)}, format="json")


@pytest.fixture
def rio(api, yard):
    return api("rio")


def test_a_reader_opens_one_for_all_and_a_node_is_asked(rio, api, trained, join):
    node, run = join("a"), trained()
    made = start(rio, run.id)
    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["state"], shown["stage"], shown["node"], shown["runs"]) == ("starting", "environment", "a", [run.id])
    again = start(api("olga"), run.id)
    assert (again.status_code, again.json()["id"]) == (200, shown["id"])
    answer = sync(node).json()["boards"]
    assert [one["id"] for one in answer] == [shown["id"]]
    assert answer[0]["environment"]["spec"]["requirements"] == ["tensorboard==2.21.0"]
    assert Entry.objects.filter(action="tensorboard.open", target=run.id).count() == 1


def test_who_may(api, trained, join):
    join("a")
    run = trained()
    made = start(api("carl"), run.id).json()
    at = f"{WS}/tensorboards/{made['id']}"
    for name, status in (("olga", 200), ("rio", 200), ("mallory", 404), ("ada", 403), (None, 401)):
        client = api(name)
        assert start(client, run.id).status_code == status, name
        assert client.get(at).status_code == status, name
        if status != 200:
            assert client.delete(at).status_code == status, name
    run_token = bearer(trained(status="running").token)
    assert start(run_token, run.id).status_code == 403
    assert api("mallory").get(f"/api/v1/workspaces/den/tensorboards/{made['id']}").status_code == 404


def test_runs_of_another_workspace_and_runs_that_are_none(rio, api, trained, join):
    join("a")
    run = trained()
    assert (
        api("mallory").post("/api/v1/workspaces/den/tensorboards", {"runs": [run.id]}, format="json").status_code == 404
    )
    assert start(rio, run.id, "nothing here").status_code == 404
    assert start(rio, run.id, "with\0nul").status_code == 422
    assert start(rio).status_code == 422
    assert start(rio, "").status_code == 422
    assert start(rio, *(f"R{at}" for at in range(states.MOST_RUNS + 1))).status_code == 422
    Run.objects.filter(pk=run.id).update(deleted=timezone.now())
    assert start(rio, run.id).status_code == 404
    assert not Board.objects.exists()


@pytest.mark.parametrize(
    "files", [{}, {"logs/notes.txt": b"x"}, {"data/events.out.tfevents.1": b"x"}, {"logs/tfevents/x": b""}]
)
def test_a_run_without_event_files_says_what_to_write(rio, trained, join, files):
    join("a")
    refused = start(rio, trained(files).id)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "no_events")
    assert "SummaryWriter" in refused.json()["error"]["hint"]


def test_a_workspace_has_so_many_at_once(rio, trained, join, monkeypatch):
    join("a")
    monkeypatch.setattr(states, "MOST_LIVE", 1)
    first, second = trained(), trained()
    made = start(rio, first.id).json()
    refused = start(rio, second.id)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "too_many_boards")
    assert rio.delete(f"{WS}/tensorboards/{made['id']}").status_code == 204
    assert start(rio, second.id).status_code == 201


def test_without_a_node_it_waits_and_starts_when_one_comes(rio, trained, yard, join):
    made = start(rio, trained().id).json()
    assert made["state"] == "waiting"
    assert "No node of this workspace is online" in made["reason"]
    node = join("late")
    go()
    shown = rio.get(f"{WS}/tensorboards/{made['id']}").json()
    assert (shown["state"], shown["node"], shown["reason"]) == ("starting", "late", "")
    assert kept(node) == [made["id"]]


def test_a_node_reports_and_only_for_its_own(rio, trained, join, fake):
    node, other = join("a"), join("b")
    made = start(rio, trained().id).json()
    mine, foreign = (node, other) if made["node"] == "a" else (other, node)
    here = fake(made["id"])
    assert kept(foreign, here.ready(made["id"])) == []
    assert board().state == "starting"
    sync(mine, {"id": made["id"], "state": "starting", "stage": "files", "note": "3/9", "log_tail": "a\0b"})
    shown = rio.get(f"{WS}/tensorboards/{made['id']}").json()
    assert (shown["stage"], shown["note"]) == ("files", "3/9")
    assert kept(mine, here.ready(made["id"])) == [made["id"]]
    assert board().state == "ready"
    # A node that was started anew has nothing and is given it again.
    assert kept(mine) == [made["id"]]
    assert board().state == "starting"
    assert sync(mine, epoch="older").status_code == 409
    assert bearer("zaf_node_x").post("/agent/v1/boards/sync", {}, format="json").status_code == 401
    assert rio.post("/agent/v1/boards/sync", {"epoch": "e", "boards": []}, format="json").status_code == 403


@pytest.mark.parametrize(
    "address",
    ["unix:/var/run/docker.sock", "http://127.0.0.1:6379", "unix:/tmp/s/000000000000.sock", "", "unix:/a/../s/x.sock"],
)
def test_an_address_that_is_no_board_is_not_called(rio, trained, join, address):
    node = join("a")
    made = start(rio, trained().id).json()
    assert kept(node, {"id": made["id"], "state": "ready", "address": address}) == []
    assert (board().state, board().address) == ("failed", "")


def test_a_node_on_another_machine_is_passed_over(rio, trained, join, fake):
    first, second = join("a"), join("b")
    made = start(rio, trained().id).json()
    far, near = (first, second) if made["node"] == "a" else (second, first)
    away = {"id": made["id"], "state": "ready"}
    here = fake("another")  # its folder exists, but no socket of this board is in it
    address = f"unix:{here.socket_of(made['id'])}"
    assert kept(far, {**away, "address": address}) == []
    assert kept(near) == [made["id"]]
    assert kept(near, {**away, "address": address}) == []
    shown = rio.get(f"{WS}/tensorboards/{made['id']}").json()
    assert shown["state"] == "failed"
    assert "another machine" in shown["reason"]


def test_a_failure_is_told_with_its_log_and_it_can_be_opened_again(rio, trained, join):
    node, run = join("a"), trained()
    made = start(rio, run.id).json()
    report = {"id": made["id"], "state": "failed", "reason": "The environment could not be built: no such package."}
    assert kept(node, {**report, "log_tail": "× No solution found"}) == []
    shown = rio.get(f"{WS}/tensorboards/{made['id']}").json()
    assert (shown["state"], shown["log_tail"]) == ("failed", "× No solution found")
    assert "no such package" in shown["reason"]
    again = start(rio, run.id)
    assert again.status_code == 201
    assert Board.objects.count() == 1


def test_nobody_looks_and_it_is_stopped(rio, trained, join, fake, settings):
    node = join("a")
    made = start(rio, trained().id).json()
    Board.objects.update(used=Now() - timedelta(seconds=settings.TENSORBOARD_IDLE_SECONDS + 1))
    go()
    assert board().state == "starting", "who waits for a start need not look at it"
    kept(node, fake(made["id"]).ready(made["id"]))
    go()
    assert board().state == "ready"
    Board.objects.update(used=Now() - timedelta(seconds=settings.TENSORBOARD_IDLE_SECONDS + 1))
    go()
    assert board().state == "stopped"
    assert "20 minutes" in board().reason
    assert kept(node, {"id": made["id"], "state": "ready"}) == []


def test_the_node_is_lost_and_another_takes_the_board(rio, trained, join, fake, settings):
    node = join("a")
    made = start(rio, trained().id).json()
    kept(node, fake(made["id"]).ready(made["id"]))
    long_ago = Now() - timedelta(seconds=settings.LEASE_SECONDS + 1)
    Board.objects.update(last_seen=long_ago)
    Node.objects.update(last_seen=long_ago)
    go()
    assert (board().state, board().address) == ("waiting", "")
    assert "No node of this workspace is online" in board().reason
    join("b")
    go()
    assert (board().state, board().node.name) == ("starting", "b")
    assert kept(node, {"id": made["id"], "state": "ready"}) == [], "the first ends it when it is back"


def test_a_node_that_was_removed_and_runs_that_were_deleted(rio, trained, join):
    join("a")
    run = trained()
    start(rio, run.id)
    Node.objects.update(removed=timezone.now())
    Run.objects.filter(pk=run.id).update(deleted=timezone.now())
    go()
    assert (board().state, board().reason) == ("stopped", "Its runs were deleted.")


def test_a_board_is_stopped_by_whoever_may_look_and_only_once(rio, api, trained, join):
    node = join("a")
    made = start(api("olga"), trained().id).json()
    at = f"{WS}/tensorboards/{made['id']}"
    assert [rio.delete(at).status_code for _ in range(2)] == [204, 204]
    assert board().reason == "rio stopped it."
    assert kept(node, {"id": made["id"], "state": "starting", "stage": "server"}) == []
    assert board().state == "stopped"
    assert Entry.objects.filter(action="tensorboard.stop").count() == 1


@pytest.mark.asyncio
async def test_only_its_node_fetches_its_event_files(app, trained, join, api, make_run):

    from tests.kernel.asgi import Caller

    def prepare():
        node, other = join("a"), join("b")
        live = trained(
            {EVENTS: b"0123456789", "outputs/x/events.out.tfevents.2": b"two", "logs/secret.txt": b"no"},
            status="running",
        )
        same = trained()
        foreign = trained({"logs/events.out.tfevents.9": b"another run"})
        Run.objects.filter(pk__in=[live.id, same.id]).update(name="<b>../x")
        made = start(api("rio"), live.id, same.id).json()
        mine, not_mine = (node, other) if made["node"] == "a" else (other, node)
        hashes = {one.path: one.sha256 for one in Run.objects.get(pk=live.id).artifacts.all()}
        hashes["foreign"] = Run.objects.get(pk=foreign.id).artifacts.get().sha256
        return made["id"], mine, not_mine, hashes, live, same

    id_, mine, not_mine, hashes, live, same = await ask(prepare)
    node, other = (Caller(app, {"authorization": f"Bearer {one.token}"}) for one in (mine, not_mine))
    at = f"/agent/v1/boards/{id_}"
    told = (await node.get(f"{at}/files")).json()
    assert told["growing"] is True
    folders = {one["path"].split("/")[0] for one in told["files"]}
    assert folders == {"_b_.._x", f"_b_.._x ({same.id[-6:].lower()})"}
    assert {one["path"].split("/", 1)[1] for one in told["files"]} == {EVENTS, "outputs/x/events.out.tfevents.2"}
    whole = await node.get(f"{at}/blobs/{hashes[EVENTS]}")
    assert (whole.status, whole.body) == (200, b"0123456789")
    tail = await node.get(f"{at}/blobs/{hashes[EVENTS]}?start=7")
    assert (tail.status, tail.body, tail.headers["content-length"]) == (200, b"789", "3")
    assert (await node.get(f"{at}/blobs/{hashes[EVENTS]}?start=11")).status == 422
    for sha256 in (hashes["logs/secret.txt"], hashes["foreign"], "0" * 64):
        assert (await node.get(f"{at}/blobs/{sha256}")).status == 404
    for caller, status in (
        (other, 404),
        (Caller(app), 401),
        (Caller(app, {"authorization": f"Bearer {live.token}"}), 403),
    ):
        assert (await caller.get(f"{at}/files")).status == status
        assert (await caller.get(f"{at}/blobs/{hashes[EVENTS]}")).status == status
    await ask(lambda: leave(live, EVENTS, b"0123456789ab"))
    assert (await node.get(f"{at}/blobs/{hashes[EVENTS]}")).status == 404


def test_so_many_files_and_no_more(trained, join, api, rio, monkeypatch):
    from runs.tensorboards.queries import files_of
    from studio.kernel import tokens
    from workspace.compute.queries import actor_of_token

    node = join("a")
    run = trained({f"logs/{at}/events.out.tfevents.1": b"x" * 10 for at in range(5)})
    made = start(rio, run.id).json()
    actor = actor_of_token(tokens.parse(node.token))
    monkeypatch.setattr(states, "MOST_FILES", 3)
    found = files_of(made["id"], actor=actor)
    assert (len(found.files), found.left_out, found.growing) == (3, 2, False)
    monkeypatch.setattr(states, "MOST_BYTES", 25)
    assert len(files_of(made["id"], actor=actor).files) == 2
