"""What an environment may be made of, and what becomes of conda files and of names of then."""

import pytest

from workspace.environments.models import EnvironmentVersion
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
    ],
)
def test_kinds(api, lab, browser, spec, kept):
    found = register(api, spec).json()["spec"]
    assert {key: found[key] for key in kept} == kept and found["kind"] == spec["kind"]
    for tab in ("", "/used", "/builds"):
        assert browser("rio").get(f"/w/lab/environments/fit{tab}").status_code == 200
    again = Environment.from_json({"name": "fit", "version": 1, "spec": found})
    assert register(api, again.spec).json().get("unchanged"), again.spec


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
