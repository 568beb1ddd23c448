"""Whole projects of the days of the Azure ML SDK v1: estimators, saved run configurations, mounted data, notebooks.

Each is what people kept in a folder, with nothing changed but the name of the package, run against a real studio.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.running import Studio

pytestmark = pytest.mark.stack

#: A training as the tutorials had it: words, data from a folder, metrics, a model in outputs/.
TRAIN = """
import argparse, glob, os, json
from azureml.core.run import Run, _OfflineRun

parser = argparse.ArgumentParser()
parser.add_argument("--data-folder", type=str, dest="data_folder", help="data folder mounting point")
parser.add_argument("--regularization", type=float, dest="reg", default=0.01)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--verbose", action="store_true")
args = parser.parse_args()
data_folder = args.data_folder
print("Data folder:", data_folder)
rows = [line.split(",") for path in sorted(glob.glob(os.path.join(data_folder, "**/*.csv"), recursive=True))
        for line in open(path).read().split()]
print(len(rows), "rows", sep="\\n")
run = Run.get_context()
if isinstance(run, _OfflineRun):
    ws = None
else:
    ws = run.experiment.workspace
    print("workspace", ws.name, "experiment", run.experiment.name, "run", run.id)
    mounted = run.input_datasets["digits"]
    assert os.path.join(str(mounted), "a.csv") == os.path.join(data_folder, "a.csv")
    assert os.environ["AZUREML_DATAREFERENCE_digits"] == str(mounted) == os.environ["digits"]
loss = 1.0
for epoch in range(args.epochs):
    loss = loss * (1 - args.reg)
    run.log("loss", loss)
    run.log_row("per epoch", epoch=epoch, loss=loss)
run.log("regularization rate", float(args.reg))
run.log("accuracy", 1 - loss)
run.log_confusion_matrix("confusion", {"schema_type": "confusion_matrix", "schema_version": "v1",
                                       "data": {"class_labels": ["0", "1"], "matrix": [[3, 0], [1, 5]]}})
run.log_residuals("residuals", {"schema_type": "residuals", "schema_version": "v1",
                                "data": {"bin_edges": [0, 1, 2], "bin_counts": [3, 4]}})
os.makedirs("outputs", exist_ok=True)
with open("outputs/sklearn_mnist_model.pkl", "w") as file:
    json.dump({"loss": loss}, file)
os.makedirs("logs", exist_ok=True)
with open("logs/history.txt", "w") as file:
    file.write("done")
"""
ESTIMATOR = """
import os
import azureml.core
from azureml.core import Workspace, Experiment, Dataset, Datastore
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.telemetry import set_diagnostics_collection
from azureml.train.estimator import Estimator
from azureml.widgets import RunDetails

print("SDK version:", azureml.core.VERSION)
set_diagnostics_collection(send_diagnostics=True)
ws = Workspace.from_config()
print(ws.name, ws.resource_group, ws.location, ws.subscription_id, sep="\\n")
exp = Experiment(workspace=ws, name="sklearn-mnist")
print(exp.id)
exp.tag("team", "vision")
compute_name = os.environ.get("AML_COMPUTE_CLUSTER_NAME", "local")
if compute_name in ws.compute_targets:
    compute_target = ws.compute_targets[compute_name]
    if compute_target and type(compute_target) is AmlCompute:
        print("found a cluster")
dataset = Dataset.File.from_files(path="data")
dataset = dataset.register(workspace=ws, name="digits", description="training data", create_new_version=True)
script_params = {"--data-folder": dataset.as_named_input("digits").as_mount(), "--regularization": 0.5, "--verbose": ""}
est = Estimator(source_directory="./sklearn-mnist", script_params=script_params, compute_target=compute_target,
                entry_script="train.py", user_managed=True, use_gpu=False)
