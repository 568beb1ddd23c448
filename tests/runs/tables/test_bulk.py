"""One deed done to many runs, and what is told of each."""

from runs.models import Run
from tests.runs.tables.conftest import names
from workspace.audit.models import Entry

BULK, MATCHING = "/api/v1/workspaces/lab/runs/bulk", "/api/v1/workspaces/lab/runs/matching"


def do(client, action: str, runs=None, **more):
    given = {"action": action, **({} if runs is None else {"runs": [one.id for one in runs]}), **more}
    return client.post(BULK, given, format="json")


def test_cancel_says_of_each_run_how_it_went(filled, api):
    going = [filled(f"g{at}", status="running") for at in range(2)]
    over = filled("over")
    answer = do(api("carl"), "cancel", [*going, over]).json()
    assert (answer["done"], answer["refused"]) == (2, 1)
    assert answer["results"][2] == {
        "run": over.id,
        "name": "over",
        "done": False,
        "code": "final",
        "message": "The run has ended already.",
    }
    assert set(Run.objects.values_list("name", "status")) == {
        ("g0", "canceled"),
        ("g1", "canceled"),
        ("over", "completed"),
    }
    assert Entry.objects.filter(action="run.cancel").count() == 2


def test_delete_is_the_bin_that_everybody_uses_and_can_be_undone(filled, api, people):
    own, going, others = filled("own"), filled("going"), filled("others")
    going.change(status="running")
    others.change(submitted_by=people.olga)
    told = do(api("carl"), "delete", [own, going, others]).json()["results"]
    assert [(one["done"], one["code"]) for one in told] == [(True, ""), (False, "not_final"), (False, "forbidden")]
    assert Run.objects.get(pk=own.id).deleted is not None
    assert own.id not in [one["id"] for one in api("rio").get("/api/v1/workspaces/lab/runs").json()["runs"]]
    assert do(api("carl"), "restore", [own]).json()["done"] == 1
    assert Run.objects.get(pk=own.id).deleted is None
    assert do(api("olga"), "delete", [others]).json()["done"] == 1


def test_tags_are_set_and_taken_away(filled, api):
    one, two = filled("one", tags={"old": "1"}), filled("two")
    assert do(api("carl"), "tag", [one, two], tags={"team": "<b>x</b>", "old": None}).json()["done"] == 2
    assert [run.tags for run in Run.objects.order_by("number")] == [{"team": "<b>x</b>"}] * 2
    assert do(api("carl"), "tag", [one], tags={}).status_code == 422
    refused = do(api("carl"), "tag", [one], tags={"a": "\0"}).json()["results"][0]
    assert (refused["done"], refused["code"]) == (False, "invalid")


def test_all_that_fit_a_filter(filled, api):
    for at in range(3):
        filled(f"r{at}", loss=at)
    asked = {"query": "filter=metrics.loss+%3E+0&status=completed", "experiment": "digits", "tags": {"best": "no"}}
    assert do(api("carl"), "tag", **asked).json()["done"] == 2
    assert {run.name: run.tags for run in Run.objects.all()} == {"r0": {}, "r1": {"best": "no"}, "r2": {"best": "no"}}
    found = api("rio").get(MATCHING, {"filter": "metrics.loss > 0", "order_by": "metrics.loss asc"}).json()["runs"]
    assert [Run.objects.get(pk=one).name for one in found] == ["r1", "r2"]
    assert do(api("carl"), "tag", query="filter=metrics.loss+%3E", tags={"a": "b"}).status_code == 422
    assert api("mallory").get(MATCHING).status_code == 404


def test_limits_and_rights(filled, api, monkeypatch):
    one = filled("one")
    for who, status in (("rio", 403), ("mallory", 404), (None, 401)):
        for action in ("cancel", "delete", "restore", "tag"):
            assert do(api(who), action, [one], tags={"a": "b"}).status_code == status
    carl = api("carl")
    for wrong in ({"action": "burn", "runs": [one.id]}, {"action": "cancel"}, {"action": "cancel", "runs": []}):
        assert carl.post(BULK, wrong, format="json").status_code == 422
    for odd in ("x" * 65, "a\0b"):
        assert carl.post(BULK, {"action": "cancel", "runs": [odd]}, format="json").status_code == 422
    many = [f"{at:026}" for at in range(1001)]
    refused = carl.post(BULK, {"action": "cancel", "runs": many}, format="json")
    assert refused.json()["error"]["code"] == "too_many"
    foreign = carl.post(BULK, {"action": "delete", "runs": ["0" * 26, "<script>"]}, format="json").json()
    assert {one["code"] for one in foreign["results"]} == {"not_found"} and foreign["done"] == 0
    filled("two")
    monkeypatch.setattr("runs.tables.finding.matching.__kwdefaults__", {"most": 1})
    assert api("rio").get(MATCHING).json()["error"]["code"] == "too_many"


def test_archived_runs_are_in_a_list_of_their_own(filled, api, browser):
    one = filled("one")
    filled("two")
    assert do(api("carl"), "archive", [one]).json()["done"] == 1
    shown = [names(browser("rio").get("/w/lab/runs", asked).content.decode()) for asked in ({}, {"archived": "1"})]
    assert shown == [["two"], ["one"]]
    assert do(api("carl"), "unarchive", [one]).json()["done"] == 1
    assert names(browser("rio").get("/w/lab/runs").content.decode()) == ["two", "one"]


def test_runs_get_colours_that_every_page_shows(filled, api, browser):
    runs = [filled(f"c{at}", loss=at) for at in range(8)]
    before = [one["colour"] for one in api("rio").get("/api/v1/workspaces/lab/runs").json()["runs"]]
    assert sorted(before) == list(range(8))
    assert do(api("carl"), "colour", runs[:2], colour=6).json()["done"] == 2
    told = {one["name"]: one["colour"] for one in api("rio").get("/api/v1/workspaces/lab/runs").json()["runs"]}
    assert (told["c0"], told["c1"], told["c2"]) == (6, 6, 2)
    assert browser("rio").get("/w/lab/runs").content.decode().count('class="first dot-6"') == 3
    # The page of a run, the chips of a comparison, and groups say the same.
    compared = f"/api/v1/workspaces/lab/compare?run={runs[0].id}&run={runs[3].id}"
    assert [one["colour"] for one in api("rio").get(compared).json()["runs"]] == [6, 3]
    asked = "/api/v1/workspaces/lab/runs/grouped?experiment=digits&group=status"
    grouped = api("rio").get(asked).json()["groups"][0]["runs"]
    assert {one["name"]: one["colour"] for one in grouped}["c1"] == 6
    # Shuffled: as many different ones as there are. Taken back: those of their numbers.
    assert do(api("carl"), "colour", runs, colour="shuffled").json()["done"] == 8
    assert set(Run.objects.values_list("given_colour", flat=True)) == set(range(8))
    assert do(api("carl"), "colour", runs, colour=None).json()["done"] == 8
    assert [one["colour"] for one in api("rio").get("/api/v1/workspaces/lab/runs").json()["runs"]] == before


def test_a_colour_that_there_is_not_and_who_may_not_give_one(filled, api):
    run = filled("one")
    for colour in (8, -1, True, "red", [1], 1.5):
        assert do(api("carl"), "colour", [run], colour=colour).status_code == 422, colour
    assert do(api("rio"), "colour", [run], colour=1).status_code == 403
    assert do(api("mallory"), "colour", [run], colour=1).status_code == 404
    assert Run.objects.get().given_colour is None
