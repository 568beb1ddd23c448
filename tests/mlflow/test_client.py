"""What MLflow's own client does against a real studio. Its scripts know nothing of us."""

import json
from pathlib import Path

import pytest

from tests.mlflow.client import PACKAGE, tell
from tests.stack.running import Studio
from zaffre.core import Environment, Experiment, ScriptRunConfig, Workspace

# The first of them installs the client.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

TOUR = """
import json, os, mlflow
from pathlib import Path
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

client = MlflowClient()
made = mlflow.set_experiment("tour")
with mlflow.start_run(run_name="first", tags={"team": "vision"}) as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_params({"depth": 4, "name": "a b"})
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"acc": 0.9, "odd/key": float("nan")}, step=1)
    mlflow.set_tag("phase", "late")
    mlflow.set_tags({"a": "1", "b": "2"})
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"k": [1, 2]}, "notes/deep/k.json")
    os.makedirs("made/sub", exist_ok=True)
    Path("made/sub/x y.bin").write_bytes(bytes(range(256)) * 5000)
    Path("made/empty").touch()
    mlflow.log_artifact("made/sub/x y.bin")
    mlflow.log_artifacts("made", "folder")
    with mlflow.start_run(run_name="child", nested=True) as child:
        mlflow.log_metric("acc", 0.5)
    for at in range(50):
        mlflow.log_metric("later", at, step=at, synchronous=False)
    mlflow.flush_async_logging()
client.delete_tag(run.info.run_id, "b")
other = client.create_run(made.experiment_id).info.run_id
client.log_batch(other, [Metric("m", 1.5, 1, 2)], [Param("p", "1")], [RunTag("t", "1")])
found = mlflow.get_run(run.info.run_id)
search = lambda text, **more: [
    one.info.run_id for one in mlflow.search_runs(["%s" % made.experiment_id], text, output_format="list", **more)
]
here = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="folder")
pages, token = 0, None
while True:
    page = client.search_runs([made.experiment_id], max_results=1, page_token=token)
    pages, token = pages + len(page), page.token
    if not token:
        break
print("RESULT", json.dumps({
    "run": run.info.run_id,
    "child": child.info.run_id,
    "status": found.info.status,
    "params": found.data.params,
    "metrics": {key: str(value) for key, value in found.data.metrics.items()},
    "tags": {key: value for key, value in found.data.tags.items() if not key.startswith("mlflow.")},
    "parent": mlflow.get_run(child.info.run_id).data.tags["mlflow.parentRunId"],
    "history": [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "loss")],
    "later": len(client.get_metric_history(run.info.run_id, "later")),
    "root": sorted(one.path for one in client.list_artifacts(run.info.run_id)),
    "notes": sorted((one.path, one.is_dir) for one in client.list_artifacts(run.info.run_id, "notes")),
    "text": mlflow.artifacts.load_text(found.info.artifact_uri + "/notes/hello.txt"),
    "dict": mlflow.artifacts.load_dict(found.info.artifact_uri + "/notes/deep/k.json"),
    "same": Path(here, "sub/x y.bin").read_bytes() == Path("made/sub/x y.bin").read_bytes(),
    "filters": [
        search("metrics.acc > 0.8 and params.depth = '4'"),
        search("tags.team LIKE 'vis%' and attributes.status = 'FINISHED'"),
        search("tags.mlflow.parentRunId = '%s'" % run.info.run_id),
        search("metrics.`odd/key` > 0"),
        search("params.p IS NOT NULL and attributes.run_name != 'first'") != [],
        search("", order_by=["metrics.acc DESC"])[:2],
    ],
    "pages": pages,
}))
"""

INSIDE = """
import os, mlflow
from mlflow.exceptions import MlflowException
mlflow.set_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
with mlflow.start_run() as run:
    mlflow.log_param("from", "inside")
    mlflow.log_metric("acc", 0.75, step=3)
    mlflow.log_text("inner", "inner.txt")
    mlflow.set_tag("engine", "mlflow")
assert run.info.run_id == os.environ["ZAFFRE_RUN_ID"]
print("logged", len(mlflow.search_runs(output_format="list")))
"""