run = exp.submit(config=est)
RunDetails(run).show()
run.wait_for_completion(show_output=True)
print(run.get_metrics())
metrics = run.get_metrics()
assert metrics["regularization rate"] == 0.5 and metrics["loss"] == [0.5, 0.25, 0.125], metrics
assert metrics["per epoch"]["epoch"] == [0, 1, 2] and metrics["confusion"]["data"]["matrix"][1] == [1, 5]
print(run.get_file_names())
assert "outputs/sklearn_mnist_model.pkl" in run.get_file_names()
details = run.get_details_with_logs()
assert "rows" in details["logFiles"]["user_logs/std_log.txt"] and details["logFiles"]["logs/history.txt"] == "done"
assert details["inputDatasets"][0]["dataset"] == "digits"
paths = run.get_all_logs(destination="./all-logs")
assert sorted(os.path.basename(path) for path in paths) == ["history.txt", "requirements.txt", "std_log.txt"]
run.download_file(name="azureml-logs/70_driver_log.txt", output_file_path="./driver.txt")
assert "rows" in open("driver.txt").read()
model = run.register_model(model_name="sklearn_mnist", model_path="outputs/sklearn_mnist_model.pkl",
                           model_framework="ScikitLearn", model_framework_version="0.20.3", tags={"data": "mnist"})
print(model.name, model.id, model.version, sep="\\t")
assert [one.name for one in Experiment.list(ws, tags={"team": "vision"})] == ["sklearn-mnist"]
code = run.restore_snapshot(path="./code-of-run")
assert os.path.exists(os.path.join(code, "train.py"))
found = [one.id for one in exp.get_runs(type="azureml.scriptrun", properties=None)]
assert found[0] == run.id, found
exp.archive()
assert exp.archived_time and not Experiment.list(ws, "sklearn-mnist")
exp.reactivate()
"""
#: As `RunConfiguration().save()` of then wrote it, with all that a later release had in it.
RUNCONFIG = """
script: train.py
arguments: []
target: local
framework: Python
communicator: None
maxRunDurationSeconds:
nodeCount: 1
priority:
environment:
  name: project_environment
  version:
  environmentVariables:
    EXAMPLE_ENV_VAR: EXAMPLE_VALUE
  python:
    userManagedDependencies: true
    interpreterPath: python
    condaDependenciesFile:
    baseCondaEnvironment:
    condaDependencies:
      name: project_environment
      dependencies:
      - python=3.6.2
      - pip:
        - azureml-defaults
      channels:
      - anaconda
      - conda-forge
  docker:
    enabled: false
    baseImage: mcr.microsoft.com/azureml/intelmpi2018.3-ubuntu16.04:20210615.v1
    platform:
      os: Linux
      architecture: amd64
    baseDockerfile:
    baseImageRegistry:
      address:
      username:
      password:
    sharedVolumes: true
    shmSize: 2g
    arguments: []
  spark:
    repositories: []
    packages: []
    precachePackages: true
  databricks:
    mavenLibraries: []
    pypiLibraries: []
    rcranLibraries: []
    jarLibraries: []
    eggLibraries: []
  r:
  inferencingStackVersion:
history:
  outputCollection: true
  directoriesToWatch:
  - logs
  enableMLflowTracking: true
  snapshotProject: true
spark:
  configuration:
    spark.app.name: Azure ML Experiment
    spark.yarn.maxAppAttempts: 1
hdi:
  yarnDeployMode: cluster
docker:
  useDocker: false
  sharedVolumes: true
  arguments: []
  shmSize: 2g
tensorflow:
  workerCount: 1
  parameterServerCount: 1
mpi:
  processCountPerNode: 1
  nodeCount: 1
pytorch:
  communicationBackend: nccl
  processCount:
  nodeCount: 1
paralleltask:
  maxRetriesPerWorker: 0
  workerCountPerNode: 1
  terminalExitCodes:
dataReferences: {}
data: {}
outputData: {}
datacaches: []
sourceDirectoryDataStore:
amlcompute:
  vmSize:
  vmPriority:
  retainCluster: false
  name:
  clusterMaxNodeCount: 1
kubernetescompute:
  instanceType:
credentialPassthrough: false
command: ''
environmentVariables: {}
applicationEndpoints: {}
"""
CONFIGURED = """
import warnings
from azureml.core import Dataset, Experiment, RunConfiguration, ScriptRunConfig, Workspace

