"""What an environment may be made of, and what becomes of conda files and of names of then."""

import html

import pytest

from workspace.environments.models import EnvironmentVersion
from workspace.environments.queries import as_spec
from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.core.environment import Environment

URL = "/api/v1/workspaces/lab/environments"

#: As scripts of then have it.
OLD = CondaDependencies.create(
    conda_packages=[
        "python=3.6.2",
        "scikit-learn=0.22.1",
        "pytorch>=1.4,<2",
        "numpy=1.18.1=py36h",
        "cudatoolkit",
        "pip<20",
    ],
    pip_packages=["azureml-defaults", "azureml-mlflow", "joblib==1.6.0"],
)


def register(api, spec, name="fit", who="carl"):
    return api(who).post(URL, {"name": name, "spec": spec}, format="json")


def test_a_conda_file_of_then_becomes_packages_for_pip_and_a_warning(api, lab):
    made = Environment("old")
    made.python.conda_dependencies = OLD
    spec = register(api, made.spec).json()["spec"]
    assert spec["python"] == "3.6"
    assert spec["requirements"] == [
        "joblib==1.6.0",
        "mlflow-skinny",
        "numpy==1.18.1",
        "scikit-learn==0.22.1.*",
        "torch<2,>=1.4",
    ]
    assert spec["dependencies"] == OLD.conda_packages, "what was written is not kept"
    conda, ours = spec["warnings"]
    assert "pytorch as torch" in conda and "Left out: cudatoolkit." in conda and len(conda) <= 300
    assert ours.endswith("azureml-defaults.")


def test_a_name_that_was_replaced_in_the_whole_file_means_what_it_meant(api, lab):
    asked = ["zaffre-defaults", "zaffre-mlflow", "zaffre-sdk[notebooks]", "zaffre-tools", "joblib"]
    spec = register(api, {"kind": "pip", "requirements": asked}).json()["spec"]
    assert spec["requirements"] == ["joblib", "mlflow-skinny", "zaffre-tools"]
    assert spec["warnings"][0].endswith("zaffre-defaults, zaffre-sdk.")


def test_the_same_content_is_the_same_version(api, lab):
    made = Environment("old")
    made.python.conda_dependencies = OLD
    first = register(api, made.spec).json()
    again = register(api, Environment.from_json(first).spec)
    assert again.status_code == 200 and again.json()["unchanged"] and again.json()["version"] == 1
    assert EnvironmentVersion.objects.count() == 1
    made.environment_variables["MODE"] = "fast"
    assert register(api, made.spec).json()["version"] == 2


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ({"kind": "interpreter", "interpreter": "/usr/bin/python3"}, {"interpreter": "/usr/bin/python3"}),
        ({"kind": "docker", "image": "python:3.12-slim"}, {"image": "python:3.12-slim", "interpreter": "python"}),
        ({"kind": "docker", "dockerfile": "FROM a\r\nRUN b\n"}, {"dockerfile": "FROM a\nRUN b\n"}),
        ({"kind": "pip", "python": "3.11.4", "variables": {"B": "2", "A": "1"}}, {"python": "3.11"}),
        ({"kind": "system", "variables": {"A": "1"}}, {"variables": {"A": "1"}}),
        ({"kind": "pip", "requirements": ["Scikit_Learn == 1.9.1  # why"]}, {"requirements": ["scikit-learn==1.9.1"]}),
        ({"kind": "pip", "requirements": ["six===1.16.0"]}, {"requirements": ["six===1.16.0"]}),
    ],
)
def test_kinds(api, lab, browser, spec, kept):
    found = register(api, spec).json()["spec"]
    assert {key: found[key] for key in kept} == kept and found["kind"] == spec["kind"]
    for tab in ("", "/used", "/builds"):
        assert browser("rio").get(f"/w/lab/environments/fit{tab}").status_code == 200
    again = Environment.from_json({"name": "fit", "version": 1, "spec": found})
    assert register(api, again.spec).json().get("unchanged"), again.spec


