"""Environments as files, by the command, and builds: on this machine, and what is known of those of the studio."""

import hashlib
import json
import subprocess

import pytest

from tests.agent.test_environments import make_wheel, wheels
from tests.client.studio import Reply, W
from zaffre.core.environment import Environment
from zaffre.errors import UserErrorException

__all__ = ["wheels"]

MINE = f"{W}/environments/mine"
PIP = {"kind": "pip", "requirements": ["zfbeta"]}


def told(spec: dict, version: int = 2) -> dict:
    return {"name": "mine", "version": version, "spec": spec, "description": "", "digest": "d", "curated": False}


def version_of(python: str) -> str:
    words = [python, "-c", "import zfbeta; print(zfbeta.VERSION)"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


# --- by the command ---------------------------------------------------------------------------------------------------


def test_files_are_written_edited_and_registered(studio, zaffre, tmp_path):
    folder = tmp_path / "env"
    done = zaffre("environment", "scaffold", "-n", "mine", "-d", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"name": "mine", "directory": str(folder)}
    again = zaffre("environment", "scaffold", "-n", "mine", "-d", str(folder))
    assert again.returncode == 1 and "is there already" in again.stderr
    (folder / "conda_dependencies.yml").write_text("dependencies:\n- python=3.11\n- pip:\n  - zfbeta\n")
    studio.next(f"POST {W}/environments", Reply(201, {**told(PIP), "unchanged": False}))
    made = zaffre("environment", "register", "-d", str(folder))
    assert (made.returncode, made.stdout) == (0, "mine:2 made.\n"), made.stderr
    (call,) = studio.asked("POST", f"{W}/environments")
    assert call.json["name"] == "mine"
    assert call.json["spec"] == {"kind": "pip", "requirements": ["zfbeta"], "python": "3.11"}


@pytest.mark.parametrize("words", [["mine:2"], ["-n", "mine", "-v", "2"]])
def test_a_version_is_written_into_a_folder(studio, zaffre, tmp_path, words):
    spec = {**PIP, "python": "3.11", "variables": {"A": "1"}}
    studio.next(f"GET {MINE}/versions/2", *[Reply(200, told(spec))] * 3)
    done = zaffre("environment", "download", *words, "-d", str(tmp_path / "env"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"mine:2 is in {tmp_path / 'env'}.\n"
    read = Environment.load_from_directory(str(tmp_path / "env"))
    assert (read.name, read.spec) == ("mine", spec)
    refused = zaffre("environment", "download", *words, "-d", str(tmp_path / "env"))
    assert refused.returncode == 1 and "--overwrite" in refused.stderr
    assert zaffre("environment", "download", *words, "-d", str(tmp_path / "env"), "--overwrite").returncode == 0
    assert zaffre("environment", "download", "-d", str(tmp_path / "env")).returncode == 1


def test_what_differs_between_two_versions(studio, zaffre):
    asked = [{"line": "numpy==1", "old": True, "new": False}, {"line": "numpy==2", "old": False, "new": True}]
    changed = [{"name": "numpy", "old": "1", "new": "2"}, {"name": "six", "old": None, "new": "1.17"}]
    full = {"from": 1, "to": 2, "asked": asked, "installed": changed}
    studio.next(f"GET {MINE}/diff", Reply(200, full), Reply(200, {**full, "asked": [], "installed": None}))
    done = zaffre("environment", "diff", "mine", "1", "2")
    assert done.returncode == 0, done.stderr
    assert "  - numpy==1\n  + numpy==2\n" in done.stdout
    assert [line.split() for line in done.stdout.splitlines()[-2:]] == [["numpy", "1", "2"], ["six", "–", "1.17"]]
    (call,) = studio.asked("GET", f"{MINE}/diff")
    assert call.query == {"from": ["1"], "to": ["2"]}
    assert "known when both versions have been resolved" in zaffre("environment", "diff", "mine", "1", "2").stdout


# --- what is known of a version ---------------------------------------------------------------------------------------


def test_what_is_known_of_an_image(studio, space):
    made = Environment("mine")
    with pytest.raises(UserErrorException, match="not registered"):
        made.get_image_details(space)
    made.version = "2"
    builds = [{"id": "B2", "version": 2, "status": "succeeded"}, {"id": "B1", "version": 1, "status": "failed"}]
    studio.next(f"GET {MINE}/builds", *[Reply(200, {"builds": builds})] * 2)
    lock = {"python": "3.11", "platform": "any", "sha256": "a", "requirements": "zfbeta==1.5\n", "packages": []}
    studio.next(f"GET {MINE}/versions/2/lock", Reply(200, lock))
    assert made.get_image_details(space) == {"name": "mine", "version": "2", "lock": lock, "builds": builds[:1]}
    assert made.get_image_details(space)["lock"] is None, "it was not resolved yet"


# --- on this machine --------------------------------------------------------------------------------------------------


def test_one_that_is_not_registered_is_made_here(wheels, space, home, capsys):
    made = Environment("mine")
    made.python.conda_dependencies.add_pip_package("zfbeta")
    python = made.build_local(space)
    assert version_of(python) == "1.5" and python.startswith(str(home / ".zaffre"))
    assert "Building an environment" in capsys.readouterr().out
    assert made.build_local(space) == python


def test_the_studios_lock_counts_here_too(wheels, studio, space):
    make_wheel(wheels, "zfbeta", "1.4")
    wheel = wheels / "zfbeta-1.4-py3-none-any.whl"
    text = f"zfbeta==1.4 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    lock = {"platform": "any", "sha256": digest, "requirements": text, "python": "3.9"}
    made = Environment("mine")
    made.version = "2"
    # As the studio has it: what conda calls a package stands there by its name for pip.
    spec = {"kind": "conda", "dependencies": ["zfbeta"], "requirements": ["zfbeta"]}
    studio.next(f"GET {MINE}/versions/2", *[Reply(200, told(spec))] * 2)
    studio.next(f"GET {MINE}/versions/2/lock", Reply(200, lock))
    assert version_of(made.build_local(space)) == "1.4"
    assert version_of(made.build_local(space)) == "1.5", "without a lock it is resolved here"


def test_what_cannot_be_made_here(wheels, space):
    made = Environment("mine")
    made.python.conda_dependencies.add_conda_package("zfbeta")
    with pytest.raises(UserErrorException, match="not registered"):
        made.build_local(space)
    missing = Environment("mine")
    missing.python.conda_dependencies.add_pip_package("zfnothing")
    with pytest.raises(UserErrorException, match="zfnothing"):
        missing.build_local(space)
    own = Environment("mine")
    own.python.user_managed_dependencies = True
    own.python.interpreter_path = "/no/python"
    with pytest.raises(UserErrorException, match="no interpreter"):
        own.build_local(space)
