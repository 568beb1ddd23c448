"""What libraries log by themselves through MLflow's own client, and what they log from the background."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.mlflow.client import environment, installed, run, tell
from tests.stack.running import Studio
from zaffre.core import Experiment, Workspace

# The first of them installs the client.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

TRAINED = {
    *("training_accuracy_score", "training_f1_score", "training_log_loss", "training_precision_score"),
    *("training_recall_score", "training_roc_auc", "training_score"),
}


def told(studio: Studio, python: Path, script: str, folder: Path) -> dict[str, Any]:
    return json.loads(tell(studio, python, script, folder).split("RESULT ", 1)[1])


def test_scikit_learn(studio: Studio, python: Path, tmp_path: Path):
    got = told(studio, python, "sklearn_.py", tmp_path)
    alone, explicit = got["alone"], got["explicit"]
    # Its run had ended when the model was scored.
    assert set(alone["metrics"]) > TRAINED
    assert set(alone["metrics"]) - TRAINED == {"LogisticRegression_score_test_x", "f1_score_test_x"}
    assert (alone["status"], explicit["status"]) == ("FINISHED", "FINISHED")
    assert (alone["params"]["max_iter"], explicit["params"]["C"]) == ("500", "0.5")
    assert set(explicit["files"]) >= {"estimator.html", "training_confusion_matrix.png", "metric_info.json"}
    assert (explicit["models"], explicit["datasets"], got["predicted"]) == (1, ["dataset"], 38)
    # The search over a grid: the best model at the top, each candidate in a run below.
    assert got["grid"]["models"] == 2 and len(got["folds"]) == 3
    assert {one["params"]["max_depth"] for one in got["folds"]} == {"1", "2", "3"}
    # The same run on our pages, in our JSON and in our SDK.
    ours = studio.run(explicit["id"])
    assert (ours["experiment"], ours["status"], ours["name"]) == (
        "/Users/ann@example.org/iris & co",
        "completed",
        "explicit",
    )
    space = Workspace.get(studio.known["workspace"], url=studio.url, token=studio.known["token"])
    listed = {
        one.id: one for one in Experiment(space, "/Users/ann@example.org/iris & co").get_runs(include_children=True)
    }
    assert set(listed) > {alone["id"], explicit["id"], got["grid"]["id"]}
    assert listed[alone["id"]].get_metrics()["training_score"] > 0.9


def test_xgboost(studio: Studio, python: Path, tmp_path: Path):
    got = told(studio, python, "xgboost_.py", tmp_path)
    assert (got["metrics"], got["rounds"], got["history"]) == (["train-logloss"], "8", list(range(8)))
    assert "feature_importance_weight.png" in got["files"]
    assert (got["models"], got["predicted"]) == (1, 200)


def test_lightning(studio: Studio, tmp_path: Path):
    got = told(studio, installed("lightning"), "lightning_.py", tmp_path)
    for name in ("autolog", "logger"):
        assert set(got[name]["metrics"]) >= {"loss_epoch", "loss_step"}, name
        assert got[name]["status"] == "FINISHED", name
        assert got[name]["params"]["lr"] == "0.05"
    assert got["autolog"]["models"] == 1
    # The one logs each epoch, the other each step.
    assert (got["autolog"]["steps"], got["logger"]["steps"]) == (3, 12)


def test_many_metrics_from_the_background_and_those_of_the_machine(studio: Studio, python: Path, tmp_path: Path):
    got = told(studio, python, "asynchronous.py", tmp_path)
    assert got["steps"] == list(range(500))
    assert "system/cpu_utilization_percentage" in got["system"]
    assert (got["again"], got["late"]) == (1, "yes")
    assert (got["states"], got["ends"]) == (["FINISHED", "RUNNING", "FINISHED"], [False, True, True])
    assert studio.run(got["id"])["metrics"]["loss"]["count"] == 500


@pytest.mark.parametrize("release", ["client-2", "client"])
def test_every_day(studio: Studio, tmp_path: Path, release):
    got = told(studio, installed(release), "everyday.py", tmp_path)
    version = got["version"]
    assert version[0] == {"client-2": "2", "client": "3"}[release]
    assert (got["params"], got["metrics"]) == ({"lr": "0.1", "depth": "4"}, {"loss": pytest.approx(1 / 3)})
    assert (got["tags"], got["note"], got["text"]) == ({"late": "2"}, "About it.", "hello")
    assert got["parents"]
    assert got["hidden"] == ["innermost", "inner", "outer"]
    assert (got["gone"], got["release"], got["found"]) == (1234567890123, version, [f"day {version}"])
    assert got["renamed"] == [f"day {version}, renamed", "deleted"]
    ours = studio.ask("GET", f"{studio.ws}/runs?experiment=day%20{version}").json["runs"]
    assert {one["name"] for one in ours} == {"outer", "inner", "innermost", "gone"}


def test_the_command_line(studio: Studio, python: Path, tmp_path: Path):
    env = environment(studio, python, tmp_path)

    def mlflow(*words: str) -> str:
        return run([str(python.parent / "mlflow"), *words], env, tmp_path)

    mlflow("experiments", "create", "--experiment-name", "by hand")
    listed = mlflow("experiments", "search")
    number = next(line.split()[0] for line in listed.splitlines() if "by hand" in line)
    begun = studio.ask(
        "POST",
        f"/mlflow/{studio.known['workspace']}/api/2.0/mlflow/runs/create",
        {"experiment_id": number, "run_name": "one"},
    )
    run_id = begun.json["run"]["info"]["run_id"]
    assert run_id in mlflow("runs", "list", "--experiment-id", number)
    (tmp_path / "a.txt").write_text("hello")
    mlflow("artifacts", "log-artifact", "--local-file", "a.txt", "--run-id", run_id, "--artifact-path", "deep")
    mlflow("artifacts", "download", "--run-id", run_id, "--artifact-path", "deep", "--dst-path", "here")
    assert (tmp_path / "here" / "deep" / "a.txt").read_text() == "hello"
    mlflow("runs", "delete", "--run-id", run_id)
    assert run_id not in mlflow("runs", "list", "--experiment-id", number)
    mlflow("experiments", "rename", "--experiment-id", number, "--new-name", "by /hand")
    mlflow("experiments", "delete", "--experiment-id", number)
    assert "by /hand" not in mlflow("experiments", "search")


def test_a_script_of_ours_is_found_by_the_client(studio: Studio, python: Path, tmp_path: Path):
    script = "from zaffre.core import Run\nrun = Run.get_context()\nrun.log('acc', 0.75)\nrun.tag('team', 'vision')\n"
    ours = studio.submit({"train.py": script}, experiment="ours")
    studio.wait_for(ours, "completed")
    said = tell(
        studio,
        python,
        "import mlflow\n"
        "asked = \"metrics.acc > 0.7 and tags.team = 'vision'\"\n"
        "found = mlflow.search_runs(experiment_names=['ours'], filter_string=asked, output_format='list')\n"
        "print([(one.info.run_id, one.info.status, one.data.metrics['acc']) for one in found])\n",
        tmp_path,
    )
    assert str([(ours, "FINISHED", 0.75)]) in said
