"""Instances: started, stopped, kept running, stopped when idle and by the clock."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from studio.kernel.actors import SYSTEM
from studio.kernel.errors import Invalid
from tests.workspace.test_machines import Box, bring_up
from workspace.compute import schedules, services
from workspace.compute.models import ComputeTarget, Node
from workspace.compute.services import machines

URL = "/api/v1/workspaces/lab/compute"


@pytest.fixture
def desk(lab, people) -> ComputeTarget:
    return services.create_target(lab, actor=people.actor("carl"), name="desk", kind="instance")


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def manager(box) -> machines.Manager:
    return machines.Manager(box)


@pytest.fixture
def step(manager, desk):
    """`step()` is one round of everybody; returns the state."""

    def work() -> str:
        manager.round(actor=SYSTEM)
        services.tend_instances(actor=SYSTEM)
        desk.refresh_from_db()
        return desk.state

    return work


@pytest.fixture
def running(step, api) -> None:
    step()
    bring_up(Node.objects.get(), api)
    assert step() == "running"


def do(api, verb: str, who: str = "carl"):
    return api(who).post(f"{URL}/desk/{verb}", {}, format="json")


def test_it_is_created_stopped_started_and_restarted_on_the_same_disk(api, desk, step, box):
    assert desk.state == "creating" and api("rio").get(f"{URL}/desk").json()["state"] == "Creating"
    assert step() == "creating"
    [node] = Node.objects.all()
    bring_up(node, api)
    assert step() == "running"
    assert do(api, "stop").json()["state"] == "Stopping"
    assert do(api, "start").status_code == 409, "what is stopping is not started"
    assert step() == "stopping" and box.alive == {}
    assert step() == "stopped"
    assert do(api, "stop").json()["state"] == "Stopped", "repeating it is harmless"
    assert do(api, "start").json()["state"] == "Starting"
    step()
    assert list(box.alive) == [node.pk], "the same node, with the disk that it had"
    bring_up(Node.objects.get(), api)
    assert step() == "running"
    assert do(api, "restart").json()["state"] == "Restarting"
    step()
    step()
    assert step() == "starting"
    assert box.forgotten == [] and Node.objects.count() == 1


@pytest.mark.parametrize(("who", "status"), [("carl", 200), ("olga", 200), ("rio", 403), ("mallory", 404), (None, 401)])
def test_who_starts_and_stops_it(api, desk, who, status):
    for verb in ("stop", "start", "restart"):
        found = do(api, verb, who).status_code
        assert found == status or (status == 200 and found == 409)


def test_there_is_nothing_to_start_of_a_cluster(api, lab, people):
    services.create_target(lab, actor=people.actor("olga"), name="desk", kind="cluster", settings={"max_nodes": 1})
    assert do(api, "start", "olga").status_code == 409


def test_it_stops_when_it_has_nothing_to_do_and_says_so_before(api, browser, desk, step, running):
    page = browser("carl").get("/w/lab/compute/desk").content.decode()
    assert "It has nothing to do and stops" in page and "Keep it running" in page
    assert "Keep it running" not in browser("rio").get("/w/lab/compute/desk").content.decode()
    listed = browser("rio").get("/w/lab/compute?tab=instances").content.decode()
    assert re.search(r">stops <time-ago at=", listed)
    assert api("rio").get(f"{URL}/desk").json()["stops_at"] > timezone.now().isoformat()
    Node.objects.update(idle_since=timezone.now() - timedelta(minutes=61))
    assert do(api, "keep").status_code == 200
    assert step() == "running"
    ComputeTarget.objects.update(kept_until=timezone.now() - timedelta(seconds=1))
    assert step() == "stopping"
    step()
    assert step() == "stopped"
    told = api("rio").get(f"{URL}/desk").json()
    assert (told["state"], told["reason_code"]) == ("Stopped", "idle_stop") and "60 minutes" in told["reason"]


def test_it_never_stops_by_itself_when_that_was_chosen(api, desk, step, running):
    api("carl").patch(f"{URL}/desk", {"settings": {"idle_minutes": 0}}, format="json")
    Node.objects.update(idle_since=timezone.now() - timedelta(days=9))
    assert step() == "running"
    assert do(api, "keep", "carl").status_code == 200


def test_one_that_does_not_come_up_says_why_and_can_be_tried_again(api, desk, step, settings):
    step()
    Node.objects.update(since=timezone.now() - timedelta(seconds=settings.NODE_SECONDS + 1))
    assert step() == "failed"
    told = api("rio").get(f"{URL}/desk").json()
    assert told["state"] == "CreateFailed" and "did not register" in told["reason"]
    step()
    step()
    assert do(api, "start").json()["state"] == "Starting"


def test_the_clock_starts_and_stops_it(api, desk, step, running):
    schedule = {"start": "* * * * *", "stop": "", "time_zone": "Asia/Tokyo"}
    do(api, "stop")
    step()
    assert step() == "stopped"
    api("carl").patch(f"{URL}/desk", {"settings": {"schedule": schedule}}, format="json")
    ComputeTarget.objects.update(scheduled=timezone.now() - timedelta(minutes=2))
    assert step() == "starting"
    schedule |= {"start": "", "stop": "* * * * *"}
    api("carl").patch(f"{URL}/desk", {"settings": {"schedule": schedule}}, format="json")
    ComputeTarget.objects.update(scheduled=timezone.now() - timedelta(minutes=2))
    assert step() == "stopping"
    desk.refresh_from_db()
    assert desk.reason_code == "schedule"


def test_the_buttons_of_the_page(browser, api, desk, step, running):
    client = browser("carl")
    page = client.get("/w/lab/compute/desk").content.decode()
    for verb in ("stop", "restart"):  # both end runs, so both ask first
        assert f'data-dialog="{verb}"' in page and page.count(f"/w/lab/compute/desk/do/{verb}") == 1
    page = client.post("/w/lab/compute/desk/do/stop", follow=True).content.decode()
    assert "Stopping" in page
    step()
    step()
    page = client.get("/w/lab/compute/desk").content.decode()
    assert "It is stopped. Its disk is kept." in page and ">Start<" in page
    assert client.post("/w/lab/compute/desk/do/start", follow=True).status_code == 200
    assert client.post("/w/lab/compute/desk/do/dance").status_code == 404
    form = {"idle_minutes": "5", "start": "0 9 * * 1-5", "time_zone": "Asia/Tokyo", "description": ""}
    client.post("/w/lab/compute/desk/change", form)
    desk.refresh_from_db()
    assert desk.settings["schedule"] == {"start": "0 9 * * 1-5", "stop": "", "time_zone": "Asia/Tokyo"}
    refused = client.post("/w/lab/compute/desk/change", {**form, "stop": "at noon"}, follow=True)
    assert "no line of cron" in refused.content.decode()
    assert 'data-refused="stop"' in refused.content.decode(), "the dialog opens again at this field"


# --- the clock, alone ------------------------------------------------------------------------------------------------

FRIDAY = datetime(2026, 11, 27, 8, 30, tzinfo=UTC)  # 17:30 in Tokyo


@pytest.mark.parametrize(
    ("line", "zone", "expected"),
    [
        ("0 9 * * *", "UTC", "2026-11-27T09:00:00+00:00"),
        ("30 8 * * *", "UTC", "2026-11-28T08:30:00+00:00"),
        ("0 9 * * 1-5", "Asia/Tokyo", "2026-11-30T09:00:00+09:00"),
        ("*/15 * * * *", "UTC", "2026-11-27T08:45:00+00:00"),
        ("0 0 29 2 *", "UTC", "2028-02-29T00:00:00+00:00"),
        ("0 12 1 * 0", "UTC", "2026-11-29T12:00:00+00:00"),  # either day is enough
        ("30 2 28 3 *", "Europe/Berlin", "2028-03-28T02:30:00+02:00"),  # in 2027 the clocks jump over it
        ("", "UTC", None),
    ],
)
def test_the_next_moment_of_a_line(line, zone, expected):
    found = schedules.next_after(line, zone, FRIDAY)
    assert (found.isoformat() if found else None) == expected


def test_what_is_due_is_the_last_word_and_nothing_from_long_ago():
    schedule = {"start": "0 9 * * *", "stop": "15 9 * * *", "time_zone": "UTC"}
    at = datetime(2026, 11, 27, 9, 20, tzinfo=UTC)
    assert schedules.last_due(schedule, at - timedelta(minutes=25), at) == "stop"
    assert schedules.last_due(schedule, at - timedelta(minutes=25), at - timedelta(minutes=10)) == "start"
    assert schedules.last_due(schedule, at, at + timedelta(minutes=1)) == ""
    assert schedules.last_due(schedule, at - timedelta(days=9), at + timedelta(hours=2)) == ""


def test_a_line_of_a_schedule_that_is_changed_stays_in_its_time_zone_and_beside_the_other(api, desk):
    def change(**schedule: str) -> dict[str, str]:
        answer = api("carl").patch(f"{URL}/desk", {"settings": {"schedule": schedule}}, format="json")
        assert answer.status_code == 200, answer.json()
        return answer.json()["settings"]["schedule"]

    made = change(start="0 9 * * *", stop="0 18 * * *", time_zone="Asia/Tokyo")
    assert change(start="30 9 * * *") == {**made, "start": "30 9 * * *"}
    assert change(stop="") == {**made, "start": "30 9 * * *", "stop": ""}, "an empty line is none"
    gone = api("carl").patch(f"{URL}/desk", {"settings": {"schedule": None}}, format="json").json()
    assert gone["settings"]["schedule"] == {"start": "", "stop": "", "time_zone": "UTC"}


@pytest.mark.parametrize(
    "given",
    [
        {"start": "9 am"},
        {"start": "* * * *"},
        {"start": "61 * * * *"},
        {"start": "* * * * * *"},
        {"time_zone": "Mars/Base"},
        {"begin": "* * * * *"},
        {"start": "0 0 31 2 *"},
        {"start": "0 9 * * *", "stop": "0 9 * * *"},
        "0 9 * * *",
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused(given):
    with pytest.raises(Invalid):
        schedules.clean_schedule(given)
