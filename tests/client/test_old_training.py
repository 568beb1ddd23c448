"""What scripts of the Azure ML SDK v1 do first: name an environment, run a command line, leave a model in outputs/."""

import hashlib
import os
import tomllib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

import zaffre
from tests.client.studio import RUN, TOKEN, Reply, W
from zaffre.core import ContainerRegistry, Environment, Experiment, RunConfiguration, ScriptRunConfig
from zaffre.core.compute import ComputeTarget
from zaffre.core.environment import DEFAULT_GPU_IMAGE
from zaffre.core.run import Run
from zaffre.core.runconfig import PyTorchConfiguration, TensorflowConfiguration
from zaffre.data import OutputFileDatasetConfig
from zaffre.errors import NotFound, UserErrorException


@pytest.fixture
def experiment(studio, space, home):
    Path("train.py").write_text("print(1)")
    return Experiment(space, "first")


def sent(studio):
    return studio.submitted[-1].json["config"]


# --- outputs/ of a notebook ------------------------------------------------------------------------
def test_what_a_notebook_writes_to_outputs_is_the_runs(studio, experiment):
    Path("outputs/of").mkdir(parents=True)
    Path("outputs/older.pkl").write_text("of somebody else")
    Path("outputs/of/again.pkl").write_text("before")
    with experiment.start_logging():
        Path("outputs/model.pkl").write_text("a model")
        Path("outputs/of/again.pkl").write_text("after that")
    assert sorted(studio.artifacts) == ["outputs/model.pkl", "outputs/of/again.pkl"]
    assert studio.blobs[studio.artifacts["outputs/of/again.pkl"]] == b"after that"


def test_outputs_is_there_to_be_written_into_and_may_be_refused(studio, experiment):
    run = experiment.start_logging()
    Path("outputs/model.pkl").write_text("a model")
    run.upload_file("outputs/model.pkl", "outputs/model.pkl")
    run.complete()
    assert list(studio.artifacts) == ["outputs/model.pkl"]
    studio.artifacts.clear()
    with experiment.start_logging(outputs=False):
        Path("outputs/other.pkl").write_text("mine")
    assert not studio.artifacts


# --- environments that were ready ------------------------------------------------------------------
def ready(studio, name, *answers):
    studio.next(f"GET {W}/environments/{name}", *(answers or [Reply(404, {"code": "not_found", "message": "no"})]))


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("AzureML-Minimal", []),
        ("AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", ["scikit-learn", "pandas"]),
        ("azureml-sklearn-1.5", ["joblib"]),
        ("AzureML-PyTorch-1.6-GPU", ["torch", "torchvision"]),
        ("AzureML-ACPT-pytorch-1.13-py38-cuda11.7-gpu", ["torch"]),
        ("AzureML-TensorFlow-2.2-GPU", ["tensorflow"]),
    ],
)
def test_an_environment_that_was_ready_is_made_anew(studio, space, name, packages):
    ready(studio, name)
    with pytest.warns(UserWarning, match="stands in"):
        found = Environment.get(workspace=space, name=name)
    assert (found.name, found.version) == (name, None)
    assert set(packages) <= set(found.python.conda_dependencies.pip_packages)
    assert bool(packages) == bool(found.python.conda_dependencies.pip_packages)
    ready(studio, name)
    with pytest.warns(UserWarning, match="stands in"):  # a version of then is of the same packages
        assert Environment.get(space, name, version="12").version is None


def test_other_names_are_not_found_and_registered_ones_are(studio, space):
    for name in ("AzureML-Triton", "my-sklearn"):
        ready(studio, name)
        with pytest.raises(NotFound):
            Environment.get(space, name)
    ready(studio, "AzureML-Minimal", Reply(200, {"name": "AzureML-Minimal", "version": 3}))
    spec = {"kind": "pip", "requirements": ["six"]}
    found = {"name": "AzureML-Minimal", "version": 3, "spec": spec}
    studio.next(f"GET {W}/environments/AzureML-Minimal/versions/3", Reply(200, found))
    assert Environment.get(space, "AzureML-Minimal").version == "3"


# --- a command is read by a shell ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py --name 'a b'", ["python", "train.py", "--name", "a b"]),
        (["python", "-c", "print(1); print(2)"], ["python", "-c", "print(1); print(2)"]),
        (["bash", "-c", "a && b"], ["bash", "-c", "a && b"]),
        ("pip install six && python train.py", ["bash", "-c", "pip install six && python train.py"]),
        ("LR=1 python train.py", ["bash", "-c", "LR=1 python train.py"]),
        ("launch --rank $NODE_RANK", ["bash", "-c", "launch --rank $NODE_RANK"]),
        (["cd", "x;", "python", "train.py"], ["bash", "-c", "cd x; python train.py"]),
        (["a", "&&", "python", "train.py"], ["bash", "-c", "a && python train.py"]),
        (["launch --nnodes 2 train.py", "--epochs 25"], ["bash", "-c", "launch --nnodes 2 train.py --epochs 25"]),
    ],
)
def test_a_command_line_means_what_a_shell_makes_of_it(studio, experiment, command, words):
    experiment.submit(ScriptRunConfig(".", command=command))
    assert sent(studio)["command"] == words


def test_places_in_a_command_line_are_variables_of_it(studio, experiment):
    out = OutputFileDatasetConfig(name="prepared")
    experiment.submit(ScriptRunConfig(".", command=["python train.py --out", out, "--epochs 25"]))
    assert sent(studio)["command"] == ["bash", "-c", 'python train.py --out "$ZAFFRE_PLACE_0" --epochs 25']
    assert sent(studio)["environment_variables"] == {"ZAFFRE_PLACE_0": "OutputFileDatasetConfig:prepared"}


