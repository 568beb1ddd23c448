"""Estimators, and what of the SDK of then can be imported and what it says."""

import importlib
import warnings

import pytest

from zaffre.core import Dataset, Datastore, Environment, Experiment
from zaffre.core.compute import AksCompute
from zaffre.core.runconfig import MpiConfiguration
from zaffre.errors import UserErrorException
from zaffre.train.dnn import Gloo, ParameterServer, PyTorch
from zaffre.train.estimator import Estimator
from zaffre.train.sklearn import SKLearn


@pytest.fixture
def code(home):
    (home / "work" / "train.py").write_text("print(1)")
    return home / "work"


def sent(studio) -> dict:
    return studio.submitted[-1].json["config"]


def test_an_estimator_is_submitted_with_its_words_inputs_and_processes(studio, space, code):
    (code / "a.csv").write_text("1")
    data = Dataset.File.from_files("a.csv").register(space, "numbers")
    params = {"--data-folder": data.as_named_input("mnist").as_mount(), "--regularization": 0.5, "--verbose": ""}
    made = Estimator(
        source_directory=".",
        script_params=params,
        inputs=[data.as_named_input("second")],
        compute_target="local",
        entry_script="train.py",
        node_count=2,
        process_count_per_node=2,
        distributed_backend="mpi",
        use_gpu=True,
        environment_definition=Environment("system"),
    )
    made.run_config.environment = "system"
    Experiment(space, "e").submit(made)
    body = sent(studio)
    words = ["--data-folder", "DatasetConsumptionConfig:mnist", "--regularization", "0.5", "--verbose"]
    assert (body["arguments"], body["script"], body["target"]) == (words, "train.py", "local")
    assert sorted(body["inputs"]) == ["mnist", "second"]
    assert (body["node_count"], body["distribution"]) == (2, {"kind": "mpi", "processes_per_node": 2})


@pytest.mark.parametrize(
    ("given", "kind", "nodes"),
    [
        ({"distributed_training": MpiConfiguration()}, "mpi", 3),
        ({"distributed_training": Gloo()}, "pytorch", 3),
        ({"distributed_backend": "nccl"}, "pytorch", 3),
        ({"distributed_training": ParameterServer(worker_count=2, parameter_server_count=1)}, "tensorflow", 3),
        ({"distributed_backend": "ps"}, "tensorflow", 3),
        ({}, "multiprocess", 3),
    ],
)
def test_processes_find_each_other_as_then(studio, space, code, given, kind, nodes):
    made = Estimator(".", entry_script="train.py", compute_target="local", node_count="3", **given)
    Experiment(space, "e").submit(made)
    body = sent(studio)
    assert (body["distribution"]["kind"], body["node_count"]) == (kind, nodes)


def test_a_framework_comes_with_its_estimator_unless_it_is_named(code):
    (code / "more.txt").write_text("pandas\n")
    made = SKLearn(".", entry_script="train.py", pip_packages=["scikit-learn==1.7"], pip_requirements_file="more.txt")
    assert made.conda_dependencies.pip_packages == ["pandas", "scikit-learn==1.7", "joblib"]
    with pytest.warns(UserWarning, match=r"framework_version 1\.3 is not honoured.*torch"):
        torch = PyTorch(".", entry_script="train.py", framework_version="1.3", conda_packages=["python=3.11"])
    told = torch.run_config.environment.spec
    assert told == {"kind": "pip", "requirements": ["torch", "torchvision"], "python": "3.11"}
    plain = Estimator(".", entry_script="train.py", custom_docker_image="me/mine:1", user_managed=True)
    assert plain.run_config.environment.spec["image"] == "me/mine:1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "entry_script"),
        ({"entry_script": "a.py", "vm_size": "STANDARD_D2_V2"}, "one run"),
        ({"entry_script": "a.py", "inputs": ["digits"]}, "as_named_input"),
        ({"entry_script": "a.py", "distributed_backend": "horovod"}, "mpi, ps, gloo, nccl"),
        ({"entry_script": "a.py", "distributed_training": 3}, "MpiConfiguration"),
        ({"entry_script": "a.py", "script_parms": {}}, "script_parms"),
    ],
)
def test_what_an_estimator_cannot_be(words, said):
    with pytest.raises(UserErrorException, match=said):
        Estimator(".", **words)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("zaffre.pipeline.core", "one after another"),
        ("zaffre.pipeline.steps", "one after another"),
        ("zaffre.train.hyperdrive", "each set of values"),
        ("zaffre.train.automl", "library"),
        ("zaffre.automl.core", "library"),
    ],
)
def test_what_is_not_here_says_so_when_it_is_imported(module, said):
    with pytest.raises(ModuleNotFoundError, match=said):
        importlib.import_module(module)


def test_what_can_only_be_imported_says_so_when_it_is_used(space):
    for work in (lambda: Datastore(space, "a"), lambda: Datastore.get(space, "a"), space.get_default_datastore):
        with pytest.raises(UserErrorException, match=r"no datastores here.*upload_directory"):
            work()
    with pytest.raises(UserErrorException, match="endpoint"):
        AksCompute.provisioning_configuration()
    assert not isinstance(3, AksCompute) and space.datastores == {}


def test_the_rest_of_what_scripts_import(studio, home, monkeypatch):
    from zaffre.core.authentication import (
        InteractiveLoginAuthentication,
        ServicePrincipalAuthentication,
        TokenAuthentication,
    )
    from zaffre.core.container_registry import ContainerRegistry
    from zaffre.core.resource_configuration import ResourceConfiguration
    from zaffre.exceptions import ProjectSystemException, ServiceException
    from zaffre.telemetry import set_diagnostics_collection

    monkeypatch.setenv("ZAFFRE_URL", studio.url)
    monkeypatch.setenv("ZAFFRE_TOKEN", "mine")
    set_diagnostics_collection(send_diagnostics=True)
    assert InteractiveLoginAuthentication(tenant_id="t").get_authentication_header() == {"Authorization": "Bearer mine"}
    assert ServicePrincipalAuthentication("t", "i", "p").get_token("scope").token == "mine"
    assert "theirs" not in repr(TokenAuthentication(lambda audience: "theirs").get_token())
    assert issubclass(ProjectSystemException, ServiceException)
    assert ContainerRegistry().address is None and ResourceConfiguration(cpu=1).cpu == 1


def test_no_warning_without_a_reason(code):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Estimator(".", entry_script="train.py", compute_target="local", use_docker=True, shm_size="2g")