ws = Workspace.from_config()
data = Dataset.File.from_files("data").register(ws, "digits-2", create_new_version=True)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    run_config = RunConfiguration.load(path="./sklearn-mnist", name="mnist")
    run_config.data = {}
    src = ScriptRunConfig(source_directory="./sklearn-mnist", script="train.py", run_config=run_config,
                          arguments=["--data-folder", data.as_named_input("digits").as_download(), "--epochs", 2])
    run = Experiment(ws, "from-a-file").submit(src, tags={"from": "file"})
run.wait_for_completion(show_output=True, wait_post_processing=True)
assert len(run.get_metrics("loss")["loss"]) == 2
assert run.get_details()["runDefinition"]["environment"]["name"], run.get_details()
run_config.save(path="./again", name="mnist")
assert RunConfiguration.load("./again", "mnist").environment.docker.base_image.endswith("20210615.v1")
"""
#: Cells of a notebook, one after another in one process.
NOTEBOOK = """
#%%
from azureml.core import Workspace, Experiment, Run
ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="train-within-notebook")
#%%
import math, os
run = experiment.start_logging(snapshot_directory=None)
run
#%%
for alpha in [0.1, 0.2, 0.3, 0.4]:
    with run.child_run(name="alpha %s" % alpha) as child:
        mse = (alpha - 0.3) ** 2
        child.log("alpha", alpha)
        child.log("mse", mse)
    run.log("alpha", alpha)
    run.log("mse", mse)
    model_file_name = "ridge_%.2f.pkl" % alpha
    with open(model_file_name, "w") as file:
        file.write(str(alpha))
    run.upload_file(name="outputs/" + model_file_name, path_or_stream=model_file_name)
run.log_list("fibonacci", (n for n in [0, 1, 1, 2, 3]))
run.log_predictions("predictions", {"schema_type": "predictions", "schema_version": "v1", "data": {
    "bin_averages": [1, 2], "bin_errors": [0.1, 0.2], "bin_counts": [3, 4], "bin_edges": [0, 1, 2]}})
run.set_tags({"purpose": "demo", "empty": None})
run.remove_tags(["empty"])
run.add_properties({"author": "azureml-user"})
run.upload_folder(name="notes", path="notes")
#%%
run.complete()
#%%
metrics = run.get_metrics()
best_alpha = metrics["alpha"][metrics["mse"].index(min(metrics["mse"]))]
assert best_alpha == 0.3, metrics
assert metrics["fibonacci"] == [0, 1, 1, 2, 3]
#%%
minimum = min(run.get_children(), key=lambda child: child.get_metrics()["mse"])
assert minimum.get_metrics()["alpha"] == 0.3 and minimum.parent.id == run.id
all_metrics = run.get_metrics(recursive=True)
assert len(all_metrics) == 5
#%%
run.download_files(prefix="notes", output_directory="down", append_prefix=False)
assert os.path.exists("down/a.txt")
#%%
try:
    run.add_properties({"author": "somebody"})
except Exception as error:
    print("properties stay:", error)
else:
    raise AssertionError("a property was changed")
model = run.register_model(model_name="best_model", model_path="outputs/ridge_0.30.pkl")
assert run.id in [one.id for one in experiment.get_runs(properties={"author": "azureml-user"}, tags="purpose")]
assert Run.get(ws, run.id).get_status() == "Completed" and run.type
#%%
from azureml.core import Model
model = Model.register(model_path="ridge_0.30.pkl", model_name="best_model", tags={"area": "diabetes"},
                       description="Ridge regression model", workspace=ws)