def test_the_tour(studio: Studio, python: Path, tmp_path: Path):
    said = tell(studio, python, TOUR, tmp_path)
    got = json.loads(said.split("RESULT ", 1)[1])
    run, child = got["run"], got["child"]
    assert got["status"] == "FINISHED"
    assert got["params"] == {"lr": "0.1", "depth": "4", "name": "a b"}
    assert got["metrics"] == {"loss": "0.2", "acc": "0.9", "odd/key": "nan", "later": "49.0"}
    assert got["tags"] == {"team": "vision", "phase": "late", "a": "1"}
    assert got["parent"] == run
    assert got["history"] == [[step, 1 / (step + 1)] for step in range(5)]
    assert got["later"] == 50
    assert got["root"] == ["folder", "notes", "x y.bin"]
    assert got["notes"] == [["notes/deep", True], ["notes/hello.txt", False]]
    assert (got["text"], got["dict"], got["same"]) == ("hello", {"k": [1, 2]}, True)
    assert got["filters"] == [[run], [run], [child], [], True, [run, child]]
    assert got["pages"] == 3
    # The link that it prints opens a page, and the same run is one of ours.
    assert f"/runs/{run}" in said and f"{studio.url}/mlflow/{studio.known['workspace']}/#/experiments/" in said
    ours = studio.run(run)
    assert (ours["status"], ours["name"], ours["kind"]) == ("completed", "first", "interactive")
    assert studio.run(child)["parent"] == run


def test_basic_with_a_token_or_the_password(studio: Studio, python: Path, tmp_path: Path):
    script = "import mlflow\nmlflow.set_experiment('basic')\nwith mlflow.start_run():\n    mlflow.log_metric('a', 1)\n"
    named = {"MLFLOW_TRACKING_USERNAME": "anything", "MLFLOW_TRACKING_PASSWORD": studio.known["token"]}
    tell(studio, python, script, tmp_path, **named)


def test_a_wrong_credential_is_told_at_once(studio: Studio, python: Path, tmp_path: Path):
    script = (
        "import mlflow\n"
        "try:\n    mlflow.set_experiment('x')\n"
        "except mlflow.exceptions.MlflowException as error:\n    print('refused', error.error_code)\n"
    )
    assert "refused UNAUTHENTICATED" in tell(studio, python, script, tmp_path, MLFLOW_TRACKING_TOKEN="zaf_pat_no")


def test_what_is_not_there_is_told_at_once(studio: Studio, python: Path, tmp_path: Path):
    script = (
        "import mlflow\n"
        "try:\n    mlflow.MlflowClient().search_traces(['1'])\n"
        "except mlflow.exceptions.MlflowException as error:\n    print('refused', error.error_code)\n"
    )
    assert "refused ENDPOINT_NOT_FOUND" in tell(studio, python, script, tmp_path)


def test_a_script_in_a_submitted_run_joins_its_run(studio: Studio, python: Path, tmp_path: Path):
    space = Workspace.get(studio.known["workspace"], url=studio.url, token=studio.known["token"])
    made = Environment("with-mlflow")
    made.python.conda_dependencies.add_pip_package(PACKAGE)
    made.register(space)
    (tmp_path / "train.py").write_text(INSIDE)
    run = Experiment(space, "inside").submit(ScriptRunConfig(str(tmp_path), "train.py", environment="with-mlflow"))
    found = studio.wait_for(run.id, "completed", seconds=240)
    log = studio.log(run.id).decode()
    assert "logged 1" in log and "WARNING" not in log
    assert found["params"] == {"from": "inside"}
    assert (found["metrics"]["acc"]["last"], found["metrics"]["acc"]["last_step"]) == (0.75, 3)
    assert found["tags"]["engine"] == "mlflow"
    files = studio.ask("GET", f"{studio.ws}/runs/{run.id}/artifacts").json["artifacts"]
    # The node writes down what it installed.
    assert [one["path"] for one in files] == ["inner.txt", "logs/requirements.txt"]
    assert [one["name"] for one in found["steps"] if one["state"] != "done"] == []


def test_large_files_go_in_parts_and_come_from_addresses(studio: Studio, python: Path, tmp_path: Path):
    script = """
import os, mlflow
body = os.urandom(3_000_000)
open("big.bin", "wb").write(body)
mlflow.set_experiment("parts")
with mlflow.start_run() as run:
    mlflow.log_artifact("big.bin", "deep")
here = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep/big.bin", dst_path="here")
print("SAME", open(here, "rb").read() == body)
"""
    small = {
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "true",
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000000",
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": "1000000",
        "MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE": "1000000",
        "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": "1000000",
    }
    said = tell(studio, python, script, tmp_path, MLFLOW_TRACKING_TOKEN=studio.known["token"], **small)
    assert "SAME True" in said
