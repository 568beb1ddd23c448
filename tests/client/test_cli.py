"""The command as people and programs use it: one JSON document, exit codes, readable errors, no token anywhere."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.client.studio import RUN, TOKEN, FakeStudio, Reply, W, _refuse
from zaffre.cli import main


@pytest.fixture
def work(home) -> Path:
    work = home / "work"
    (work / "train.py").write_text("print('hello')\n")
    return work


SUBMIT = ("run", "submit", "--experiment", "first", "--target", "local")


def one_document(done) -> object:
    """Exactly one JSON document on one line; nothing else may be on stdout."""
    assert done.stdout.count("\n") == 1, done.stdout
    return json.loads(done.stdout)


def when_submitted(studio: FakeStudio, do) -> threading.Thread:
    def wait():
        studio.wait(lambda: RUN in studio.runs, "a submitted run")
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_submit_sends_the_folder_and_everything_that_was_said(studio, zaffre, work):
    words = ["--environment", "sklearn:2", "--input", "digits=digits:3", "--env", "A=b=c", "--tag", "who=olga"]
    more = ["--max-retries", "2", "--name", "try", "--max-duration", "60"]
    done = zaffre(*SUBMIT, *words, *more, "--json", "--", "train.py", "--epochs", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert one_document(done)["id"] == RUN
    (call,) = studio.submitted
    assert call.json["config"] == {
        "script": "train.py",
        "command": None,
        "arguments": ["--epochs", "3", "--json"],
        "target": "local",
        "environment": "sklearn:2",
        "environment_variables": {"A": "b=c"},
        "inputs": {"digits": {"dataset": "digits:3", "mode": "download"}},
        "max_duration_seconds": 60,
        "max_retries": 2,
        "secrets": [],
    }
    assert (call.json["tags"], call.json["name"]) == ({"who": "olga"}, "try")
    assert "train.py" in [one["path"] for one in call.json["files"]]
    assert b"print('hello')\n" in studio.blobs.values()


def test_submit_says_where_to_look(studio, zaffre, work):
    done = zaffre(*SUBMIT, "--", "train.py")
    assert done.stdout.splitlines() == [f"Submitted run {RUN}", f"{studio.url}/w/main/runs/{RUN}"]


@pytest.mark.parametrize("as_json", [True, False])
def test_follow_streams_the_log_once_and_ends_with_the_run(studio, zaffre, work, as_json):
    def carry_out():
        studio.runs[RUN]["status"] = "running"
        studio.runs[RUN]["steps"] = [{"name": "snapshot", "state": "done", "note": "1 files"}]
        studio.log = b"line 1\nhalf of l"
        studio.wait(lambda: any(call.query.get("offset") == ["16"] for call in studio.calls), "a resumed read")
        studio.log += "ine 2\nsmörgås\n".encode()
        studio.finish()

    thread = when_submitted(studio, carry_out)
    done = zaffre(*SUBMIT, "--follow", *(["--json"] if as_json else []), "--", "train.py")
    thread.join()
    assert done.returncode == 0, done.stderr
    log = "line 1\nhalf of line 2\nsmörgås\n"
    if as_json:
        assert one_document(done)["status"] == "completed"
        assert "line 1\n" in done.stderr
        assert "smörgås\n" in done.stderr
    else:
        assert done.stdout == log
    assert "snapshot: 1 files" in done.stderr


@pytest.mark.parametrize("follow", [True, False])
def test_a_warning_of_the_run_is_told_once(studio, zaffre, work, follow):
    # One that is known at once, and one that its node finds.
    first = studio.new_run(warnings=["Python 3.6 is replaced."])
    studio.next(f"POST {W}/submissions", Reply(201, dict(first)))

    def carry_out():
        studio.wait(lambda: studio.asked("GET", f"{W}/runs/{RUN}"), "it is followed")
        studio.finish(warnings=[*first["warnings"], "The node has Python 3.11."])

    thread = threading.Thread(target=carry_out)
    if follow:
        thread.start()
    done = zaffre(*SUBMIT, *(["--follow"] if follow else []), "--", "train.py")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: Python 3.6 is replaced.") == 1
    assert done.stderr.count("warning: The node has Python 3.11.") == int(follow)
    if follow:
        thread.join()


def test_follow_begins_again_with_a_new_attempt(studio, zaffre, work):
    def carry_out():
        studio.log = b"first try\n"
        studio.wait(lambda: any(call.query.get("offset") == ["10"] for call in studio.calls), "the first log")
        with studio.lock:
            studio.runs[RUN]["attempt"] = 2
            studio.log = b"second\n"
            studio.finish(attempt=2)

    thread = when_submitted(studio, carry_out)
    done = zaffre(*SUBMIT, "--follow", "--", "train.py")
    thread.join()
    assert done.stdout == "first try\nsecond\n"
    assert "attempt 2" in done.stderr


def test_a_followed_run_that_fails_exits_1_with_its_reason(studio, zaffre, work):
    reason = {"code": "script_failed", "message": "The script ended with exit code 3."}
    thread = when_submitted(studio, lambda: studio.finish("failed", reason=reason, exit_code=3))
    done = zaffre(*SUBMIT, "--follow", "--json", "--", "train.py")
    thread.join()
    assert done.returncode == 1
    assert one_document(done)["exit_code"] == 3
    assert "exit code 3" in done.stderr


def test_follow_survives_a_studio_that_restarts(studio, zaffre, work):
    def carry_out():
        studio.away = True
        time.sleep(1.5)
        studio.log = b"after\n"
        studio.finish()
        studio.away = False

    thread = when_submitted(studio, carry_out)
    done = zaffre(*SUBMIT, "--follow", "--", "train.py")
    thread.join()
    assert (done.returncode, done.stdout) == (0, "after\n")


def test_ctrl_c_leaves_the_run_and_exits_130(studio, home, work):
    env = {**os.environ, "ZAFFRE_URL": studio.url, "ZAFFRE_TOKEN": TOKEN, "ZAFFRE_WORKSPACE": "main"}
    words = [str(Path(sys.executable).parent / "zaffre"), *SUBMIT, "--follow", "--", "train.py"]
    # A shell lets its background jobs ignore Ctrl-C, and what they start would inherit it.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        words, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, preexec_fn=heed
    ) as child:
        studio.wait(lambda: studio.asked("GET", f"{W}/runs/{RUN}/log"), "it follows")
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 130
    assert f"zaffre run cancel {RUN}" in said
    assert "Traceback" not in said


def test_a_missing_script_is_told_before_anything_is_sent(studio, zaffre, work):
    done = zaffre(*SUBMIT, "--json", "--", "trian.py")
    assert done.returncode == 1
    assert one_document(done)["error"]["code"] == "no_such_script"
    assert "Did you mean train.py?" in done.stderr
    assert not any(call.method in {"POST", "PUT"} for call in studio.calls)


@pytest.mark.parametrize(
    "words", [("run", "submit", "--", "train.py"), ("run", "fly"), (), ("run", "list", "--", "x"), ("run", "show")]
)
def test_misuse_exits_2(zaffre, words):
    done = zaffre(*words)
    assert done.returncode == 2
    assert "usage: zaffre" in done.stderr


def test_a_refusal_is_a_line_a_hint_and_exit_1(studio, zaffre):
    told = {"code": "forbidden", "message": "Your role is reader.", "hint": "Ask an owner.", "details": {}}
    studio.next(f"GET {W}/runs", Reply(403, {"error": told}))
    done = zaffre("run", "list")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "zaffre: Your role is reader.\n  Ask an owner.\n")


def test_a_studio_that_is_away_is_no_traceback(zaffre):
    done = zaffre("workspace", "list", ZAFFRE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_list_and_show_are_tables_or_documents(studio, zaffre):
    studio.new_run(metrics={"loss": {"last": 0.5, "min": 0.5, "max": 2, "count": 9}})
    head, row = zaffre("run", "list").stdout.splitlines()
    assert head.split() == ["ID", "NAME", "EXPERIMENT", "STATUS", "TARGET", "CREATED", "TOOK"]
    assert row.startswith(f"{RUN}  calm river  first")
    assert one_document(zaffre("run", "list", "--json"))["runs"][0]["id"] == RUN
    assert "loss" in zaffre("run", "show", RUN).stdout
    missing = zaffre("run", "show", "NOPE", "--json")
    assert (missing.returncode, one_document(missing)["error"]["code"]) == (1, "not_found")


def test_logs_are_bytes_as_they_were_printed(studio, zaffre):
    studio.new_run()
    studio.log = b"a\nb"
    assert zaffre("run", "logs", RUN).stdout == "a\nb"
    assert one_document(zaffre("run", "logs", RUN, "--json"))["log"] == "a\nb"


def test_a_reader_that_has_seen_enough_is_no_error(studio, home):
    studio.new_run()
    studio.log = b"x" * 5_000_000
    env = {**os.environ, "ZAFFRE_URL": studio.url, "ZAFFRE_TOKEN": TOKEN, "ZAFFRE_WORKSPACE": "main"}
    words = f"{Path(sys.executable).parent / 'zaffre'} run logs {RUN} | head -c 10"
    done = subprocess.run(["sh", "-c", words], env=env, capture_output=True, text=True, timeout=30)
    assert done.stdout == "x" * 10
    assert "Traceback" not in done.stderr


def test_datasets_go_up_and_come_down(studio, zaffre, work, tmp_path):
    (work / "data").mkdir()
    (work / "data" / "a.csv").write_text("1,2\n")
    (work / "data" / ".hidden").write_text("h")
    made = one_document(zaffre("dataset", "create", "digits", "data", "--json"))
    assert [one["path"] for one in made["files"]] == [".hidden", "a.csv"]
    assert "the path of the folder" in zaffre("dataset", "show", "digits").stdout
    done = zaffre("dataset", "download", "digits", "--to", str(tmp_path / "down"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "down" / "a.csv").read_text() == "1,2\n"
    (tmp_path / "down" / "a.csv").write_text("mine")
    again = zaffre("dataset", "download", "digits", "--to", str(tmp_path / "down"))
    assert again.returncode == 1
    assert (tmp_path / "down" / "a.csv").read_text() == "mine"


def test_bytes_that_were_damaged_on_the_way_leave_no_file(studio, zaffre, work, tmp_path):
    (work / "a.csv").write_text("1,2\n")
    assert zaffre("dataset", "create", "one", "a.csv").returncode == 0
    assert "the path of the file" in zaffre("dataset", "show", "one").stdout
    studio.next(f"GET {W}/datasets/one/versions/1/files/a.csv", Reply(200, b"1,3\n"))
    done = zaffre("dataset", "download", "one", "--to", str(tmp_path / "down"))
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert list((tmp_path / "down").iterdir()) == []


def test_models_come_from_runs_or_from_here(studio, zaffre, work, tmp_path):
    studio.new_run()
    studio.blobs["0" * 64] = b"m"
    studio.artifacts["outputs/model.bin"] = "0" * 64
    words = ("model", "register", "m", "--run", RUN, "--path", "./outputs/model.bin", "--tag", "a=b", "--json")
    assert one_document(zaffre(*words))["version"] == 1
    told = studio.asked("POST", f"{W}/models")[0].json
    assert (told["run"], told["path"], told["tags"]) == (RUN, "outputs/model.bin", {"a": "b"})
    absent = zaffre("model", "register", "m", "--run", RUN, "--path", "outputs/nope.bin")
    assert absent.returncode == 1
    assert "Its files: outputs/model.bin" in absent.stderr
    (work / "local.bin").write_text("weights")
    assert zaffre("model", "register", "here", "--path", "local.bin").returncode == 0
    done = zaffre("model", "download", "here", "--to", str(tmp_path / "down"), "--json")
    assert Path(one_document(done)["path"]).read_text() == "weights"


def test_a_model_is_made_of_the_run_that_a_file_names(studio, zaffre, work):
    studio.new_run()
    studio.blobs["0" * 64] = b"m"
    studio.artifacts["outputs/model.bin"] = "0" * 64
    (work / "run.json").write_text(json.dumps({"run_id": RUN, "experiment_name": "e", "workspace": "lab"}))
    done = zaffre("model", "register", "m", "-f", "run.json", "--path", "outputs/model.bin", "--json")
    assert done.returncode == 0, done.stderr
    assert studio.asked("POST", f"{W}/models")[0].json["run"] == RUN
    (work / "other.json").write_text("[]")
    wrong = zaffre("model", "register", "m", "-f", "other.json")
    assert (wrong.returncode, "names no run" in wrong.stderr) == (1, True)
    both = zaffre("model", "register", "m", "-f", "run.json", "--run", RUN)
    assert (both.returncode, "either" in both.stderr) == (1, True)


def test_tags_of_a_run_are_changed_and_experiments_listed(studio, zaffre):
    studio.new_run()
    studio.next(f"PATCH {W}/runs/{RUN}", Reply(200, {"name": "calm", "tags": {"stage": "done"}}))
    done = zaffre("run", "update", RUN, "--add-tag", "stage=done", "--remove-tag", "old")
    assert done.returncode == 0 and "stage=done" in done.stdout, done.stderr
    assert studio.asked("PATCH", f"{W}/runs/{RUN}")[0].json == {"tags": {"old": None, "stage": "done"}}
    assert zaffre("run", "update", RUN).returncode == 1
    found = {"experiments": [{"name": "digits", "runs": 3, "created": "2026-01-01T00:00:00Z", "description": ""}]}
    studio.next(f"GET {W}/experiments", Reply(200, found))
    assert "digits" in zaffre("experiment", "list").stdout


def test_deploy_makes_the_endpoint_and_waits(studio, zaffre, work):
    (work / "score.py").write_text("def init(): pass\ndef run(raw_data): return 1\n")
    words = ("endpoint", "deploy", "digits", "--model", "m:1", "--source", ".", "--entry", "score.py")
    done = zaffre(*words, "--environment", "sklearn", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert one_document(done)["score_url"].endswith("/score/main/digits")
    assert "transitioning" in done.stderr
    told = studio.asked("POST", f"{W}/endpoints/digits/deployments")[0].json
    assert (told["model"], told["entry_script"], told["environment"]) == ("m:1", "score.py", "sklearn")
    assert zaffre(*words).returncode == 0  # it exists now and gets another deployment
    assert len(studio.asked("POST", f"{W}/endpoints")) == 1


def test_a_deployment_that_fails_shows_why(studio, zaffre, work):
    studio.deployment_states = ("transitioning", "failed")
    (work / "score.py").write_text("x")
    done = zaffre("endpoint", "deploy", "digits", "--model", "m:1", "--wait", "--json")
    assert done.returncode == 1
    assert one_document(done)["error"]["code"] == "deployment_failed"
    assert "init() raised" in done.stderr
    assert "ValueError: no weights" in done.stderr


def test_score_takes_files_words_and_standard_input(studio, zaffre, work):
    studio.endpoints["digits"] = {"name": "digits", "score_url": f"{studio.url}/score/main/digits", "deployments": []}
    (work / "row.json").write_text('{"data": [1, 2]}')
    assert one_document(zaffre("endpoint", "score", "digits", "--data", "@row.json", "--json")) == {"sum": 3}
    assert zaffre("endpoint", "score", "digits", "--data", '{"data": [4]}').stdout == '{"sum": 4}\n'
    assert zaffre("endpoint", "score", "digits", "--data", "-", input='{"data": [5]}').stdout == '{"sum": 5}\n'
    for wrong in ("{no", "@absent.json"):
        done = zaffre("endpoint", "score", "digits", "--data", wrong)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr


def test_deleting_needs_a_yes(studio, zaffre):
    assert zaffre("endpoint", "delete", "digits").returncode == 1
    assert not any(call.method == "DELETE" for call in studio.calls)


def test_snapshot_check_sends_nothing(studio, zaffre, work):
    (work / ".zaffreignore").write_text("*.bin\n")
    (work / "a.bin").write_text("x")
    found = one_document(zaffre("snapshot", "check", "--json"))
    assert [one["path"] for one in found["files"]] == [".zaffreignore", "train.py"]
    assert found["ignore_file"] == ".zaffreignore"
    assert studio.calls == []


def test_login_keeps_a_token_that_works_and_no_other(studio, zaffre, home):
    done = zaffre("login", studio.url, "--token-stdin", input=f"{TOKEN}\n", ZAFFRE_TOKEN="", ZAFFRE_WORKSPACE="")
    assert done.returncode == 0, done.stderr
    assert "as olga: workspace main" in done.stdout
    kept = json.loads((home / ".zaffre" / "config.json").read_text())
    assert kept["profiles"]["default"] == {"url": studio.url, "token": TOKEN, "workspace": "main"}
    alone = {"ZAFFRE_URL": "", "ZAFFRE_TOKEN": "", "ZAFFRE_WORKSPACE": ""}
    assert zaffre("run", "list", "--json", **alone).returncode == 0
    wrong = zaffre("login", studio.url, "--token-stdin", "--profile", "p", input="zaf_pat_wrong\n", ZAFFRE_TOKEN="")
    assert wrong.returncode == 1
    assert "zaf_pat_wrong" not in wrong.stdout + wrong.stderr
    assert "p" not in json.loads((home / ".zaffre" / "config.json").read_text())["profiles"]


def test_no_output_holds_the_token(studio, zaffre, work):
    studio.new_run()
    studio.next(f"GET {W}/runs", _refuse(401, "unauthenticated", "This token is unknown."))
    for words in [("run", "list"), ("run", "list", "--json"), ("run", "show", RUN), ("workspace", "list"),
                  ("login", studio.url), ("run", "cancel", RUN), (*SUBMIT, "--", "train.py")]:  # fmt: skip
        done = zaffre(*words)
        assert TOKEN not in done.stdout + done.stderr, words


def test_version(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("zaffre 0.")


@pytest.mark.parametrize(
    ("text", "details", "shown"),
    [
        ("status = compleated", {"position": 9, "length": 10}, ["  status = compleated", "           ^^^^^^^^^^"]),
        ("名前 = x and", {"position": 10, "length": 0}, ["  名前 = x and", "              ^"]),
        ("x" * 100 + " = 1", {"position": 100, "length": 3}, ["  " + "x" * 60 + " = 1", "  " + " " * 60 + "^^^"]),
        ("a = 1", {"position": 9}, []),
        ("a = 1", {"position": "x"}, []),
        ("a = 1", {}, []),
    ],
)
def test_a_filter_that_is_wrong_is_marked_where_it_is(studio, zaffre, text, details, shown):
    body = {"error": {"code": "bad_filter", "message": "It cannot be read.", "hint": None, "details": details}}
    studio.answers[f"GET {W}/runs"] = [Reply(422, body)]
    done = zaffre("run", "list", "--filter", text)
    assert (done.returncode, done.stderr.splitlines()) == (1, ["zaffre: It cannot be read.", *shown])


def test_a_run_is_deleted_restored_archived_and_gone(studio, zaffre):
    studio.new_run(status="completed")
    said = zaffre("run", "delete", RUN).stdout
    assert "1.2 MB" in said and f"zaffre run restore {RUN}" in said
    assert studio.runs[RUN]["deleted"]
    assert zaffre("run", "restore", RUN).returncode == 0
    assert studio.runs[RUN]["deleted"] is None
    zaffre("run", "archive", RUN)
    assert studio.runs[RUN]["archived"]
    zaffre("run", "archive", "--undo", RUN)
    assert studio.runs[RUN]["archived"] is None
    asked = zaffre("run", "delete", "--forever", RUN)
    assert asked.returncode == 1 and "1.2 MB" in asked.stderr and "--yes" in asked.stderr
    assert RUN in studio.runs
    told = one_document(zaffre("run", "delete", "--forever", "--yes", "--json", RUN))
    assert told["forever"] and RUN not in studio.runs
