"""Environments of the SDK: their files, their parts, and conda files."""

import json

import pytest

from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.core.environment import Environment
from zaffre.errors import UserErrorException

CONDA = """
name: project
channels: [conda-forge]
dependencies:
- python=3.6.2
- scikit-learn=0.22
- pip
- pip:
  - azureml-defaults
  - joblib
"""


def test_a_conda_file_goes_in_and_out(tmp_path):
    file = tmp_path / "env.yml"
    file.write_text(CONDA)
    made = Environment.from_conda_specification("old", str(file))
    packages = made.python.conda_dependencies
    assert (packages.python_version, packages.conda_packages) == ("3.6.2", ["scikit-learn=0.22"])
    assert made.spec == {
        "kind": "conda",
        "python": "3.6.2",
        "channels": ["conda-forge"],
        "dependencies": ["scikit-learn=0.22"],
        "requirements": ["azureml-defaults", "joblib"],
    }
    again = CondaDependencies(_underlying_structure=packages.as_dict())
    assert again.serialize_to_string() == packages.serialize_to_string()
    assert packages.save_to_file(str(tmp_path)) == "conda_dependencies.yml"
    assert CondaDependencies(conda_dependencies_file_path=str(tmp_path / "conda_dependencies.yml")).as_dict()


def test_packages_are_added_replaced_and_removed():
    made = CondaDependencies.create(conda_packages=["python=3.11", "numpy=1.18"], pip_packages=["a", "a"])
    made.add_conda_package("numpy=1.19")
    made.add_channel("x")
    made.remove_pip_package("a")
    made.remove_channel("x")
    assert (made.conda_packages, made.pip_packages, made.conda_channels) == (["numpy=1.19"], [], [])
    made.remove_conda_package("numpy")
    assert made.as_dict() == {"dependencies": ["python=3.11"]}
    with pytest.raises(UserErrorException, match="index"):
        CondaDependencies.create(pip_indexurl="https://index/simple")


def test_the_folder_of_an_environment(tmp_path):
    made = Environment("mine")
    made.python.conda_dependencies = CondaDependencies.create(["numpy"], ["joblib"], "3.11")
    made.environment_variables = {"A": "1"}
    made.save_to_directory(str(tmp_path / "env"))
    tree = json.loads((tmp_path / "env" / "azureml_environment.json").read_text())
    assert tree["python"]["condaDependencies"]["dependencies"][:2] == ["python=3.11", "numpy"]
    with pytest.raises(UserErrorException, match="there already"):
        made.save_to_directory(str(tmp_path / "env"))
    (tmp_path / "env" / "conda_dependencies.yml").write_text("dependencies:\n- pip:\n  - changed\n")
    loaded = Environment.load_from_directory(str(tmp_path / "env"))
    assert loaded.name == "mine" and loaded.environment_variables == {"A": "1"}
    assert loaded.python.conda_dependencies.pip_packages == ["changed"], "the file that people edit was not read"


def test_which_python_an_environment_names():
    made = Environment("own")
    made.python.user_managed_dependencies = True
    assert made.spec == {"kind": "system"}
    made.python.interpreter_path = "/usr/local/bin/python3.12"
    assert made.spec == {"kind": "interpreter", "interpreter": "/usr/local/bin/python3.12"}
    assert made.clone("other").spec == made.spec and made.clone("other").version is None


def test_images(tmp_path):
    assert Environment.from_docker_image("i", "python:3.12").spec == {
        "kind": "docker",
        "image": "python:3.12",
        "interpreter": "python",
    }
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    assert Environment.from_dockerfile("i", str(tmp_path / "Dockerfile")).spec["dockerfile"] == "FROM a\n"
    (tmp_path / "r.txt").write_text("numpy>=2\n")
    spec = Environment.from_docker_image("i", "a:1", pip_requirements=str(tmp_path / "r.txt")).spec
    assert spec == {"kind": "docker", "image": "a:1", "requirements": ["numpy>=2"]}
    (tmp_path / "env.yml").write_text(CONDA)
    spec = Environment.from_dockerfile("i", "FROM a\n", conda_specification=str(tmp_path / "env.yml")).spec
    assert spec == {
        "kind": "docker",
        "dockerfile": "FROM a\n",
        "python": "3.6.2",
        "requirements": ["azureml-defaults", "joblib"],
        "dependencies": ["scikit-learn=0.22"],
    }, "packages of conda are not lost beside an image"
    old = Environment("old")  # as samples have it: the image was only the base of a conda environment
    old.docker.enabled = True
    old.docker.base_image = "mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04"
    old.python.conda_dependencies.add_pip_package("joblib")
    assert old.spec == {"kind": "pip", "requirements": ["joblib"]}
    named = Environment("off")
    named.docker.enabled, named.docker.base_image = False, "a:1"
    assert named.spec == {"kind": "pip", "requirements": []}


def test_an_environment_of_conda_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Environment.from_existing_conda_environment("ex", "base") is None, "there is no conda"
    conda = tmp_path / "conda"
    conda.write_text(
        '#!/bin/sh\n[ "$4" = mine ] || exit 1\nprintf "%s" "name: mine\nchannels: [c]\n'
        'dependencies: [python=3.6.2, numpy=1.19, {pip: [joblib]}]\n"\n'
    )
    conda.chmod(0o755)
    assert Environment.from_existing_conda_environment("ex", "nothing") is None
    made = Environment.from_existing_conda_environment("ex", "mine")
    assert made is not None and made.spec == {
        "kind": "conda",
        "python": "3.6.2",
        "channels": ["c"],
        "dependencies": ["numpy=1.19"],
        "requirements": ["joblib"],
    }
