"""The page of a run as people use it: what it says, cloning it, its code beside another's, and who sees what."""

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs import cloning, story
from runs.models import Run
from runs.snapshots import browsing
from runs.tabs import commit_url
from tests.runs.control.conftest import Submitter, yard  # noqa: F401 - a fixture
from tests.runs.telemetry import make_run  # noqa: F401 - a fixture

CODE = {"train.py": "import src\nprint(1)\n", "src/a.py": "A = 1\nB = 2\n", "README.md": "# x"}
#: Names and values that do not know how to behave.
NASTY = ['<script>alert("x")</script>', "'\"><img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "日本語 🐟", "a" * 5000]


@pytest.fixture
def carl(yard, api) -> Submitter:  # noqa: F811
    return Submitter(api("carl"), yard)


def page(client, run, tab: str = "", status: int = 200, **query) -> str:
    answer = client.get(f"/w/lab/runs/{run.pk}{f'/{tab}' if tab else ''}", query)
    assert answer.status_code == status, (tab, answer.status_code)
    return answer.content.decode()


def test_every_tab_answers_readers_and_no_stranger(carl, browser):
    run = carl.submit(CODE)
    for tab in ("", "metrics", "images", "children", "outputs", "snapshot", "environment", "lineage", "raw"):
        told = page(browser("rio"), run, tab)
        for what in ("/clone", "/again", "bin/add", "data-change", "data-edit", 'name="off"', "data-dialog"):
            shown = re.findall(rf"<(?:a|form|button|input)[^>]*{re.escape(what)}[^>]*>", told.split("<main", 1)[1])
            assert shown == [], f"readers are not offered {what}"
        page(browser("mallory"), run, tab, status=404)
        assert browser("mallory").get(f"/w/den/runs/{run.pk}/{tab}").status_code == 404
    assert browser("rio").get(f"/w/lab/runs/{run.pk}/nothing").status_code == 404


def test_raw_json_is_what_the_api_tells(carl, browser):
    run = carl.submit(CODE)
    told = html.unescape(page(browser("rio"), run, "raw"))
    asked = browser("rio").get(f"/api/v1/workspaces/lab/runs/{run.pk}").json()
    assert f'"created": "{asked["created"]}"' in told


@pytest.mark.parametrize(
    ("address", "rio"), [("clone", 403), ("again", 403), ("rename", 403), ("baseline", 403), ("archive", 403)]
)
def test_who_may_act(carl, browser, address, rio):
    run = carl.submit(CODE)
    for name, status in (("rio", rio), ("mallory", 404)):
        assert browser(name).post(f"/w/lab/runs/{run.pk}/{address}", {"name": "x"}).status_code == status
    assert browser("mallory").get(f"/w/lab/runs/{run.pk}/clone").status_code == 404
    assert browser("rio").get(f"/w/lab/runs/{run.pk}/clone").status_code == 403
    assert Run.objects.count() == 1 and Run.objects.get().name == run.name


# --- cloning ---------------------------------------------------------------------------------------------------


def form_of(text: str) -> dict:
    """What a browser would send of the form as the page has it."""
    main = text.split('<form method="post" class="clone', 1)[1]
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", main):
        name = re.search(r'name="([^"]*)"', tag)
        if (
            name
            and name[1] != "csrfmiddlewaretoken"
            and (not re.search('type="(radio|checkbox)"', tag) or " checked" in tag)
        ):
            value = re.search(r'value="([^"]*)"', tag)
            found.setdefault(name[1], []).append(unescape(value[1]) if value else "")
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', main, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        found.setdefault(name, []).append(unescape(chosen[1]))
    for name, value in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>([^<]*)</textarea>', main):
        found.setdefault(name, []).append(unescape(value))
    return found


def unescape(text: str) -> str:
    for one, other in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x27;", "'"), ("&amp;", "&")):
        text = text.replace(one, other)
    return text


def test_a_clone_uses_the_same_secrets_and_refuses_what_is_none(carl, browser, api):
    api("olga").post("/api/v1/workspaces/lab/secrets", {"name": "wandb", "value": "plum-Tree-4711"}, format="json")
    run = carl.submit(CODE, secrets=["WANDB_API_KEY=wandb"])
    client = browser("carl")
    form = form_of(client.get(f"/w/lab/runs/{run.pk}/clone").content.decode())
    assert form["secrets"] == ["WANDB_API_KEY=wandb"]
    answer = client.post(f"/w/lab/runs/{run.pk}/clone", form)
    made = Run.objects.get(pk=answer["Location"].rsplit("/", 1)[1])
    assert made.config["secrets"] == ["WANDB_API_KEY=wandb"]
    refused = client.post(f"/w/lab/runs/{run.pk}/clone", {**form, "secrets": ["WANDB_API_KEY=wandbb"]})
    assert refused.status_code == 422
    assert "Did you mean" in html.unescape(refused.content.decode())


def test_a_clone_has_the_same_and_what_was_changed(carl, browser):
    run = carl.submit(CODE, arguments=["--lr", "0.1", "two words"], max_retries=2, environment_variables={"A": "b c"})
    Run.objects.filter(pk=run.pk).update(
        tags={"team": "a b", "mlflow.user": "x"}, git={"commit": "abc", "branch": "main"}
    )
    client = browser("carl")
    form = form_of(client.get(f"/w/lab/runs/{run.pk}/clone").content.decode())
    assert form["arguments"] == ["--lr 0.1 'two words'"]
    assert (form["script"], form["retries"], form["environment"]) == (["train.py"], ["2"], ["system:1"])
    assert form["tag_key"] == ["team", "", ""]
    form |= {"arguments": ["--lr 0.2 'two words'"], "name": ["second try"]}
    answer = client.post(f"/w/lab/runs/{run.pk}/clone", form)
    assert answer.status_code == 302, answer.content.decode()
    made = Run.objects.get(pk=answer["Location"].rsplit("/", 1)[1])
    assert (made.name, made.snapshot_id, made.status) == ("second try", run.snapshot_id, "queued")
    assert made.config["arguments"] == ["--lr", "0.2", "two words"]
    assert made.config["environment_variables"] == {"A": "b c"}
    assert (made.tags, made.git) == ({"team": "a b"}, {"commit": "abc", "branch": "main"})
    assert (made.properties, made.max_retries) == ({"cloned_from": run.pk}, 2)
    assert f'/runs/{run.pk}">' in page(client, made), "the page says where it came from"


#: All that a run may say of itself, as the studio keeps it.
EVERYTHING = {
    "arguments": ["--lr", "0.1", "two words"],
    "environment_variables": {"A": "b c"},
    "max_retries": 2,
    "max_user_retries": 1,
    "max_duration_seconds": 60,
    "resources": {"cpus": 0.5, "memory_gb": 2, "gpus": 1, "labels": {"zone": "eu"}},
    "priority": -3,
    "node_count": 2,
    "distribution": {"kind": "pytorch", "processes_per_node": 2, "backend": "gloo"},
    "history": {"output_collection": False, "directories_to_watch": ["logs", "boards"]},
}


def test_a_clone_loses_nothing_of_the_configuration(carl, browser):
    run = carl.submit(CODE, **EVERYTHING)
    client = browser("carl")
    form = form_of(client.get(f"/w/lab/runs/{run.pk}/clone").content.decode())
    answer = client.post(f"/w/lab/runs/{run.pk}/clone", form)
    assert answer.status_code == 302, answer.content.decode()
    made = Run.objects.get(pk=answer["Location"].rsplit("/", 1)[1])
    assert {**made.config, "environment": ""} == {**run.config, "environment": ""}
    assert (made.nodes, made.priority, made.gpus) == (2, -3, 1)


def test_the_form_is_spelled_as_a_command_and_as_code(carl, browser):
    run = carl.submit(CODE, **EVERYTHING)
    client = browser("carl")
    form = form_of(client.get(f"/w/lab/runs/{run.pk}/clone").content.decode())
    before = Run.objects.count()
    answer = client.post(f"/w/lab/runs/{run.pk}/clone", {**form, "priority": "5", "spell": "1"})
    assert (answer.status_code, Run.objects.count()) == (200, before), "nothing was submitted"
    text = unescape(answer.content.decode())
    command = re.search(r"<pre>(zaffre run submit.*?)</pre>", text, re.S)[1]
    for part in ("--nodes 2", "--distribution pytorch:gloo", "--processes 2", "--priority 5", "--label zone=eu",
                 "--env 'A=b c'", "--memory 2", "-- train.py --lr 0.1 'two words'"):  # fmt: skip
        assert part in command
    code = re.search(r"<pre>(from zaffre.core.*?)</pre>", text, re.S)[1]
    compile(code, "spelled", "exec")
    assert "config.run_config.node_count = 2" in code


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"nodes": "two"}, "nodes", "whole number"),
        ({"memory": "much"}, "memory", "a number"),
        ({"labels": "zone"}, "labels", "name=value"),
        ({"priority": "101"}, "priority", "100"),
        ({"distribution": "mpi", "processes": "999"}, "distribution", "256"),
        ({"watched": "/etc"}, "watched", "own"),
        ({"secrets": "none"}, "secrets", "none"),
        ({"user_retries": "99"}, "user_retries", "0 to 20"),
        ({"script": "trian.py"}, "script", "Did you mean"),
        ({"script": ""}, "script", "Say which script"),
        ({"arguments": "--name 'open"}, "arguments", "quotation mark"),
        ({"target": "locel"}, "target", "local"),
        ({"environment": "system:99"}, "environment", "99"),
        ({"retries": "many"}, "retries", "whole number"),
        ({"retries": "999"}, "retries", "0 to 20"),
        ({"duration": "0"}, "duration", "1 to"),
        ({"experiment": ""}, "experiment", "1 to 500"),
        ({"name": "x" * 300}, "name", "1 to 256"),
        ({"input_name": ["data"], "input_dataset": ["nothing:1"]}, "inputs", "nothing"),
        ({"tag_key": ["a", "a"], "tag_value": ["1", "2"]}, "tags", "twice"),
        ({"variable_key": ["1x"], "variable_value": ["y"]}, "variables", "1x"),
    ],
)
def test_a_refused_clone_comes_back_as_it_was_typed(carl, browser, change, field, said):
    run = carl.submit(CODE)
    client = browser("carl")
    form = form_of(client.get(f"/w/lab/runs/{run.pk}/clone").content.decode())
    form |= {"tag_key": ["kept <b>"], "tag_value": ["as 'it' is"], "description": ["mine"], **change}
    answer = client.post(f"/w/lab/runs/{run.pk}/clone", form)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert said in unescape(re.search(r'id="clone-wrong">(.*?)</div>', text, re.S)[1])
    again = form_of(text)
    for name, value in form.items():
        if name == "input_mode":  # empty rows have one, too
            continue
        wanted = value if isinstance(value, list) else [value]
        assert [one for one in again.get(name, wanted) if one] == [one for one in wanted if one], name
    if field not in ("inputs", "tags", "variables"):
        marked = re.search(rf'<(?:input|textarea|select)[^>]*id="f-{field}"[^>]*>', text)[0]
        assert 'aria-invalid="true"' in marked
    assert Run.objects.count() == 1