assert model.version >= 2, model.version
"""


def renamed(text: str) -> str:
    """With the other name of the package, which is no part of what a type of runs is called."""
    return text.replace("azureml.", "zaffre.").replace("zaffre.scriptrun", "azureml.scriptrun")


@pytest.fixture
def project(studio: Studio, home: Path):
    """`project(script)` runs it in a project's folder, as its owner; returns what it printed."""
    work = home / "work"
    files = {
        "sklearn-mnist/train.py": TRAIN,
        "sklearn-mnist/.azureml/mnist.runconfig": RUNCONFIG,
        "data/a.csv": "1,2\n3,4\n",
        "data/deep/b.csv": "5,6\n",
        "notes/a.txt": "a note",
    }
    named = {"workspace_name": studio.known["workspace"], "subscription_id": "0-0", "resource_group": "rg"}
    files["config.json"] = json.dumps(named)
    for path, text in files.items():
        place = work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text if path.endswith(".runconfig") else renamed(text))

    def run(script: str, *, code: int = 0, **env: str) -> str:
        told = {"ZAFFRE_URL": studio.url, "ZAFFRE_TOKEN": studio.known["token"], **env}
        words = [sys.executable, "-W", "ignore::ResourceWarning", "-c", renamed(script)]
        done = subprocess.run(words, cwd=work, env={**os.environ, **told}, capture_output=True, text=True, timeout=400)
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


def test_an_estimator_of_the_tutorial(project):
    told = project(ESTIMATOR)
    assert "3\nrows" in told and "Execution Summary" in told
    assert "Completed" in told, "RunDetails told how it ended"


def test_a_run_configuration_that_the_sdk_of_then_wrote(project):
    assert "3\nrows" in project(CONFIGURED)


def test_the_cells_of_a_notebook(project):
    cells = [cell for cell in NOTEBOOK.split("#%%") if cell.strip()]
    body = f"cells = {cells!r}\nspace = {{}}\nfor cell in cells:\n    exec(compile(cell, 'cell', 'exec'), space)\n"
    assert "properties stay:" in project(body)


def test_a_training_by_hand_prints_what_it_would_log(project, home):
    script = (home / "work/sklearn-mnist/train.py").read_text()
    told = project(script.replace("parser.parse_args()", "parser.parse_args(['--data-folder', 'data'])"))
    assert "3\nrows" in told and "loss = 0.99" in told


# --- what goes wrong ---------------------------------------------------------------------------------------

WRONG = """
import traceback
from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
ws = Workspace.from_config()
def tried(work):
    try:
        work()
    except Exception as error:
        print(type(error).__name__, str(error), sep="\\n")
    else:
        raise AssertionError("it went well")
exp = Experiment(ws, "wrong")
code = "./sklearn-mnist"
tried(lambda: exp.submit(ScriptRunConfig(code, "train.py", compute_target="locl")))
tried(lambda: exp.submit(ScriptRunConfig(code, "trian.py")))
tried(lambda: exp.submit(ScriptRunConfig(code, "train.py", environment="minimla")))
with open("big.bin", "wb") as file:
    file.truncate(400_000_000)
open("x.py", "w").close()
tried(lambda: exp.submit(ScriptRunConfig(".", "x.py")))
failing = exp.submit(ScriptRunConfig(code, "train.py", compute_target="local"))
tried(lambda: failing.wait_for_completion())
broken = Environment("broken")
broken.python.conda_dependencies.add_pip_package("no-such-package-anywhere-zz==1.0")
run = exp.submit(ScriptRunConfig(code, "train.py", environment=broken))
tried(lambda: run.wait_for_completion())
"""


def test_each_step_that_goes_wrong_says_what_to_do(project):
    told = project(WRONG)
    for part in (
        *("locl", "local"),
        *("There is no script trian.py", "Did you mean train.py?"),
        *("minimla", "minimal"),
        *("SnapshotException", "big.bin", "ignore"),
        *("ActivityFailedException", "TypeError"),
        "no-such-package-anywhere-zz",
    ):
        assert part in told, f"{part!r} is not in\n{told}"


def test_a_login_that_does_not_count_says_so(project):
    told = project("from azureml.core import Workspace\nWorkspace.from_config()", code=1, ZAFFRE_TOKEN="zaf_pat_old")
    assert "zaffre login" in told.splitlines()[-1], told


@pytest.mark.parametrize(
    ("text", "parts"),
    [("{", ("work/config.json is there", "can be read")), ('{"workspace_name": "mian"}', ("mian", "config.json"))],
)
def test_a_config_file_that_is_wrong_is_named(project, home, text, parts):
    (home / "work" / "config.json").write_text(text)
    told = project("from azureml.core import Workspace\nWorkspace.from_config()", code=1)
    for part in parts:
        assert part in told.splitlines()[-1], told
