"""Environments that are not made by pip: conda's packages, an interpreter that is there, an image."""

import json
import os
import platform
import re
import sys
from pathlib import Path

import pytest

from tests.agent.test_environments import run, wheels
from zaffre.agent.environments import EnvironmentFailed, Environments, pythons

__all__ = ["wheels"]

#: Behaves as podman does, without a container: what is run is run here. It writes down how it was called.
ENGINE = """#!{python}
import json, os, sys
words, place = sys.argv[1:], {place!r}
wanted = sys.stdin.read() if words[0] == "build" else ""
with open(place + "/calls", "a") as calls:
    calls.write(json.dumps({{"words": words, "stdin": wanted}}) + "\\n")
if words[:2] == ["image", "inspect"]:
    sys.exit(0 if os.path.exists(place + "/had") else 1)
if words[0] in ("pull", "build"):
    if "short" in (text := words[-1] + wanted) and "docker.io" not in text and "my.host" not in text:
        sys.exit("Error: short-name did not resolve to an alias")
    if "gone" in words[-1]:
        sys.exit("Error: no such image")
    open(place + "/had", "w").close()
if words[0] == "run":
    variables = open(words[words.index("--env-file") + 1]).read().splitlines()
    os.environ.update(line.split("=", 1) for line in variables)
    at = words.index("--entrypoint")
    os.chdir(words[words.index("--workdir") + 1])
    os.execvp(words[at + 1], [words[at + 1], *words[at + 3:]])
"""


def provide(cache: Path, **spec):
    return Environments(cache).provide({"spec": spec}, until=lambda: False, say=lambda _: None)