# --- the rest of a first page ----------------------------------------------------------------------
def test_parameter_servers_go_with_python_and_with_the_nodes_that_are_asked_for(studio, experiment):
    config = ScriptRunConfig(".", "train.py", run_config=RunConfiguration(None, None, "python", "ParameterServer"))
    config.run_config.node_count = 3
    config.run_config.tensorflow = TensorflowConfiguration(1, 1)
    experiment.submit(config)
    told = sent(studio)
    assert told["node_count"] == 3
    assert told["distribution"] == {"kind": "tensorflow", "processes_per_node": 1, "parameter_servers": 1}
    experiment.submit(ScriptRunConfig(".", "train.py", distributed_job_config=PyTorchConfiguration("Gloo", 2)))
    assert sent(studio)["distribution"]["kind"] == "pytorch"


def test_a_dockerfile_is_named_by_its_path(home):
    Path("Dockerfile").write_text("FROM python:3.11\nRUN true\n")
    made = Environment("mine")
    made.docker.base_image, made.docker.base_dockerfile = None, "./Dockerfile"
    assert made.spec["dockerfile"] == "FROM python:3.11\nRUN true\n"
    made.docker.base_dockerfile = "./elsewhere"
    with pytest.raises(UserErrorException, match="elsewhere cannot be read"):
        _ = made.spec
    assert "/azureml/" in DEFAULT_GPU_IMAGE and ContainerRegistry().address is None


def test_what_scripts_print_of_targets_and_models_is_there(studio, space):
    found = {"name": "cpu", "kind": "cluster", "state": "Steady", "settings": {}, "updated": "2026-01-02T03:04:05Z"}
    target = ComputeTarget._of(space, found)
    assert (target.location, target.modified_on, target.is_attached) == ("", "2026-01-02T03:04:05Z", False)
    assert space.get_default_compute_target("CPU") is None
    studio.new_run(status="completed")
    studio.artifacts, studio.blobs = {"outputs/m": "A"}, {"A": b"m"}
    model = Run.get(space, RUN).register_model("m", "outputs/m")
    assert model.url == f"{studio.url}{W}/models/m/versions/1"


def test_each_process_of_a_distributed_run_has_its_log(studio, space):
    studio.new_run(status="completed", config={"distribution": {"kind": "pytorch", "processes_per_node": 2}})
    for path, text in {"user_logs/std_log_process_1.txt": b"one", "logs/x.txt": b"x"}.items():
        studio.artifacts[path] = hashlib.sha256(text).hexdigest()
        studio.blobs[studio.artifacts[path]] = text
    run = Run.get(space, RUN)
    texts = run.get_details_with_logs()["logFiles"]
    assert list(texts) == ["user_logs/std_log.txt", "user_logs/std_log_process_1.txt", "logs/x.txt"]
    assert texts["user_logs/std_log_process_1.txt"] == "one"
    assert [Path(one).name for one in run.get_all_logs("all")] == ["std_log.txt", "std_log_process_1.txt", "x.txt"]


def test_names_that_scripts_import_beside_others(studio, space):
    from zaffre.core.run import get_run
    from zaffre.core.script_run import ScriptRun

    studio.new_run()
    experiment = Experiment(space, "first")
    assert get_run(experiment, RUN).id == ScriptRun(experiment, RUN).id == RUN
    details = space.get_details()
    assert (details["location"], details["id"].split("/")[4]) == ("", "") and details["id"].endswith("/workspaces/main")


def test_mlflow_logs_in_to_the_studio_that_was_asked_for_and_to_no_other(studio, space, monkeypatch):
    """As MLflow's client does it: the plugin by its name, then each request before it is sent."""
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_AUTH"):
        monkeypatch.setenv(name, "")
    address = space.get_mlflow_tracking_uri()
    named = tomllib.loads(Path(zaffre.__file__, "../../../pyproject.toml").resolve().read_text())["project"]
    place, _, name = named["entry-points"]["mlflow.request_auth_provider"]["zaffre"].partition(":")
    provider = getattr(import_module(place), name)()
    assert provider.get_name() == os.environ["MLFLOW_TRACKING_AUTH"]
    for url, told in ((address, {"Authorization": f"Bearer {TOKEN}"}), ("http://127.0.0.1:1/mlflow/main", {})):
        assert provider.get_auth()(SimpleNamespace(url=url, headers={})).headers == told


def test_a_login_of_mlflow_that_was_chosen_stays(space, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "another")
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "")
    space.get_mlflow_tracking_uri()
    assert os.environ["MLFLOW_TRACKING_AUTH"] == ""


@pytest.mark.parametrize("name", ["zaffre.opendatasets", "zaffre.core.databricks"])
def test_a_module_that_is_not_here_says_what_to_do(name):
    with pytest.raises(ModuleNotFoundError, match="has no counterpart here"):
        import_module(name)


def test_classes_that_scripts_import_beside_others_can_be_asked_for(studio, space):
    from zaffre.core.dataset import Dataset
    from zaffre.data import DataReference, FileDataset, TabularDataset
    from zaffre.train.dnn import Chainer

    made = FileDataset.from_json(space, {"name": "digits", "version": 1})
    assert isinstance(made, FileDataset) and not isinstance(made, TabularDataset)
    for work in (DataReference, Chainer, TabularDataset, Dataset.Tabular.from_delimited_files):
        with pytest.raises(UserErrorException) as refused:
            work("x")
        assert refused.value.hint
