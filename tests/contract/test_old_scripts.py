"""Scripts as people had them for the Azure ML SDK v1, with nothing changed but the name of the package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.running import Studio

pytestmark = pytest.mark.stack

TRAIN = """
import argparse, os
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--reg", type=float, default=0.5)
parser.add_argument("--out", default="outputs")
args = parser.parse_args()
run = Run.get_context()
print("in", run.experiment.name, "of", run.experiment.workspace.name)
run.log("alpha", args.reg)
run.log_list("acc", [0.1, 0.2, 0.3])
for i in range(3):
    run.log_row("row", x=i, y=i * 2)
run.log_table("table", {"a": [1, 2], "b": [3, 4]})
run.set_tags({"phase": "train"})
os.makedirs(args.out, exist_ok=True)
with open(os.path.join(args.out, "model.pkl"), "wb") as f:
    f.write(b"model")
with open("mine.txt", "w") as f:
    f.write("hello")
run.upload_file(name="outputs/mine.txt", path_or_stream="mine.txt")
with run.child_run(name="child") as child:
    child.log("x", 1)
for child in run.create_children(count=2):
    child.log("y", 2)
    child.complete()
print("secret", run.get_secret("my-secret") is not None)
run.complete()
"""
RANKS = """
import os
print("rank", os.environ["RANK"], "of", os.environ["WORLD_SIZE"])
"""
SUBMIT = """
import azureml.core
from azureml.core import Workspace, Experiment, Environment, ScriptRunConfig
from azureml.core.conda_dependencies import CondaDependencies
from azureml.data import OutputFileDatasetConfig

ws = Workspace.from_config()
print(azureml.core.VERSION, ws.name, ws.resource_group, ws.location, ws.subscription_id, sep="\\t")
keyvault = ws.get_default_keyvault()
keyvault.set_secret(name="my-secret", value="long-enough")
assert keyvault.get_secret(name="my-secret") == "long-enough"
env = Environment(name="myenv")
env.python.user_managed_dependencies = True
env.docker.enabled = False
experiment = Experiment(workspace=ws, name="train-on-local")
out = OutputFileDatasetConfig(name="prepared")
src = ScriptRunConfig(source_directory="src", script="train.py", arguments=["--reg", 0.9, "--out", out])
src.run_config.target = "local"
src.run_config.environment = env
run = experiment.submit(config=src, tags={"a": "b"})
run.wait_for_completion(show_output=True)
assert run.get_status() == "Completed"
metrics = run.get_metrics()
assert metrics["alpha"] == 0.9 and metrics["row"] == {"x": [0, 1, 2], "y": [0, 2, 4]}, metrics
assert run.get_metrics(name="acc") == {"acc": [0.1, 0.2, 0.3]}
assert run.get_tags() == {"a": "b", "phase": "train"}
names = run.get_file_names()
assert "outputs/mine.txt" in names and "outputs/prepared/model.pkl" in names, names
run.download_file(name="outputs/mine.txt", output_file_path="./got/mine.txt")
run.download_files(prefix="outputs", output_directory="./all")
assert open("got/mine.txt").read() == "hello" and open("all/outputs/prepared/model.pkl").read() == "model"
assert run.get_details()["runDefinition"]["script"] == "train.py"
assert len(list(run.get_children())) == 3
assert [one.id for one in experiment.get_runs(tags={"a": "b"})] == [run.id]
assert len(list(experiment.get_runs(include_children=True))) == 4
assert [one.name for one in Experiment.list(ws)] and experiment.id
model = run.register_model(model_name="m1", model_path="outputs/prepared/model.pkl", tags={"x": "1"})
print(model.name, model.id, model.version, sep="\\t")
"""
CONFIGURED = """
from azureml.core import Workspace, Experiment, ScriptRunConfig
from azureml.core.runconfig import DEFAULT_CPU_IMAGE, MpiConfiguration, PyTorchConfiguration, RunConfiguration

ws = Workspace.from_config()
config = RunConfiguration()
config.target = "local"
config.environment.python.user_managed_dependencies = True
config.environment.docker.base_image = DEFAULT_CPU_IMAGE
config.environment.environment_variables = {"A": "1"}
config.save(path=".", name="sklearn")
config = RunConfiguration.load(path=".", name="sklearn")
src = ScriptRunConfig(source_directory="src", script="train.py", run_config=config)
run = Experiment(ws, "configured").submit(src)
run.wait_for_completion(show_output=False, raise_on_error=False)
assert run.status == "Completed", run.get_details_with_logs()
for told in (PyTorchConfiguration(process_count=2, node_count=1), MpiConfiguration(process_count_per_node=1)):
    src = ScriptRunConfig("src", script="ranks.py",
                          compute_target=ws.compute_targets["local"], environment=config.environment,
                          distributed_job_config=told, max_run_duration_seconds=600)
    run = Experiment(ws, "configured").submit(src)
    run.wait_for_completion(show_output=True, raise_on_error=isinstance(told, PyTorchConfiguration))
"""
THINGS = """
from azureml.core import Workspace, Environment, Experiment
from azureml.core.compute import AmlCompute, ComputeInstance, ComputeTarget
from azureml.core.compute_target import ComputeTargetException

ws = Workspace.from_config()
curated = Environment.get(workspace=ws, name="minimal")
new = curated.clone("from-minimal")
new.python.conda_dependencies.add_pip_package("six")
new = new.register(workspace=ws)
assert ws.environments["from-minimal"].version == new.version == "1"
try:
    cluster = ComputeTarget(workspace=ws, name="cpu-cluster")
except ComputeTargetException:
    told = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", min_nodes="0", max_nodes="1")
    cluster = ComputeTarget.create(ws, "cpu-cluster", told)
    cluster.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=2)
assert type(ws.compute_targets["cpu-cluster"]) is AmlCompute
assert cluster.get_status().serialize()["scaleSettings"]["maxNodeCount"] == 1
cluster.delete()
told = ComputeInstance.provisioning_configuration(vm_size="STANDARD_D3_V2", ssh_public_access=False)
instance = ComputeInstance.create(ws, "ci-1", told)
instance.wait_for_completion(show_output=True)
instance.stop(wait_for_completion=True, show_output=True)
instance.delete(wait_for_completion=True, show_output=True)
run = Experiment(workspace=ws, name="interactive").start_logging()
run.log("a", 1)
run.tag("k", "v")
run.upload_file("outputs/x.txt", "src/ranks.py")
run.complete()
assert run.get_metrics() == {"a": 1.0} and run.get_file_names() == ["outputs/x.txt"]
"""


@pytest.mark.parametrize("script", [SUBMIT, CONFIGURED, THINGS], ids=["submit", "configured", "things"])
def test_a_script_of_then_runs_when_its_imports_are_renamed(studio: Studio, home: Path, script: str):
    work = home / "work"
    for path, text in {"src/train.py": TRAIN, "src/ranks.py": RANKS, "go.py": script}.items():
        (work / path).parent.mkdir(exist_ok=True)
        (work / path).write_text(text.replace("azureml", "zaffre"))
    (work / ".azureml").mkdir()
    named = {"workspace_name": studio.known["workspace"], "subscription_id": "0-0", "resource_group": "rg"}
    (work / ".azureml/config.json").write_text(json.dumps(named))
    env = {**os.environ, "ZAFFRE_URL": studio.url, "ZAFFRE_TOKEN": studio.known["token"]}
    words = [sys.executable, "-W", "ignore", "go.py"]
    done = subprocess.run(words, cwd=work, env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
