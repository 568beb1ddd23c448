"""The words of the command about runs, experiments, compute and environments that one call of the studio answers.

In this process: each word of its own process costs more than all of this.
"""

import hashlib
import json
from pathlib import Path

import pytest

from tests.client.studio import RUN, TOKEN, Reply, W
from zaffre.cli import main


@pytest.fixture
def said(studio, home, monkeypatch, capsys):
    """`said("run", "list")` → (exit code, standard output, standard error)."""
    for name, value in {"ZAFFRE_URL": studio.url, "ZAFFRE_TOKEN": TOKEN, "ZAFFRE_WORKSPACE": "main"}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> "tuple[int, str, str]":
        try:
            code = main(list(words))
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("env", "list"), "environment"),
        (("rn",), "run"),
        (("run", "sbmit"), "submit"),
        (("compute", "create", "clster", "few"), "cluster"),
        (("quartz", "list"), ""),
    ],
)
def test_a_word_that_is_none_is_answered_with_the_nearest(said, words, meant):
    code, out, wrong = said(*words)
    typed = next(one for one in words if one not in ("run", "compute", "create"))
    assert (code, out) == (2, "") and f"there is no {typed!r}." in wrong and "There are: " in wrong
    assert f"Did you mean {meant!r}?" in wrong if meant else "Did you mean" not in wrong


def test_the_word_for_a_target_is_that_of_the_page(studio, said):
    one = {"name": "few", "kind": "cluster", "online": 0, "nodes": 0, "slots": 0, "state": "Steady"}
    rows = [{**one, "shown_state": "no_nodes"}, {**one, "name": "box", "kind": "local", "shown_state": "online"}]
    studio.next(f"GET {W}/compute", Reply(value={"targets": rows}))
    _, out, _ = said("compute", "list")
    assert "no nodes" in out and "online" in out and "Steady" not in out


def test_runs_are_asked_for_by_target_tags_and_parent(studio, said):
    studio.new_run()
    words = ("--target", "cpu's", "--tag", "stage=one two", "--tags", "done", "--parent", RUN, "--filter", "a or b")
    assert said("run", "list", *words, "--last", "7", "--status", "CancelRequested", "-e", "first")[0] == 0
    query = studio.calls[-1].query
    assert query["filter"] == [
        f"(a or b) and target = 'cpu''s' and parent = '{RUN}' and tags.`stage` = 'one two' and tags.`done` is not null"
    ]
    assert (query["limit"], query["status"], query["experiment"]) == (["7"], ["cancel_requested"], ["first"])
    code, _, wrong = said("run", "list", "--tag", "a`b=1")
    assert code == 1 and "no name of a tag" in wrong


def test_the_children_of_a_run_come_page_by_page(studio, said):
    run = studio.new_run()
    address = f"{W}/runs/{RUN}/children"
    studio.next(f"GET {address}", Reply(value={"runs": [run], "next": RUN}), Reply(value={"runs": [run], "next": None}))
    assert len(json.loads(said("run", "children", RUN, "--recursive", "--json")[1])["runs"]) == 2
    assert [call.query.get("after") for call in studio.asked("GET", address)] == [None, [RUN]]


def test_the_numbers_of_a_run(studio, said):
    studio.new_run()
    told = {"loss": {"kind": "list", "count": 1, "last": "NaN"}, "note": {"kind": "scalar", "count": 1, "last": 2.0}}
    studio.next(f"GET {W}/runs/{RUN}/metrics", *[Reply(value={"metrics": told})] * 3)
    assert json.loads(said("run", "metrics", RUN, "--json")[1])["metrics"] == {"loss": "nan", "note": 2.0}
    assert said("run", "metrics", "-r", RUN, "--name", "note")[1].split() == ["METRIC", "VALUE", "note", "2"]
    code, _, wrong = said("run", "metrics", RUN, "--name", "lost")
    assert code == 1 and "There are: loss, note." in wrong


def test_lines_of_then_name_the_run_behind_a_flag(studio, said):
    studio.new_run()
    more = ("-w", "main", "-g", "group", "--subscription-id", "0-0", "-o", "json", "-e", "first")
    assert json.loads(said("run", "show", "-r", RUN, *more)[1])["id"] == RUN
    code, _, wrong = said("run", "show")
    assert code == 2 and "the following arguments are required: RUN" in wrong