@pytest.mark.parametrize("word", [*NASTY, "\0"])
def test_nasty_words_are_text(carl, browser, word):
    run = carl.submit(CODE)
    client = browser("carl")
    told = client.post(
        f"/w/lab/runs/{run.pk}/clone", {"script": word, "arguments": word, "target": word, "tag_key": word}
    )
    assert told.status_code == 422
    assert "<script>alert" not in told.content.decode() and "<img src=x" not in told.content.decode()
    if "\0" not in word:
        Run.objects.filter(pk=run.pk).update(
            name=word[:250],
            tags={word[:200]: word},
            params={word[:200]: word},
            description=word,
            properties={"p": word},
        )
        for tab in ("", "snapshot", "environment", "lineage", "raw", "children"):
            text = page(client, run, tab)
            assert "<script>alert" not in text and "<img src=x" not in text and ">49<" not in text
    for query in ({"path": word}, {"against": word}):
        status = 404 if "path" in query else 200
        assert "<script>alert" not in page(client, run, "snapshot", status=status, **query)


# --- code and packages ----------------------------------------------------------------------------------------


def test_the_code_is_a_tree_and_files_are_text(carl, browser):
    run = carl.submit({**CODE, "weights.bin": "a\0b", "empty.txt": "", "page.html": "<script>alert(1)</script>"})
    client = browser("rio")
    told = page(client, run, "snapshot")
    assert re.findall(r'<li id="L\d+">([^<]*)</li>', told) == ["import src", "print(1)"]
    assert told.index(">src<") < told.index("README.md"), "folders come first"
    assert re.findall(r'<li id="L\d+">([^<]*)</li>', page(client, run, "snapshot", path="src/a.py")) == [
        "A = 1",
        "B = 2",
    ]
    assert "not text" in page(client, run, "snapshot", path="weights.bin")
    assert "empty" in page(client, run, "snapshot", path="empty.txt")
    assert "<script>alert" not in page(client, run, "snapshot", path="page.html")
    page(client, run, "snapshot", status=404, path="../../etc/passwd")