@pytest.fixture
def engine(tmp_path, monkeypatch) -> Path:
    """The folder of a `podman` on PATH."""
    place = tmp_path / "engine"
    place.mkdir()
    (place / "podman").write_text(ENGINE.format(python=sys.executable, place=str(place)))
    (place / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return place


def test_a_conda_environment_is_made_of_its_requirements_and_warns(wheels, tmp_path):
    said = "This conda environment is made with pip."
    found = provide(tmp_path, kind="conda", dependencies=["zfbeta"], requirements=["zfbeta"], warnings=[said])
    assert run(found.python, "import zfbeta; print(zfbeta.VERSION)") == "1.5" and found.warnings == (said,)


def test_an_interpreter_is_used_as_it_is_and_its_packages_are_written_down(tmp_path):
    found = provide(tmp_path, kind="interpreter", interpreter=sys.executable, variables={"A": "1"})
    assert found.python == sys.executable and not found.built and "urllib3==" in found.lock.lower()
    assert found.variables == {"A": "1"}
    with pytest.raises(EnvironmentFailed, match="no interpreter '/no/python'"):
        provide(tmp_path, kind="interpreter", interpreter="/no/python")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(EnvironmentFailed, match="cannot be used as a Python"):
        provide(tmp_path, kind="interpreter", interpreter=str(broken))


def test_the_nodes_own_python_is_written_down_too(tmp_path):
    for spec in ({"kind": "system"}, {"kind": "interpreter", "interpreter": "python"}, {}):
        found = provide(tmp_path, **spec)
        head, *packages = found.lock.splitlines()
        assert head.startswith(f"# Found in the node's own Python {platform.python_version()}, {found.python}: nothing")
        assert any(one.lower().startswith("urllib3==") for one in packages) and found.warnings == ()
        assert found.note.endswith(f"as it is, {len(packages)} packages")


def test_an_interpreter_is_asked_again_when_its_packages_changed(tmp_path):
    site, asked, python = tmp_path / "site", tmp_path / "asked", tmp_path / "python"
    site.mkdir()
    told = {"version": "3.9.1", "packages": ["one==1"], "path": ["", str(site)]}
    python.write_text(f"#!/bin/sh\necho x >> {asked}\ncat {tmp_path}/told.json\n")
    python.chmod(0o755)
    (tmp_path / "told.json").write_text(json.dumps(told))
    for _ in range(3):
        assert provide(tmp_path, kind="interpreter", interpreter=str(python)).lock.splitlines()[1:] == ["one==1"]
    assert asked.read_text() == "x\n"
    (tmp_path / "told.json").write_text(json.dumps({**told, "packages": ["one==1", "two==2"]}))
    (site / "two-2.dist-info").mkdir()
    os.utime(site, (1, 1))
    for _ in range(2):
        found = provide(tmp_path, kind="interpreter", interpreter=str(python))
        assert found.lock.splitlines()[1:] == ["one==1", "two==2"]
    assert asked.read_text() == "x\nx\n"


def test_a_python_that_tells_nothing_of_itself_costs_no_run(tmp_path, monkeypatch):
    mute = tmp_path / "python"
    mute.write_text("#!/bin/sh\nexit 3\n")
    mute.chmod(0o755)
    monkeypatch.setattr(pythons, "own", lambda: pythons.Python(str(mute), "3.11.7"))
    found = provide(tmp_path, kind="system")
    assert (found.python, found.lock) == (str(mute), "")
    [warning] = found.warnings
    assert "could not be written down" in warning


def test_a_run_on_the_nodes_own_python_keeps_the_list_of_its_packages(studio, bring_agent):
    bring_agent(studio)
    found = studio.wait_final(studio.submit({"train.py": "print(1)"}))
    assert found.status == "completed", found.log
    kept = studio.blobs[found.artifacts["logs/requirements.txt"]].decode()
    assert kept.startswith("# Found in the node's own Python ") and "\nurllib3==" in kept.lower()


def test_a_run_in_an_image(studio, bring_agent, engine):
    bring_agent(studio)
    spec = {"kind": "docker", "image": "lab/train:1", "interpreter": sys.executable, "variables": {"MODE": "fast"}}
    script = "import os, zaffre.protocol; print(os.environ['MODE'], os.environ['ZAFFRE_RUN_ID'], os.getcwd())"
    found = studio.wait_final(studio.submit({"train.py": script}, environment=spec))
    assert found.status == "completed" and f"fast {found.id}".encode() in found.log, found.log
    # What is left of the container goes after the end was told.
    studio.wait(lambda: '"rm", "--force"' in (engine / "calls").read_text(), "the end of the container")
    calls = (engine / "calls").read_text()
    assert '"pull", "lab/train:1"' in calls
    words = next(line for line in calls.splitlines() if '"run"' in line)
    assert found.token not in words, "the run's token is in the list of processes"
    assert '"--volume"' in words


def test_what_a_run_sets_is_for_its_code_and_not_for_the_engine(studio, bring_agent, engine):
    """An engine would load libraries and configuration that a run brings along, outside of any container."""
    (engine / "podman").write_text((engine / "podman").read_text().replace("import json", "import json, pathlib", 1))
    with (engine / "podman").open("a") as program:
        program.write("pathlib.Path(__file__).with_name('env').write_text(str(os.environ.get('CONTAINERS_CONF')))\n")
    spec = {"kind": "docker", "image": "lab/train:1", "interpreter": sys.executable}
    bring_agent(studio)
    told = {"CONTAINERS_CONF": "work/hooks.conf"}
    script = "import os, pathlib; print(os.environ['CONTAINERS_CONF'])"
    found = studio.wait_final(studio.submit({"train.py": script}, environment=spec, environment_variables=told))
    assert found.status == "completed" and b"hooks.conf" in found.log, found.log
    assert (engine / "env").read_text() == "None"
    told = {"KEY": "one\ntwo"}
    found = studio.wait_final(studio.submit({"train.py": script}, environment=spec, environment_variables=told))
    assert found.result["reason"] == "launch_failed" and "KEY has several lines" in found.result["message"]


def test_an_engine_that_does_not_answer_is_passed_over(engine, tmp_path):
    (engine / "docker").write_text((engine / "podman").read_text())
    (engine / "docker").chmod(0o755)
    (engine / "podman").write_text("#!/bin/sh\nexit 1\n")
    assert provide(tmp_path, kind="docker", image="lab/train:1").container.called == "docker"


def test_an_image_of_a_dockerfile_is_built_once(engine, tmp_path):
    first = provide(tmp_path, kind="docker", dockerfile="FROM a\n")
    again = provide(tmp_path, kind="docker", dockerfile="FROM a\n")
    assert first.built and not again.built and first.container == again.container
    calls = (engine / "calls").read_text()
    assert calls.count('["build"') == 1 and '"stdin": "FROM a\\n"' in calls
    assert first.container.image.startswith("localhost/zaffre:")


def test_an_image_without_a_registry_is_dockers_where_the_engine_knows_no_other(engine, tmp_path):
    found = provide(tmp_path, kind="docker", image="short/train:1")
    assert found.container.image == "docker.io/short/train:1" and found.built
    (engine / "had").unlink()
    for image, name in (
        ("short-gone:1", "docker.io/library/short-gone:1"),
        ("my.registry/short:1", "my.registry/short:1"),
    ):
        with pytest.raises(EnvironmentFailed, match=f"The image {re.escape(name)} could not be had"):
            provide(tmp_path, kind="docker", image=image)


def test_a_dockerfile_from_an_image_without_a_registry_is_built_from_dockers(engine, tmp_path):
    text = "FROM --platform=linux/amd64 short/a:1 AS base\nFROM base\nFROM ${OTHER}\nfrom scratch\nFROM other.host/b\n"
    first, again = (provide(tmp_path, kind="docker", dockerfile=text) for _ in range(2))
    assert first.built and not again.built and first.container == again.container
    built = [json.loads(line)["stdin"] for line in (engine / "calls").read_text().splitlines() if '["build"' in line]
    assert built == [text, text.replace("short/a", "docker.io/short/a")]


def test_an_image_that_is_not_to_be_had_says_why(engine, tmp_path, monkeypatch):
    with pytest.raises(EnvironmentFailed, match="The image lab/gone:1 could not be had: Error: no such image"):
        provide(tmp_path, kind="docker", image="lab/gone:1")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentFailed, match="none of podman, docker, nerdctl"):
        provide(tmp_path, kind="docker", image="lab/train:1")