def test_logs_code_and_the_end_of_a_run(studio, said, home):
    studio.new_run(snapshot="SNAP")
    studio.log = b"printed\n"
    digest = hashlib.sha256(b"in a file").hexdigest()
    studio.artifacts, studio.blobs = {"logs/a.txt": digest}, {digest: b"in a file"}
    studio.finish("failed", reason={"code": "x", "message": "exit code 3"}, snapshot="SNAP")
    code, out, _ = said("run", "download-logs", "-r", RUN, "-d", "got")
    assert code == 0 and [Path(one).resolve() for one in out.split()] == [
        home / "work/got" / name for name in ("std_log.txt", "logs/a.txt")
    ]
    assert (home / "work/got/logs/a.txt").read_text() == "in a file"
    code, _, err = said("run", "wait", RUN)
    assert code == 1 and "exit code 3" in err
    assert said("run", "monitor-logs", "--run", RUN)[:2] == (1, "printed\n")
    studio.next(f"GET {W}/snapshots/SNAP", Reply(value={"files": []}))
    assert said("run", "code", RUN, "--to", "code")[1] == f"The code of {RUN} is in code.\n"


def test_a_run_is_renamed_and_described(studio, said):
    studio.new_run()
    words = ("--name", "better", "--description", "**why**", "--add-tag", "a=1", "--add-property", "p=2")
    assert said("run", "update", RUN, *words)[0] == 0
    told = {"name": "better", "description": "**why**", "tags": {"a": "1"}, "properties": {"p": "2"}}
    assert studio.asked("PATCH", f"{W}/runs/{RUN}")[-1].json == told
    assert "Nothing to change" in said("run", "update", RUN)[2]


def test_experiments(studio, said):
    held = {
        "name": "first",
        "id": 7,
        "runs": 2,
        "created": None,
        "archived": None,
        "description": "d",
        "tags": {"a": "b"},
    }
    address = f"{W}/experiments"
    studio.next(f"GET {address}", *[Reply(value={"experiments": [held]})] * 6, Reply(value={"experiments": []}))
    studio.next(f"PATCH {address}/7", *[Reply(value=held)] * 2)
    studio.next(f"POST {address}", Reply(201, held))
    studio.next(f"DELETE {address}/7", Reply(204))
    assert "first" in said("experiment", "list", "--archived")[1] and studio.calls[-1].query["archived"] == ["1"]
    assert "a=b" in said("experiment", "show", "first")[1]
    assert said("experiment", "create", "first", "--tag", "a=b")[0] == 0
    assert said("experiment", "update", "first", "--new-name", "x", "--add-tag", "a=c", "--remove-tag", "d")[0] == 0
    assert said("experiment", "archive", "-n", "first", "--undo")[0] == 0
    told = [call.json for call in studio.asked("PATCH", f"{address}/7")]
    assert told == [{"name": "x", "tags": {"d": None, "a": "c"}}, {"archived": False}]
    assert "Nothing to change" in said("experiment", "update", "first")[2]
    assert said("experiment", "delete", "first")[1] == "first is deleted.\n"
    said("experiment", "show", "first")
    code, _, wrong = said("experiment", "show", "nowhere")
    assert code == 1 and "no experiment 'nowhere'" in wrong


def test_sizes_events_and_the_nodes_of_a_target(studio, said):
    sizes = [{"name": "cpu-2", "vCPUs": 2, "memoryGB": 8, "gpus": 0}]
    studio.next(f"GET {W}/compute-sizes", Reply(value={"sizes": sizes}))
    assert "cpu-2" in said("compute", "sizes")[1]
    events = [{"at": None, "code": "x", "node": "n1", "text": "It went.\nolga"}]
    studio.next(f"GET {W}/compute/pool/happenings", Reply(value={"happenings": events}))
    assert "It went. · olga\n" in said("compute", "events", "pool")[1]
    invitation = {"command": "zaffre node start --join …", "expires": "2030-01-02T03:04:05.6Z"}
    studio.next(f"POST {W}/compute/pool/enrolments", Reply(201, invitation))
    _, told, aside = said("compute", "invite", "pool")
    assert told == "zaffre node start --join …\n" and "join machines until 2030-01-02 03:04 UTC" in aside
    target = {"name": "pool", "kind": "joined", "nodes": [{"id": "N1", "name": "n1", "online": False}]}
    studio.next(f"GET {W}/compute/pool", *[Reply(value=target)] * 4)
    studio.next(f"DELETE {W}/compute/pool/nodes/N1", Reply(204))
    assert "n1" in said("compute", "nodes", "pool")[1]
    assert "needs --yes" in said("compute", "remove-node", "pool", "n1")[2]
    assert "There are: n1." in said("compute", "remove-node", "pool", "n2", "--yes")[2]
    assert said("compute", "remove-node", "pool", "n1", "--yes")[0] == 0
    assert studio.calls[-1].method == "DELETE"