def test_code_beside_another_runs(carl, browser, api):
    first = carl.submit(CODE)
    second = carl.submit({"train.py": "import src\nprint(2)\n", "src/a.py": "A = 1\nB = 2\n", "new.py": "x"})
    client = browser("rio")
    for word in (first.pk, first.name):
        told = page(client, second, "snapshot", against=word)
        assert re.findall(r'<code title="([^"]*)">', told.split("diff-head")[1]) == ["README.md", "new.py", "train.py"]
        assert "print(<del>1</del>)" in told and "print(<ins>2</ins>)" in told
    assert 'class="code-diff split"' in page(client, second, "snapshot", against=first.pk, mode="split")
    assert "Run before" in page(client, second, "snapshot")
    assert "There is no run" in page(client, second, "snapshot", against="nobody")
    assert "the run itself" in page(client, second, "snapshot", against=second.pk)
    elsewhere = api("mallory").post(
        "/api/v1/workspaces/den/runs", {"kind": "interactive", "experiment": "e", "name": "secret-heron"}, format="json"
    )
    told = page(client, second, "snapshot", against=elsewhere.json()["id"])
    assert "There is no run" in told and "secret-heron" not in told


def test_packages_beside_another_runs(carl, browser):
    browser("olga").post("/w/lab/environments/new", {"name": "mine", "requirements": "numpy==2.4.0\nscipy==1.17.0"})
    first = carl.submit(CODE, environment="mine:1")
    browser("olga").post("/w/lab/environments/new", {"name": "mine", "requirements": "numpy==2.5.0\nscipy==1.17.0"})
    second = carl.submit(CODE, environment="mine:2")
    told = page(browser("rio"), second, "environment", against=first.pk)
    assert re.findall(r'<td class="mono">([^<]*)</td>', told) == ["numpy", "==2.4.0", "==2.5.0"]
    assert "1 the same" in told