def test_packages_beside_an_image_are_installed_in_it(api, lab):
    spec = {
        "kind": "docker",
        "image": "python:3.12-slim",
        "python": "3.6.2",
        "requirements": ["azureml-defaults", "azureml-mlflow", "joblib>=1"],
        "dependencies": ["pytorch=2", "cudatoolkit"],
    }
    found = register(api, spec).json()["spec"]
    line = "RUN python -m pip install --no-cache-dir 'joblib>=1' mlflow-skinny 'torch==2.*'"
    assert found["dockerfile"] == f"FROM python:3.12-slim\n{line}\n" and "image" not in found
    told = " ".join(found["warnings"])
    for part in ("pytorch as torch", "Left out: cudatoolkit.", "azureml-defaults", "3.6 was asked for beside it"):
        assert part in told
    again = Environment.from_json({"name": "fit", "version": 1, "spec": found})
    assert register(api, again.spec).json()["unchanged"]
    assert (
        register(api, {**spec, "image": "", "dockerfile": "FROM a\n"}).json()["spec"]["dockerfile"]
        == f"FROM a\n\n{line}\n"
    )
    refused = register(api, {**spec, "requirements": ["x\nRUN rm -rf /"]})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("wish", "python"),
    [
        ("python>=3.9", None),
        ("python >= 3.8.1", None),
        ("python>3.6", None),
        ("python=3", None),
        ("python>=3.12", ">=3.12"),
        ("python=3.1*", "<3.20,>=3.10"),
        ("python >=3.9, <3.12", "<3.12,>=3.9"),
        ("python[version='>=3.10']", ">=3.10"),
        ("python>=3.11.4,<3.12", "3.11"),
        ("python=3.9", "3.9"),
        ("python=3.6.2=h1de35cc_2", "3.6"),
        ("python==3.8.*", "3.8"),
        ("python 3.7|3.8", "3.7"),
    ],
)
def test_a_python_that_every_node_has_is_no_wish_and_a_range_is_one_for_what_fits(api, lab, browser, wish, python):
    spec = {"kind": "conda", "dependencies": [wish, "pip"], "requirements": ["joblib"]}
    assert register(api, spec).json()["spec"].get("python") == python
    if "|" not in wish:  # which the SDK leaves alone
        made = Environment("fit")
        made.python.conda_dependencies = CondaDependencies.create(conda_packages=[wish])
        assert register(api, made.spec, name="sdk").json()["spec"].get("python") == python
    form = browser("carl").get("/w/lab/environments/new?from=fit&version=1").content.decode()
    typed = html.unescape(form.partition('<textarea id="f-conda"')[2].partition(">")[2].partition("</textarea>")[0])
    again = browser("carl").post("/w/lab/environments/new", {"kind": "conda", "name": "typed", "conda": typed})
    assert again.status_code == 302
    assert EnvironmentVersion.objects.get(environment__name="typed").spec.get("python") == python


def test_a_node_is_told_which_pythons_fit_a_range(api, lab):
    spec = {"kind": "conda", "dependencies": ["python>=3.10,<3.13"], "requirements": ["joblib"]}
    register(api, spec)
    version = EnvironmentVersion.objects.get()
    told = as_spec(version)["spec"]
    assert (told["python"], told["pythons"]) == ("3.10", ["3.10", "3.11", "3.12"])
    assert "pythons" not in version.spec


