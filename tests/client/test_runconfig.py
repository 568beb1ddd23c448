"""Run configurations as scripts of the Azure ML SDK v1 use them: in code, in files, and by the command."""

import json
import warnings

import pytest

from tests.client.studio import RUN
from zaffre.core import Dataset, Environment, Experiment, RunConfiguration, ScriptRunConfig
from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.core.runconfig import (
    Data,
    DataLocation,
    DockerConfiguration,
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
)
from zaffre.core.runconfig import Dataset as DatasetOfConfig
from zaffre.exceptions import UserErrorException

#: As the SDK of then wrote it, with its defaults.
OLD = """
script: train.py
arguments: [--data, 'DatasetConsumptionConfig:digits', --rate, 0.5]
target: gpu-cluster
framework: Python
communicator: None
maxRunDurationSeconds: 3600
nodeCount: 1
priority:
environment:
  name: keras
  version:
  environmentVariables:
    EXAMPLE: "1"
  python:
    userManagedDependencies: false
    interpreterPath: python
    condaDependenciesFile:
    condaDependencies:
      name: project_environment
      dependencies:
      - python=3.11
      - pip:
        - keras==3.1
        - numpy
      channels: [anaconda]
  docker:
    enabled: false
    baseImage: somewhere/base:1
    sharedVolumes: true
    arguments: []
history:
  outputCollection: true
  snapshotProject: true
  directoriesToWatch: [logs, boards]
spark:
  configuration: {spark.app.name: Azure ML Experiment, spark.yarn.maxAppAttempts: 1}
hdi: {yarnDeployMode: cluster}
tensorflow: {workerCount: 1, parameterServerCount: 1}
mpi: {processCountPerNode: 1}
dataReferences: {}
data:
  digits:
    dataLocation: {dataset: {id: 'digits:3'}}
    createOutputDirectories: false
    mechanism: mount
    environmentVariableName: DIGITS
    pathOnCompute:
    overwrite: false
sourceDirectoryDataStore:
amlcompute: {vmSize:, vmPriority:, retainCluster: false, clusterMaxNodeCount: 1}
"""


@pytest.fixture
def code(home):
    (home / "work" / "train.py").write_text("print(1)")
    return home / "work"


@pytest.fixture
def old(code):
    (code / ".azureml").mkdir()
    (code / ".azureml" / "first.runconfig").write_text(OLD)
    return code


def sent(studio) -> dict:
    return studio.submitted[-1].json["config"]


@pytest.fixture
def registered(space, monkeypatch) -> list:
    """What was registered as an environment: the studio in memory has none."""
    told, real = [], space.client.post

    def post(path, value):
        if not path.endswith("/environments"):
            return real(path, value)
        told.append(value)
        return {"name": value["name"], "version": 1}

    monkeypatch.setattr(space.client, "post", post)
    return told


