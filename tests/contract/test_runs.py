"""What the SDK and the command say about runs is what the studio does."""

import math
from pathlib import Path

import pytest

from zaffre.core import Dataset, Environment, Experiment, Run, ScriptRunConfig
from zaffre.errors import Invalid, NotFound, UserErrorException
from zaffre.exceptions import ActivityFailedException

pytestmark = pytest.mark.stack

TRAIN = """
import sys
from pathlib import Path
from zaffre.core import Run

run = Run.get_context()
for step in range(2500):
    run.log("loss", 1 / (step + 1), step=step)
run.log("final", float("nan"))
run.log_row("row", epoch=1, score=0.5)
run.log_confusion_matrix("matrix", {"data": {"class_labels": ["a", "b"], "matrix": [[3, 0], [1, 5]]}})
run.tag("framework", "none")
given = run.input_datasets["numbers"]
assert (given / "a.csv").read_text() == open(sys.argv[3]).read(), sys.argv
print("read", open(given).read(), "with", sys.argv[1:3])
Path("outputs").mkdir()
Path("outputs/model.txt").write_text("weights")
model = run.register_model("from-inside", "outputs/model.txt")
print("registered", model.id)
"""


KEEPING = """
import os
os.makedirs("outputs")
with open("outputs/a.txt", "w") as kept:
    kept.write(os.environ["A"])
print("hi")
"""


def submit(space, work: Path, text: str, **more) -> Run:
    (work / "train.py").write_text(text)
    return Experiment(space, "contract").submit(ScriptRunConfig(str(work), "train.py", **more))


def test_a_run_from_submit_to_its_files(studio, space, home, tmp_path, capsys):
    work = home / "work"
    (tmp_path / "a.csv").write_text("1,2")
    data = Dataset.File.from_files(tmp_path / "a.csv").register(space, "numbers", create_new_version=True)
    words = ["--epochs", 3, data.as_named_input("numbers").as_download()]
    run = submit(space, work, TRAIN, arguments=words)
    details = run.wait_for_completion(show_output=True)
    assert "read 1,2 with ['--epochs', '3']" in capsys.readouterr().out
    assert details["status"] == "Completed"
    metrics = run.get_metrics()
    assert metrics["loss"] == [1 / (step + 1) for step in range(2500)]
    assert math.isnan(metrics["final"])
    assert metrics["row"] == {"epoch": [1], "score": [0.5]}
    assert metrics["matrix"]["data"]["matrix"] == [[3, 0], [1, 5]]
    assert run.get_tags()["framework"] == "none"
    assert run.get_file_names() == ["logs/requirements.txt", "outputs/model.txt"]
    assert Path(run.download_file("outputs/model.txt", str(tmp_path / "m.txt"))).read_text() == "weights"
    assert details["inputDatasets"] == [
        {"name": "numbers", "dataset": "numbers", "version": data.version, "mode": "download"}
    ]
    assert [one.id for one in Experiment(space, "contract").get_runs(tags="framework")] == [run.id]


def test_a_failed_run_says_why_in_its_exception(space, home):
    run = submit(space, home / "work", "import sys\nprint('no labels here')\nsys.exit(3)\n")
    with pytest.raises(ActivityFailedException, match=r"3[\s\S]*no labels here"):
        run.wait_for_completion()
    assert run.get_status() == "Failed"


def test_the_studio_refuses_what_it_does_not_know(space, home):
    for words in ({"compute_target": "nowhere"}, {"environment": "nothing"}, {"inputs": {"x": "no-such-data"}}):
        with pytest.raises((Invalid, NotFound)):
            submit(space, home / "work", "1", **words)
    with pytest.raises(UserErrorException, match=r"train\.py"):
        Experiment(space, "contract").submit(ScriptRunConfig(str(home / "work"), "trian.py"))


def test_an_interactive_run(space):
    with Experiment(space, "by-hand").start_logging(tags={"a": "b"}) as run:
        assert run.get_status() == "Running"
        run.log_list("n", range(5))
        run.upload_file("notes/a.txt", __import__("io").BytesIO(b"hello"))
    again = Run.get(space, run.id)
    assert again.get_status() == "Completed"
    assert again.get_metrics() == {"n": [0, 1, 2, 3, 4]}
    assert again.get_file_names() == ["notes/a.txt"]
    again.set_tags({"more": "1"})
    again.remove_tags(["a"])
    assert again.get_tags() == {"more": "1"}


def test_an_environment_is_registered_once(space):
    made = Environment("contract-env")
    made.python.conda_dependencies.add_pip_package("urllib3")
    first = made.register(space).version
    assert made.clone("contract-env").register(space).version == first
    assert Environment.get(space, "contract-env").spec["requirements"] == ["urllib3"]
    assert "contract-env" in space.environments


def test_the_command_from_submit_to_download(zaffre, home):
    work = home / "work"
    (work / "train.py").write_text(KEEPING)
    words = ("run", "submit", "--experiment", "contract", "--env", "A=b", "--tag", "k=v", "--follow")
    run = zaffre(*words, "--", "train.py")
    assert (run["status"], run["tags"]) == ("completed", {"k": "v"})
    assert zaffre("run", "logs", run["id"])["log"].endswith("hi\n")
    assert run["id"] in [one["id"] for one in zaffre("run", "list", "--experiment", "contract")["runs"]]
    assert zaffre("run", "show", run["id"])["exit_code"] == 0
    zaffre("run", "download", run["id"], "--to", "down")
    assert (work / "down" / "outputs" / "a.txt").read_text() == "b"
    assert zaffre("run", "show", "NOPE", code=1)["error"]["code"] == "not_found"


def test_the_command_cancels_a_run(studio, zaffre, home):
    (home / "work" / "train.py").write_text("import time\nprint('waiting', flush=True)\ntime.sleep(600)\n")
    run = zaffre("run", "submit", "--experiment", "contract", "--", "train.py")
    studio.wait_for_log(run["id"], b"waiting")
    assert zaffre("run", "cancel", run["id"])["status"] in {"cancel_requested", "canceled"}
    assert studio.wait_for(run["id"], "canceled")


def test_a_followed_run_that_fails_exits_with_1(zaffre, home):
    (home / "work" / "train.py").write_text("raise SystemExit(4)\n")
    assert zaffre("run", "submit", "--experiment", "contract", "--follow", "--", "train.py", code=1)["exit_code"] == 4


def test_the_rest_of_the_nouns(zaffre, home):
    (home / "work" / "data").mkdir()
    (home / "work" / "data" / "a.csv").write_text("x\n")
    made = zaffre("dataset", "create", "rest", "data")
    assert (made["version"], made["unchanged"]) == (1, False)
    assert zaffre("dataset", "create", "rest", "data")["unchanged"]
    assert [one["path"] for one in zaffre("dataset", "show", "rest:1")["files"]] == ["a.csv"]
    zaffre("dataset", "download", "rest", "--to", "copy")
    assert (home / "work" / "copy" / "a.csv").read_text() == "x\n"
    assert zaffre("environment", "create", "rest-env", "--package", "urllib3")["version"] == 1
    assert zaffre("environment", "show", "rest-env")["spec"]["requirements"] == ["urllib3"]
    assert "local" in [one["name"] for one in zaffre("compute", "list")["targets"]]
    assert zaffre("compute", "show", "local")["nodes"]
    assert "main" in [one["slug"] for one in zaffre("workspace", "list")["workspaces"]]