def test_an_instance_gets_a_schedule_and_an_owner(studio, said):
    made = {"name": "ci", "kind": "instance", "state": "Running", "settings": {
        "schedule": {"start": "0 9 * * 1-5", "stop": "", "time_zone": "Asia/Tokyo"}}}  # fmt: skip
    studio.next(f"POST {W}/compute", Reply(201, made))
    words = ("--schedule-start", "0 9 * * 1-5", "--time-zone", "Asia/Tokyo", "--no-wait")
    out = said("compute", "create", "computeinstance", "-n", "ci", *words)[1]
    assert "start 0 9 * * 1-5 (Asia/Tokyo)" in out
    schedule = {"start": "0 9 * * 1-5", "time_zone": "Asia/Tokyo"}
    assert studio.asked("POST", f"{W}/compute")[0].json["settings"] == {"schedule": schedule}
    studio.next(f"PATCH {W}/compute/ci", Reply(value=made))
    assert said("compute", "update", "ci", "--owner", "olga")[0] == 0 and studio.calls[-1].json["owner"] == "olga"
    studio.next(f"POST {W}/compute/ci/start", Reply(value={**made, "state": "Starting"}))
    studio.next(f"GET {W}/compute/ci", *[Reply(value=made)] * 3)
    assert said("compute", "start", "--name", "ci", "--wait")[1].splitlines()[-1] == "ci: Running"


def test_environments_of_an_image_and_of_an_interpreter(studio, said, home):
    answer = {"name": "mine", "version": 1, "spec": {}}
    studio.next(f"POST {W}/environments", *[Reply(201, answer)] * 3)
    (home / "work/Dockerfile").write_text("FROM scratch\n")
    for words in (
        ("--image", "me/mine:1", "--package", "six"),
        ("--dockerfile", "Dockerfile"),
        ("--interpreter", "/usr/bin/python3"),
    ):
        assert said("environment", "create", "mine", *words)[0] == 0
    specs = [call.json["spec"] for call in studio.asked("POST", f"{W}/environments")]
    assert specs == [
        {"kind": "docker", "image": "me/mine:1", "requirements": ["six"]},
        {"kind": "docker", "dockerfile": "FROM scratch\n", "interpreter": "python"},
        {"kind": "interpreter", "interpreter": "/usr/bin/python3"},
    ]
    for words, wrong in (
        ((), "Which packages?"),
        (("--image", "a", "--interpreter", "b"), "Give one of"),
        (("--interpreter", "b", "--package", "six"), "Nothing is installed"),
    ):
        assert wrong in said("environment", "create", "mine", *words)[2]


def test_versions_and_builds_of_an_environment(studio, said):
    versions = [{"version": 2, "spec": {"kind": "pip", "requirements": ["six"]}, "created": None}]
    studio.next(f"GET {W}/environments/mine", Reply(value={"name": "mine", "versions": versions}))
    assert said("environment", "versions", "mine")[1].splitlines()[1].split() == ["2", "pip", "1"]
    build = {"id": "B1", "version": 2, "status": "failed", "target": "local", "node": "n1", "created": None}
    build |= {"reason": "no such package", "log": "× No solution"}
    address = f"{W}/environments/mine/builds"
    studio.next(f"GET {address}", Reply(value={"builds": [build]}))
    studio.next(f"GET {address}/B1", Reply(value=build))
    studio.next(f"POST {address}/B1/cancel", Reply(value={**build, "log": ""}))
    assert "no such package" in said("environment", "builds", "mine")[1]
    assert said("environment", "builds", "mine", "--log", "B1")[1] == "× No solution\n"
    assert said("environment", "builds", "mine", "--cancel", "B1")[1] == "build B1: failed\n"