def test_a_file_of_then_is_read_and_submitted(studio, space, old, registered):
    config = ScriptRunConfig(str(old), run_config=RunConfiguration.load(str(old), "first"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # its defaults ask for nothing that we do not do
        Experiment(space, "e").submit(config)
    body = sent(studio)
    assert body["arguments"] == ["--data", "DatasetConsumptionConfig:digits", "--rate", "0.5"]
    assert body["inputs"] == {"digits": {"dataset": "digits:3", "mode": "mount"}}
    assert body["environment_variables"] == {"EXAMPLE": "1", "DIGITS": "DatasetConsumptionConfig:digits"}
    assert (body["target"], body["max_duration_seconds"], body["environment"]) == ("gpu-cluster", 3600, "keras:1")
    assert body["history"] == {"output_collection": True, "directories_to_watch": ["logs", "boards"]}
    assert registered[0]["spec"] == {"kind": "pip", "requirements": ["keras==3.1", "numpy"], "python": "3.11"}


def test_what_is_saved_is_what_is_loaded(studio, space, old, registered):
    first = RunConfiguration.load(str(old), "first")
    first.inputs["more"] = "more:2"
    first.resources = {"gpus": 1}
    first.tags["who"] = "olga"
    place = first.save(str(old), "second")
    assert place == str(old / ".azureml" / "second.runconfig")
    again = RunConfiguration.load(str(old), "second")
    again.save(str(old), "third")
    assert (old / ".azureml" / "third.runconfig").read_text() == (old / ".azureml" / "second.runconfig").read_text()
    assert first.as_body(space) == again.as_body(space)
    assert again.tags == {"who": "olga"}


@pytest.mark.parametrize("folder", [".zaffre", ".azureml", ""])
def test_a_file_is_found_where_people_keep_it(code, folder):
    (code / folder).mkdir(exist_ok=True)
    (code / folder / "x.runconfig").write_text("script: train.py\n")
    assert RunConfiguration.load(str(code), "x").script == "train.py"
    with pytest.raises(UserErrorException, match="There are: x"):
        RunConfiguration.load(str(code), "y")
    RunConfiguration.delete(str(code), "x")
    assert not (code / folder / "x.runconfig").exists()


def test_it_is_saved_in_the_folder_that_the_project_has(code):
    (code / ".zaffre").mkdir()
    assert RunConfiguration("train.py").save(str(code), "x") == str(code / ".zaffre" / "x.runconfig")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "cannot be read"),
        ("- 1", "keys with values"),
        ("history: 3", "`history`"),
        ("data: [1]", "`data`"),
        ("target: {a: 1}", "compute target"),
        ("environment: {python: {condaDependenciesFile: gone.yml}}", "gone.yml"),
        ("a: !!python/object/apply:os.system ['true']", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_meant_is_named(code, text, told):
    (code / "bad.runconfig").write_text(text)
    with pytest.raises(UserErrorException, match=told):
        RunConfiguration.load(str(code), "bad")


def test_what_is_not_honoured_is_told(studio, space, code):
    (code / "x.runconfig").write_text(
        "script: train.py\nfoo: 1\nhistory: {snapshotProject: false, bar: 2}\n"
        "dataReferences: {old: {dataStoreName: blobs}}\nsourceDirectoryDataStore: blobs\n"
    )
    config = RunConfiguration.load(str(code), "x")
    told = " ".join(config.ignored())
    for part in ("`foo`", "`history.bar`", "snapshotProject", "old", "`sourceDirectoryDataStore`"):
        assert part in told
    with pytest.warns(UserWarning, match="foo"):
        Experiment(space, "e").submit(ScriptRunConfig(str(code), run_config=config))


def test_parts_may_be_set_as_in_the_samples_of_then(studio, space, code, registered):
    source = ScriptRunConfig(source_directory=".", script="train.py", arguments=["--a", 1])
    source.run_config.target = "local"
    source.run_config.environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["numpy"])
    Experiment(space, "e").submit(source)
    assert sent(studio)["environment"] == registered[0]["name"] + ":1"
    assert registered[0]["name"].startswith("autosave-")
    source.run_config.environment = Environment("named")
    Experiment(space, "e").submit(source)
    assert sent(studio)["environment"] == "named:1"
    plain = ScriptRunConfig(".", "train.py")
    plain.run_config.environment.python.user_managed_dependencies = True
    Experiment(space, "e").submit(plain)
    assert sent(studio)["environment"] == "system"


def test_one_configuration_serves_several_scripts(studio, space, code):
    (code / "other.py").write_text("")
    shared = RunConfiguration()
    shared.target = "far"
    first = ScriptRunConfig(".", "train.py", ["1"], run_config=shared)
    second = ScriptRunConfig(".", "other.py", run_config=shared)
    command = ScriptRunConfig(".", run_config=shared, command="echo 'a b'")
    for config in (first, second, command):
        Experiment(space, "e").submit(config)
    bodies = [call.json["config"] for call in studio.submitted]
    assert [(one["script"], one["arguments"], one["command"]) for one in bodies] == [
        ("train.py", ["1"], None),
        ("other.py", [], None),
        (None, [], ["echo", "a b"]),
    ]
    assert {one["target"] for one in bodies} == {"far"}


def test_datasets_among_the_arguments_become_inputs(studio, space, code):
    (code / "a.csv").write_text("1")
    data = Dataset.File.from_files("a.csv").register(space, "numbers")
    config = ScriptRunConfig(
        ".", "train.py", ["--data", data.as_named_input("a").as_mount(), data.as_mount(), code], resume_from=data
    )
    Experiment(space, "e").submit(config)
    body = sent(studio)
    unnamed = next(name for name in body["inputs"] if name.startswith("input_"))
    assert body["arguments"] == [
        "--data", "DatasetConsumptionConfig:a", f"DatasetConsumptionConfig:{unnamed}", str(code),
        "--resume-from", "DatasetConsumptionConfig:resume_from",
    ]  # fmt: skip
    assert set(body["inputs"]) == {"a", unnamed, "resume_from"}


def test_data_of_a_configuration_is_an_input(space):
    config = RunConfiguration("train.py")
    config.data["d"] = Data(DataLocation(DatasetOfConfig("digits:2")), mechanism="download")
    assert config.as_body(space)["inputs"] == {"d": {"dataset": "digits:2", "mode": "download"}}


@pytest.mark.parametrize(
    ("given", "nodes", "distribution"),
    [
        (MpiConfiguration(process_count_per_node=4), None, {"kind": "mpi", "processes_per_node": 4}),
        (MpiConfiguration(node_count=2), 2, {"kind": "mpi", "processes_per_node": 1}),
        (
            PyTorchConfiguration("Gloo", process_count=4, node_count="2"),
            2,
            {"kind": "pytorch", "processes_per_node": 2, "backend": "gloo"},
        ),
        (PyTorchConfiguration(node_count=2), 2, {"kind": "pytorch", "processes_per_node": 1, "backend": "nccl"}),
        (
            TensorflowConfiguration(2, 1),
            3,
            {"kind": "tensorflow", "processes_per_node": 1, "parameter_servers": 1},
        ),
    ],
)
def test_distributions_of_the_sdk(space, given, nodes, distribution):
    body = ScriptRunConfig(".", "train.py", distributed_job_config=given).as_body(space)
    assert (body.get("node_count"), body["distribution"]) == (nodes, distribution)
    config = RunConfiguration("train.py")
    config.distribution = given
    assert (config.as_body(space).get("node_count"), config.as_body(space)["distribution"]) == (nodes, distribution)


@pytest.mark.parametrize("given", ["pytorch", 2, ["pytorch"]])
def test_a_distribution_is_said_by_its_parts(code, given):
    with pytest.raises(UserErrorException, match="distribution is no"):
        RunConfiguration("train.py").distribution = given
    (code / "x.runconfig").write_text(f"script: train.py\ndistribution: {given}\n")
    with pytest.raises(UserErrorException, match="distribution is no") as refused:
        RunConfiguration.load(str(code / "x.runconfig"))
    assert "x.runconfig" in refused.value.message and "kind: pytorch" in refused.value.hint


@pytest.mark.parametrize(
    "attributes",
    [
        {"framework": "PySpark"},
        {"framework": "TensorFlow", "communicator": "Gloo"},
        {"framework": "PyTorch", "communicator": "ParameterServer"},
        {"communicator": "pigeons"},
        {"node_count": 0},
        {"framework": "PyTorch", "pytorch": PyTorchConfiguration("Gloo", process_count=3), "node_count": 2},
        {"arguments": "--epochs 3"},
        {"arguments": ["x"], "script": None, "command": "echo"},
        {"script": 3},
        {"command": "echo"},
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_sent(studio, space, attributes):
    config = RunConfiguration("train.py")
    for name, value in attributes.items():
        setattr(config, name, value)
    with pytest.raises(UserErrorException):
        config.as_body(space)
    assert studio.submitted == []


@pytest.mark.parametrize(
    "words",
    [
        {"arguments": "--epochs 3"},
        {"compute_target": 3},
        {"environment": 3},
        {"run_config": {}},
        {"distributed_job_config": "mpi"},
    ],
)
def test_a_wrong_kind_is_told_at_once(words):
    with pytest.raises(UserErrorException):
        ScriptRunConfig(".", "train.py", **words)
    with pytest.raises(UserErrorException):
        PyTorchConfiguration("pigeons")


def test_an_old_container_switch_is_no_mistake():
    config = ScriptRunConfig(".", "train.py", docker_runtime_config=DockerConfiguration(shm_size="2g"))
    assert "shm_size" in " ".join(config.run_config.ignored())


def test_the_command_begins_with_a_saved_configuration(studio, zaffre, old):
    (old / ".zaffre").mkdir()
    done = zaffre("run", "submit", "--experiment", "e", "--target", "far", "--env", "A=1", "--tag", "who=olga",
                  "--memory", "2.5", "--save", "mine", "--", "train.py", "--epochs", "3")  # fmt: skip
    assert done.returncode == 0, done.stderr
    first = sent(studio)
    assert "mine.runconfig" in done.stderr
    done = zaffre("run", "submit", "--experiment", "e", "-c", "mine", "--max-user-retries", "2")
    assert done.returncode == 0, done.stderr
    assert sent(studio) == {**first, "max_user_retries": 2}
    assert first["resources"] == {"memory_gb": 2.5}
    assert studio.submitted[-1].json["tags"] == {"who": "olga"}


def test_the_command_of_then(studio, zaffre, code, tmp_path):
    (code / "x.runconfig").write_text("target: far\nfoo: 1\n")
    where = tmp_path / "run.json"
    done = zaffre("run", "submit-script", "-e", "e", "-c", "x", "--async", "-t", str(where), "train.py", "-c", "3")
    assert done.returncode == 0, done.stderr
    assert "`foo`" in done.stderr
    body = sent(studio)
    assert (body["script"], body["arguments"], body["target"]) == ("train.py", ["-c", "3"], "far")
    assert json.loads(where.read_text())["run_id"] == RUN
    done = zaffre("run", "submit-script", "-e", "e", "-c", "gone", "train.py")
    assert (done.returncode, "There are: x" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "nodes", "distribution"),
    [
        (["--nodes", "2"], 2, {"kind": "multiprocess", "processes_per_node": 1}),
        (["--processes", "2"], None, {"kind": "multiprocess", "processes_per_node": 2}),
        (
            ["--nodes", "2", "--distribution", "pytorch:gloo", "--processes", "3"],
            2,
            {"kind": "pytorch", "processes_per_node": 3, "backend": "gloo"},
        ),
    ],
)
def test_many_processes_by_the_command(studio, zaffre, code, words, nodes, distribution):
    done = zaffre("run", "submit", "--experiment", "e", *words, "--", "train.py")
    assert done.returncode == 0, done.stderr
    body = sent(studio)
    assert (body.get("node_count"), body["distribution"]) == (nodes, distribution)
    assert zaffre("run", "submit", "--experiment", "e", "--distribution", "pigeons", "--", "train.py").returncode == 1


def test_an_image_of_a_file_is_read_and_written_again(studio, code):
    (code / ".azureml").mkdir()
    image = OLD.replace("enabled: false", "enabled: true").replace("arguments: []\nhist", "arguments: [--cpus=2]\nhist")
    (code / ".azureml" / "image.runconfig").write_text(image)
    config = RunConfiguration.load(str(code), "image")
    assert config.environment.spec["image"] == "somewhere/base:1"
    assert config.ignored() == ["arguments of the environment's container have no effect: the node sets its limits."]
    config.save(str(code), "again")
    again = RunConfiguration.load(str(code), "again")
    assert again.environment.spec == config.environment.spec and again.environment.docker.arguments == ["--cpus=2"]
    assert again.environment_variables == {"EXAMPLE": "1"} and again.environment.environment_variables == {}


def test_a_named_input_is_a_variable_of_its_name(studio, space, code):
    (code / "a.csv").write_text("1")
    data = Dataset.File.from_files("a.csv").register(space, "numbers")
    words = [data.as_named_input("digits").as_mount(), data.as_named_input("PATH").as_mount()]
    more = {"other": data.as_named_input("other"), "plain": "numbers"}
    Experiment(space, "e").submit(ScriptRunConfig(str(code), "train.py", arguments=words, inputs=more))
    told = {name: f"DatasetConsumptionConfig:{name}" for name in ("digits", "other")}
    assert sent(studio)["environment_variables"] == told
