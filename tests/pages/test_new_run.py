"""The form of a run from nothing: who gets it, where its code comes from, and that a refusal loses nothing."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from runs.services import create_experiment
from runs.snapshots.services import create_snapshot
from studio.kernel import blobs
from tests.pages.test_run_page import CODE, form_of
from tests.runs.control.conftest import Submitter, yard  # noqa: F401 - a fixture
from workspace.models import Workspace

NEW = "/w/lab/new-run"
DIFF = "diff --git a/train.py b/train.py\n-print(1)\n+print(2)\n"


@pytest.fixture
def carl(yard, api) -> Submitter:  # noqa: F811
    return Submitter(api("carl"), yard)


def page(client, **query: str) -> str:
    answer = client.get(NEW, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_who_may_begin_a_run(carl, browser):
    for name, status in (("carl", 200), ("rio", 403), ("mallory", 404)):
        assert browser(name).get(NEW).status_code == status
        if status != 200:
            assert browser(name).post(NEW, {"script": "train.py"}).status_code == status
    assert browser(None).get(NEW).status_code == 302
    assert not Run.objects.exists()


@pytest.mark.parametrize("place", ["experiments", "runs", "compute", "compute/local"])
def test_it_is_offered_where_one_looks_for_it(carl, browser, place):
    carl.submit(CODE)
    assert 'href="/w/lab/new-run' in browser("carl").get(f"/w/lab/{place}").getvalue().decode()
    assert 'href="/w/lab/new-run' not in browser("rio").get(f"/w/lab/{place}").getvalue().decode()


def test_an_empty_experiment_offers_it_with_its_name(carl, browser, people):
    create_experiment("lab", actor=people.actor("carl"), name="a/b c")
    told = browser("carl").get("/w/lab/experiments/a/b c").getvalue().decode()
    assert 'href="/w/lab/new-run?experiment=a%2Fb%20c"' in told
    assert form_of(page(browser("carl"), experiment="a/b c", target="local"))["experiment"] == ["a/b c"]


def test_a_run_from_a_snapshot_that_the_browser_sent(carl, browser):
    client = browser("carl")
    form = form_of(page(client))
    assert (form["target"], form["environment"], form["code"]) == (["local"], ["system"], ["sent"])
    form |= {"snapshot": carl.snapshot(CODE), "experiment": "first", "script": "train.py", "arguments": "--lr 0.1"}
    answer = client.post(NEW, form)
    made = Run.objects.get(pk=answer["Location"].rsplit("/", 1)[1])
    assert (made.status, made.experiment.name, made.properties) == ("queued", "first", {})
    assert made.config["arguments"] == ["--lr", "0.1"]
    assert {one["path"] for one in made.snapshot.files} == set(CODE)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("pip install x && python train.py", ["bash", "-c", "pip install x && python train.py"]),
        ("python train.py>log", ["bash", "-c", "python train.py>log"]),
        ('python train.py --say "a && b" ', ["python", "train.py", "--say", "a && b"]),
        ("bash -c 'pip install x | tail'", ["bash", "-c", "pip install x | tail"]),
        ("python it\\'s.py", ["python", "it's.py"]),
    ],
)
def test_a_command_with_an_operator_is_read_by_a_shell_and_stays_so_when_it_is_cloned(carl, browser, typed, words):
    client = browser("carl")
    form = form_of(page(client)) | {"snapshot": carl.snapshot(CODE), "experiment": "first", "kind": "command"}
    made = client.post(NEW, form | {"arguments": typed})
    assert Run.objects.get(pk=made["Location"].rsplit("/", 1)[1]).config["command"] == words
    cloned = form_of(client.get(f"{made['Location']}/clone").content.decode())
    again = client.post(f"{made['Location']}/clone", cloned)
    assert Run.objects.get(pk=again["Location"].rsplit("/", 1)[1]).config["command"] == words


@pytest.mark.parametrize("by", ["pk", "name"])
def test_a_run_with_the_code_of_an_earlier_one(carl, browser, by):
    body = {
        "experiment": "d",
        "snapshot": carl.snapshot(CODE),
        "config": {"script": "train.py"},
        "git": {"commit": "0" * 40, "diff": DIFF},
    }
    earlier = Run.objects.get(pk=carl.client.post("/api/v1/workspaces/lab/runs", body, format="json").json()["id"])
    client = browser("carl")
    form = form_of(page(client, run=earlier.pk))
    assert (form["code"], form["from_run"]) == (["run"], [earlier.pk])
    form |= {"from_run": f" {getattr(earlier, by)} ", "experiment": "d", "script": "src/a.py"}
    answer = client.post(NEW, form)
    assert answer.status_code == 302, answer.content.decode()
    made = Run.objects.exclude(pk=earlier.pk).get()
    assert (made.snapshot_id, made.git, made.patch.text) == (earlier.snapshot_id, earlier.git, DIFF)


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"snapshot": ""}, "code", "Choose the code"),
        ({"snapshot": "01NOTHING"}, "code", "no snapshot"),
        ({"code": "run", "from_run": "nobody"}, "from_run", "There is no run nobody"),
        ({"code": "run", "from_run": ""}, "from_run", "There is no run"),
        ({"code": "run", "from_run": "logs only"}, "from_run", "has no snapshot"),
        ({"script": "trian.py"}, "script", "Did you mean"),
        ({"experiment": ""}, "experiment", "1 to 500"),
        ({"nodes": "two"}, "nodes", "whole number"),
    ],
)
def test_a_refusal_stands_at_its_field_and_loses_nothing(carl, browser, api, change, field, said):
    without = {"kind": "interactive", "experiment": "d", "name": "logs only"}
    api("carl").post("/api/v1/workspaces/lab/runs", without, format="json")
    client = browser("carl")
    form = form_of(page(client)) | {"experiment": "d", "script": "train.py", "snapshot": carl.snapshot(CODE)}
    form |= {"tag_key": ["kept <b>"], "tag_value": ["as 'it' is"], "arguments": "--a 'b c'", **change}
    answer = client.post(NEW, form)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert said in unescape(re.search(r'id="clone-wrong">(.*?)</div>', text, re.S)[1])
    where = r"data-note[^>]*>" if field == "code" else rf'id="wrong-{field}">'
    assert said in unescape(re.search(rf"{where}(.*?)</p>", text, re.S)[1])
    again = form_of(text)
    for name in ("experiment", "script", "snapshot", "tag_key", "tag_value", "arguments", "code", "from_run", "nodes"):
        wanted = form[name] if isinstance(form[name], list) else [form[name]]
        assert [one for one in again[name] if one] == [one for one in wanted if one], name
    if form["snapshot"] and not change.keys() & {"snapshot", "code"}:
        assert "4 files" not in text and "3 files" in text, "the page says what it has of the code"
        assert '<option value="src/a.py">' in text
    assert Run.objects.count() == 1


def test_the_snapshot_of_another_workspace_is_none_of_ours(carl, browser, api, people):
    den = Workspace.objects.get(slug="den")
    sha256, size = blobs.put([b"print('den')"], workspace_id=den.pk)
    files = [{"path": "secret.py", "sha256": sha256, "size": size, "mode": 0o644}]
    theirs = create_snapshot("den", actor=people.actor("mallory"), files=files)
    form = form_of(page(browser("carl"))) | {"experiment": "d", "script": "secret.py", "snapshot": theirs.pk}
    answer = browser("carl").post(NEW, form)
    assert answer.status_code == 422 and "secret.py</li>" not in answer.content.decode()
    assert not Run.objects.exists()


def test_it_is_spelled_before_there_is_any_code(carl, browser):
    client = browser("carl")
    form = form_of(page(client)) | {"experiment": "first", "script": "train.py", "arguments": "--lr 1", "spell": "1"}
    answer = client.post(NEW, form)
    text = unescape(answer.content.decode())
    assert (answer.status_code, Run.objects.count()) == (200, 0)
    assert "-- train.py --lr 1" in re.search(r"<pre>(zaffre run submit.*?)</pre>", text, re.S)[1]
    assert "'first').submit(config)" in text


@pytest.mark.parametrize(
    "word", ['<script>alert("x")</script>', "'\"><img src=x onerror=alert(1)>", "日本語", "\0", "a" * 5000]
)
def test_nasty_words_are_text(carl, browser, word):
    client = browser("carl")
    told = client.get(NEW, {"experiment": word, "run": word, "target": word, "environment": word})
    again = client.post(NEW, {"code": "run", "from_run": word, "snapshot": word, "script": word})
    third = client.post(NEW, {"code": "sent", "snapshot": word, "script": word, "experiment": "d"})
    assert (told.status_code, again.status_code, third.status_code) == (200, 422, 422)
    for answer in (told, again, third):
        assert "<script>alert" not in answer.content.decode() and "<img src=x" not in answer.content.decode()


def test_the_form_costs_the_same_with_many_runs(carl, browser):
    client = browser("carl")

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            page(client)
        return len(asked)

    carl.submit(CODE)
    few = cost()
    for number in range(5):
        carl.submit({**CODE, "more.py": str(number)}, experiment=f"e{number}")
    assert cost() == few <= 30