FILE = """
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


def _of_conda(folder):
    (folder / "env.yml").write_text(FILE)
    return Environment.from_conda_specification("fit", str(folder / "env.yml"))


def _of_pip(folder):
    (folder / "requirements.txt").write_text("six==1.16.0\n# why\n")
    return Environment.from_pip_requirements("fit", str(folder / "requirements.txt"))


def _added(_folder):
    made = Environment("fit")
    made.python.conda_dependencies.add_conda_package("numpy=1.19")
    made.python.conda_dependencies.add_pip_package("joblib")
    made.python.conda_dependencies.set_python_version("3.6.2")
    made.docker.enabled, made.docker.base_image = True, "mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04"
    return made


def _around_an_image(folder):
    (folder / "env.yml").write_text(FILE)
    return Environment.from_docker_image("fit", "python:3.12", conda_specification=str(folder / "env.yml"))


@pytest.mark.parametrize(
    ("way", "kept", "told"),
    [
        (
            _of_conda,
            {"kind": "conda", "python": "3.6", "requirements": ["joblib", "scikit-learn==0.22.*"]},
            "made with pip",
        ),
        (_of_pip, {"kind": "pip", "requirements": ["six==1.16.0"]}, ""),
        (_added, {"kind": "conda", "python": "3.6", "requirements": ["joblib", "numpy==1.19.*"]}, "made with pip"),
        (_around_an_image, {"kind": "docker"}, "The Python is that of the image"),
    ],
)
def test_every_way_of_then_is_made_as_decided_or_its_runs_say_why(api, lab, browser, tmp_path, way, kept, told):
    found = register(api, way(tmp_path).spec).json()["spec"]
    assert {key: found[key] for key in kept} == kept
    assert told in " ".join(found.get("warnings", [])) and bool(told) == bool(found.get("warnings"))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"kind": "conda", "dependencies": ["numpy 1.18|1.19"]}, "a choice of versions"),
        ({"kind": "conda", "dependencies": ["=1.2"]}, "no conda package"),
        ({"kind": "docker"}, "either an image or a Dockerfile"),
        ({"kind": "docker", "image": "a", "dockerfile": "FROM a"}, "either an image or a Dockerfile"),
        ({"kind": "docker", "image": "--privileged"}, "no name of an image"),
        ({"kind": "pip", "variables": {"1A": "x"}}, "no name of a variable"),
        ({"kind": "pip", "variables": {"A": 1}}, "no text"),
        ({"kind": "pip", "python": "2.7"}, "Python is given as"),
        ({"kind": "system", "requirements": ["numpy"]}, "do not have: requirements"),
        ({"kind": "interpreter", "interpreter": "a\nb"}, "path of a Python"),
        ({"kind": "pip", "requirements": ["-e ."]}, "Line 1"),
        (
            {"kind": "pip", "requirements": ["joblib", "six===="]},
            "Line 2 of the requirements, 'six====': no version follows ===.",
        ),
        ({"kind": "pip", "requirements": ["six==="]}, "no version follows"),
        ({"kind": "venv"}, "one of system"),
    ],
)
def test_what_is_none_is_refused(api, lab, spec, says):
    answer = register(api, spec)
    assert answer.status_code == 422 and says in answer.json()["error"]["message"], answer.json()


def test_an_image_waits_for_a_node_that_has_an_engine():
    from workspace.compute.placement import Need, capacity_of, could_fit
    from workspace.environments import recipe

    need = Need(labels=recipe.labels({"kind": "docker", "image": "a"}))
    assert not could_fit(need, capacity_of({"engines": ["buildah"]}, 1))
    assert could_fit(need, capacity_of({"engines": ["podman"], "labels": {"a": "b"}}, 1))
    assert recipe.labels({"kind": "pip"}) == {}


def test_the_form_makes_each_kind_and_gives_back_what_was_refused(browser, lab):
    carl = browser("carl")
    new = "/w/lab/environments/new"
    for kind in ("pip", "conda", "interpreter", "docker"):
        assert carl.get(f"{new}?kind={kind}").status_code == 200
    assert carl.get(f"{new}?kind=venv").status_code == 404
    assert browser("rio").get(new).status_code == 403 and browser("mallory").get(new).status_code == 404
    wrong = carl.post(new, {"kind": "conda", "name": "c", "conda": "dependencies: ["})
    assert wrong.status_code == 422 and "no YAML, line 1" in wrong.content.decode()
    assert "dependencies: [" in wrong.content.decode(), "what was typed is lost"
    marked = {
        'data-refused="name"': {"kind": "pip", "name": "no name!"},
        'data-refused="requirements"': {"kind": "pip", "name": "c", "requirements": "-r x"},
        'data-refused="conda"': {"kind": "conda", "name": "c", "conda": "dependencies: [{pip: [-r x]}]"},
        'data-refused="python"': {"kind": "pip", "name": "c", "python": "new"},
    }
    for mark, given in marked.items():
        assert mark in carl.post(new, given).content.decode()
    text = "channels: [x]\ndependencies:\n- python=3.9\n- pytorch=2\n- pip: [joblib]\n"
    made = carl.post(new, {"kind": "conda", "name": "c", "conda": text, "variables": "A=1=2\n"})
    assert made["Location"] == "/w/lab/environments/c"
    spec = EnvironmentVersion.objects.get().spec
    assert (spec["python"], spec["requirements"], spec["variables"]) == ("3.9", ["joblib", "torch==2.*"], {"A": "1=2"})
    page = carl.get("/w/lab/environments/c").content.decode()
    assert "pytorch as torch" in page and "conda pytorch=2" in page and "variable A=1=2" in page
    form = carl.get(f"{new}?from=c&version=1").content.decode()
    assert "- pytorch=2" in form and 'name="name" value="c"' in form
    wrong = carl.post(new, {"kind": "pip", "name": "p", "requirements": "numpy\n-r x\n", "variables": "B"})
    assert "no variable" in wrong.content.decode()