# --- what it says ------------------------------------------------------------------------------------------------


def test_numbers_stand_beside_the_baseline(make_run, browser):  # noqa: F811
    base, run = make_run(status="completed"), make_run(status="completed")
    series = {"kind": "list", "last_step": 1, "count": 2, "min": 0.1, "max": 1.0}
    Run.objects.filter(pk=base.id).update(metrics={"loss": {**series, "last": 0.5}})
    Run.objects.filter(pk=run.id).update(metrics={"loss": {**series, "last": 0.25}, "mine": {**series, "last": 3}})
    client = browser("carl")
    assert client.post(f"/w/lab/runs/{base.id}/baseline").status_code == 302
    for tab in ("", "/metrics"):
        told = client.get(f"/w/lab/runs/{run.id}{tab}").content.decode()
        assert "▼ -50.0 %" in re.sub(r"\s+", " ", told) and base.id in told
    assert "this run is the baseline" in client.get(f"/w/lab/runs/{base.id}").content.decode()
    client.post(f"/w/lab/runs/{base.id}/baseline", {"off": "1"})
    assert "no baseline yet" in client.get(f"/w/lab/runs/{run.id}").content.decode()


def test_why_it_waits_and_why_it_failed(carl, browser):
    first, second = carl.submit(CODE), carl.submit(CODE)
    told = page(browser("rio"), second)
    assert "Why it waits:" in told and "No node of local is online" in told and "number 2 in the line" in told
    Run.objects.filter(pk=first.pk).update(
        status="failed", reason_code="worker_lost", reason="The node was lost in the middle.", ended=timezone.now()
    )
    told = page(browser("rio"), first)
    assert "The node was lost." in told and "Look at the machine under Compute" in told
    assert f'href="/w/lab/runs/{first.pk}/outputs"' in told
    Run.objects.filter(pk=first.pk).update(reason="Rank 2 exited with 1.\nTraceback (most recent call last):\n  x")
    for tab in ("", "/outputs"):
        told = browser("rio").get(f"/w/lab/runs/{first.pk}{tab}").content.decode()
        assert "Rank 2 exited with 1." in told and "Traceback" not in told, "the log has it, line by line"


def test_the_overview_costs_a_fixed_number_of_statements(carl, browser):
    run = carl.submit(CODE)
    client = browser("carl")

    def cost() -> int:
        page(client, run)
        with CaptureQueriesContext(connection) as asked:
            page(client, run)
        return len(asked)

    before = cost()
    Run.objects.filter(pk=run.pk).update(
        params={f"p{at}": "1" for at in range(200)}, tags={f"t{at}": "1" for at in range(200)}
    )
    assert cost() == before <= 32


def test_phases_say_what_was_and_what_comes():
    run = {"kind": "script", "status": "preparing", "queued_at": "2026-01-01T00:00:00", "started": None, "ended": None}
    steps = [
        {"name": "snapshot", "state": "done", "started": "2026-01-01T00:00:01", "ended": "2026-01-01T00:00:02"},
        {"name": "environment", "state": "running", "started": "2026-01-01T00:00:02", "ended": None},
    ]
    run |= {"steps": steps, "exit_code": None, "signal": None, "environment": "torch:7", "queue": None, "reason": None}
    found = story.phases(run)
    assert [(one.name, one.kind) for one in found] == [
        ("queued", "done"),
        ("snapshot", "done"),
        ("environment", "now"),
        ("data", ""),
        ("running", ""),
        ("outputs", ""),
    ]
    assert "torch:7" in story.waits_for(run, story.present(found), node="node-2", grace=10)
    assert story.estimate([100.0], 10) is None
    assert story.estimate([100.0, 120.0], 55)["percent"] == 50
    assert story.estimate([100.0, 120.0], 500)["left"] == 0


@pytest.mark.parametrize(
    ("remote", "there"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b/commit/abc123"),
        ("git@gitlab.com:a/b/c.git", "https://gitlab.com/a/b/c/commit/abc123"),
        ("https://evil.example/a/b", ""),
        ("javascript://github.com/%0aalert(1)", ""),
        ("https://[bad", ""),
        ("", ""),
    ],
)
def test_only_known_hosts_are_linked(remote, there):
    assert commit_url({"remote": remote, "commit": "abc123"}) == there


def test_a_tree_of_many_files_opens_where_the_chosen_one_is():
    files = [{"path": f"d{at // 10}/f{at}.py", "size": 1, "sha256": "0" * 64} for at in range(100)]
    nodes = browsing.tree(files, "d3/f33.py")
    assert [node.name for node in nodes if node.kind == "open" and node.shown] == ["d3"]
    assert sum(node.kind == "open" for node in nodes) == sum(node.kind == "close" for node in nodes) == 10
    assert browsing.first(files) == "d0/f0.py" and browsing.first([]) == ""
    odd = [{"path": "sha256/x", "size": 1, "sha256": "0" * 64}, {"path": "size", "size": 2, "sha256": "1" * 64}]
    assert [node.name for node in browsing.tree(odd)] == ["sha256", "x", "", "size"]


def test_form_and_submission_are_each_others_mirror():
    run = {
        "config": {"command": ["bash", "-c", "echo 'a b'"], "max_duration_seconds": 60},
        "experiment": "e",
        "inputs": {"d": {"dataset": "x", "version": 2, "mode": "mount"}},
        "target": "local",
        "environment": "system:1",
        "tags": {},
    }
    told = cloning.submission(cloning.form_of(run))
    assert told["config"]["command"] == ["bash", "-c", "echo 'a b'"]
    assert told["config"]["inputs"] == {"d": {"dataset": "x:2", "mode": "mount"}}
    assert told["config"]["max_duration_seconds"] == 60
