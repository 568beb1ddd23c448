"""Environments: built once, shared, and explained when they cannot be built. No package index is asked."""

import base64
import hashlib
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from zaffre.agent import sdk
from zaffre.agent.door import Door, Stopped
from zaffre.agent.environments import Desk, EnvironmentFailed, Environments, check_requirements, installer, locks
from zaffre.agent.environments.reasons import explain
from zaffre.agent.environments.shapes import Lock


def make_wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    """A wheel with one module that knows its version."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": metadata + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(text)}\n"
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Path:
    place = tmp_path / "wheels"
    make_wheel(place, "zfalpha", "1.0", needs="zfbeta>=1")
    make_wheel(place, "zfbeta", "1.5")
    monkeypatch.setenv("UV_FIND_LINKS", str(place))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return place


@pytest.fixture
def builds(monkeypatch) -> list[str]:
    """The installer's commands, each as it is run."""
    done: list[str] = []
    real = installer.install

    def counting(argv, **more):
        done.append(" ".join(argv[1:3]).removesuffix(" --quiet"))
        return real(argv, **more)

    monkeypatch.setattr(installer, "install", counting)
    return done


def provide(environments: Environments, *requirements: str):
    spec = {"kind": "pip", "python": None, "requirements": list(requirements)}
    return environments.provide({"spec": spec}, until=lambda: False, say=lambda _: None)


def run(python: str, code: str) -> str:
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_second_use_builds_nothing(wheels, builds, tmp_path):
    environments = Environments(tmp_path / "cache")
    first = provide(environments, "zfalpha")
    assert first.built and builds == ["pip compile", "venv", "pip install"]
    assert run(first.python, "import zfalpha, zfbeta; print(zfalpha.VERSION, zfbeta.VERSION)") == "1.0 1.5"
    again = provide(Environments(tmp_path / "cache"), "zfalpha")
    assert (again.built, again.python) == (False, first.python)
    assert len(builds) == 3, "the second use asked the installer"


def test_environments_that_resolve_to_the_same_are_one(wheels, builds, tmp_path):
    environments = Environments(tmp_path / "cache")
    first, second = provide(environments, "zfalpha"), provide(environments, "zfbeta", "zfalpha==1.0")
    assert first.python == second.python and not second.built
    assert builds.count("venv") == 1


def test_two_runs_that_need_it_at_once_share_one_build(wheels, builds, tmp_path):
    environments = Environments(tmp_path / "cache")
    found = []
    threads = [threading.Thread(target=lambda: found.append(provide(environments, "zfalpha"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == 3 and len({one.python for one in found}) == 1
    assert sorted(one.built for one in found) == [False, False, True]
    assert builds.count("venv") == 1


def test_a_specification_without_packages_is_an_empty_environment(wheels, tmp_path):
    found = provide(Environments(tmp_path / "cache"))
    assert run(found.python, "import sys; print(sys.prefix != sys.base_prefix)") == "True"


def test_a_missing_package_is_named(wheels, tmp_path):
    said: list[str] = []
    spec = {"kind": "pip", "requirements": ["zfalpha", "zfgamma>=3"]}
    with pytest.raises(EnvironmentFailed) as failed:
        Environments(tmp_path / "cache").provide({"spec": spec}, until=lambda: False, say=said.append)
    assert "zfgamma" in str(failed.value)
    assert "zfgamma" in "".join(said)
    assert not [path for path in (tmp_path / "cache" / "environments").iterdir() if path.is_dir()]


def test_a_python_that_is_not_here_gets_the_nearest_and_a_warning(wheels, tmp_path):
    spec = {"kind": "pip", "python": "3.4", "requirements": []}
    found = Environments(tmp_path / "cache").provide({"spec": spec}, until=lambda: False, say=lambda _: None)
    (warning,) = found.warnings
    assert warning.startswith("Python 3.4 was asked for and is not to be had here: Python 3.")
    assert run(found.python, "import sys; print(sys.version_info[:2] != (3, 4))") == "True"


def test_any_python_of_a_range_will_do(wheels, tmp_path):
    own = sys.version_info[1]
    provide = Environments(tmp_path / "cache").provide
    fitting = {"kind": "pip", "python": "3.4", "pythons": ["3.4", f"3.{own}", "3.30"], "requirements": []}
    found = provide({"spec": fitting}, until=lambda: False, say=lambda _: None)
    assert found.warnings == () and run(found.python, "import sys; print(sys.version_info[1])") == str(own)
    none = {**fitting, "pythons": ["3.4", "3.5"]}
    (warning,) = provide({"spec": none}, until=lambda: False, say=lambda _: None).warnings
    assert warning.startswith("Python 3.4 or another of a range was asked for and is not to be had here: Python 3.")


def test_a_half_made_build_is_not_taken_for_a_whole_one(wheels, builds, tmp_path):
    environments = Environments(tmp_path / "cache")
    first = provide(environments, "zfalpha")
    place = Path(first.python).parent.parent
    (place.parent / f".{place.name}-cut").mkdir()
    place.rename(place.parent / f".{place.name}-half")
    again = provide(environments, "zfalpha")
    assert again.built and run(again.python, "import zfalpha") == ""
    assert not list(place.parent.glob(f".{place.name}-*"))


def test_what_is_used_least_goes_when_the_disk_is_full_and_never_what_is_in_use(wheels, tmp_path):
    environments = Environments(tmp_path / "cache", limit_gb=0)
    owner = tmp_path / "attempt"
    owner.mkdir()
    spec = {"kind": "pip", "requirements": ["zfbeta"]}
    busy = environments.provide({"spec": spec}, until=lambda: False, say=lambda _: None, owner=owner)
    idle = provide(environments, "zfalpha")
    assert Path(busy.python).exists() and Path(idle.python).exists(), "what was just built went, or what is in use"
    provide(environments)
    assert Path(busy.python).exists() and not Path(idle.python).exists()
    owner.rmdir()  # the attempt is over, whatever happened to it
    kept = [one.key for one in environments.shelf.kept()]
    assert len(kept) == 2 and len(environments.shelf.make_room()) == 2 and environments.shelf.kept() == []
    assert provide(environments, "zfalpha").built


def test_the_one_used_last_stays_the_longest(wheels, tmp_path):
    environments = Environments(tmp_path / "cache")
    first, second = provide(environments, "zfalpha"), provide(environments, "zfbeta")
    os.utime(next(environments.folder.glob(f".{Path(second.bin).parent.name}.used")), (1, 1))
    provide(environments, "zfalpha")
    assert [one.key for one in environments.shelf.kept()] == [Path(one.bin).parent.name for one in (first, second)]
    small = Environments(tmp_path / "cache", limit_gb=(environments.shelf.kept()[0].size + 1) / 1e9)
    assert small.shelf.make_room() == [Path(second.bin).parent.name]


def test_files_are_shared_with_the_installers_cache(wheels, tmp_path):
    found = provide(Environments(tmp_path / "cache"), "zfbeta")
    module = next(Path(found.bin).parent.glob("lib/*/site-packages/zfbeta.py"))
    assert module.stat().st_nlink > 1


def test_building_stops_when_nobody_wants_it_any_more(wheels, tmp_path):
    with pytest.raises(Stopped):
        installer.install(
            [sys.executable, "-c", "import time; time.sleep(600)"], until=lambda: True, say=lambda _: None
        )


@pytest.mark.parametrize(
    "line", ["-r /etc/passwd", "--index-url=http://x", "/usr/pkg", "./pkg", "x @ file:///etc", "a\n-r b", "-e ."]
)
def test_what_would_read_the_nodes_files_is_refused(line):
    with pytest.raises(EnvironmentFailed, match="no package requirement"):
        check_requirements([line])


def test_the_sdk_is_there_without_the_agent(tmp_path):
    place = sdk.provide(tmp_path)
    assert sdk.provide(tmp_path) == place
    code = f"import sys; sys.path.insert(0, {str(place)!r}); import zaffre.protocol; print(zaffre.protocol.__file__)"
    assert run(sys.executable, code).startswith(str(place))
    assert not (place / "zaffre" / "agent").exists() and (place / "zaffre" / "serve").is_dir()


def test_a_failed_build_fails_the_run_and_is_in_its_log(studio, bring_agent, tmp_path):
    wheels = tmp_path / "none"
    wheels.mkdir()
    bring_agent(studio, UV_FIND_LINKS=str(wheels), UV_NO_INDEX="1")
    environment = {"kind": "pip", "requirements": ["zfgamma==3"]}
    run_ = studio.wait_final(studio.submit({"train.py": "print('never')"}, environment=environment))
    assert run_.status == "failed" and run_.result is not None
    assert run_.result["reason"] == "environment_failed"
    assert "zfgamma" in run_.result["message"] and b"zfgamma" in run_.log
    assert run_.log_complete and b"never" not in run_.log
    assert [step["state"] for step in run_.steps if step.get("name") == "environment"] == ["running", "failed"]


def test_a_run_uses_the_packages_it_asked_for(studio, bring_agent, wheels, tmp_path):
    bring_agent(studio)
    environment = {"kind": "pip", "requirements": ["zfalpha"]}
    script = "import zfalpha, zaffre.protocol, sys; print(zfalpha.VERSION, sys.prefix != sys.base_prefix)"
    found = studio.wait_final(studio.submit({"train.py": script}, environment=environment))
    assert found.log.endswith(b"1.0 True\n"), found.log
    # What was installed is among the files of the run, also where the script has folders of that name.
    assert b"zfalpha==1.0" in studio.blobs[found.artifacts["logs/requirements.txt"]]
    files = {"train.py": script, "logs": "a file"}
    assert studio.wait_final(studio.submit(files, environment=environment)).status == "completed"


def test_a_version_is_resolved_once_and_built_from_its_lock_everywhere(studio, bring_agent, wheels, tmp_path):
    """The second node has never seen it, and by now the index has a newer package: it gets the same."""
    bring_agent(studio)
    environment = {"kind": "pip", "requirements": ["zfalpha"], "version_id": 7}
    script = "import zfbeta; print('beta', zfbeta.VERSION)"
    assert b"beta 1.5" in studio.wait_final(studio.submit({"train.py": script}, environment=environment)).log
    (lock,) = studio.locks["7"]
    assert (
        lock["platform"] == "any" and "zfbeta==1.5" in lock["requirements"] and "--hash=sha256:" in lock["requirements"]
    )
    assert studio.builds[0]["status"] == "succeeded" and studio.builds[0]["packages"] >= 2
    assert studio.builds[0]["size"] > 0 and "zfalpha" in studio.builds[0]["log"] and studio.builds[0]["seconds"] > 0
    make_wheel(wheels, "zfbeta", "2.0")
    elsewhere = Environments(tmp_path / "elsewhere", desk=Desk(Door(studio.url, studio.node_token)))
    wanted = {"id": 7, "spec": environment, "lock": [{key: lock[key] for key in ("python", "platform", "sha256")}]}
    found = elsewhere.provide(wanted, until=lambda: False, say=lambda _: None)
    assert run(found.python, "import zfbeta; print(zfbeta.VERSION)") == "1.5"
    fresh = elsewhere.provide({"spec": environment}, until=lambda: False, say=lambda _: None)
    assert run(fresh.python, "import zfbeta; print(zfbeta.VERSION)") == "2.0", "the index has no newer one: no proof"


def test_the_second_use_of_a_lock_asks_neither_the_index_nor_the_studio(studio, wheels, builds, tmp_path):
    environments = Environments(tmp_path / "cache", desk=Desk(Door(studio.url, studio.node_token)))
    wanted = {"id": 9, "spec": {"kind": "pip", "requirements": ["zfalpha"]}, "lock": []}
    assert environments.provide(wanted, until=lambda: False, say=lambda _: None).built
    (lock,) = studio.locks["9"]
    wanted["lock"] = [{key: lock[key] for key in ("python", "platform", "sha256")}]
    assert builds == ["pip compile", "venv", "pip install"]
    reads = []
    for _ in range(2):
        again = Environments(tmp_path / "cache", desk=Desk(Door(studio.url, studio.node_token)))
        assert not again.provide(wanted, until=lambda: False, say=lambda _: None).built
        reads.append(studio.lock_reads)
    assert len(builds) == 3, "a use from the cache started an installer"
    assert reads == [1, 1], "a lock that the node has was fetched again"


def test_whoever_reports_later_uses_the_first_lock(studio, wheels, tmp_path):
    first = Environments(tmp_path / "a", desk=Desk(Door(studio.url, studio.node_token)))
    wanted = {"id": 8, "spec": {"kind": "pip", "requirements": ["zfalpha"]}, "lock": []}
    first.provide(wanted, until=lambda: False, say=lambda _: None)
    make_wheel(wheels, "zfbeta", "2.0")
    # Claimed before there was a lock: it resolves, too, and is given the first one's.
    second = Environments(tmp_path / "b", desk=Desk(Door(studio.url, studio.node_token)))
    found = second.provide(wanted, until=lambda: False, say=lambda _: None)
    assert "zfbeta==1.5" in found.lock and run(found.python, "import zfbeta; print(zfbeta.VERSION)") == "1.5"


def test_a_file_that_is_another_one_than_the_lock_says_is_refused(studio, wheels, tmp_path):
    environments = Environments(tmp_path / "cache", desk=Desk(Door(studio.url, studio.node_token)))
    wanted = {"id": 5, "spec": {"kind": "pip", "requirements": ["zfbeta"]}, "lock": []}
    environments.provide(wanted, until=lambda: False, say=lambda _: None)
    (lock,) = studio.locks["5"]
    lock["requirements"] = re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock["requirements"])
    lock["sha256"] = hashlib.sha256(lock["requirements"].encode()).hexdigest()
    wanted["lock"] = [lock]
    with pytest.raises(EnvironmentFailed, match="is another one than when this version was resolved"):
        environments.provide(wanted, until=lambda: False, say=lambda _: None)
    assert studio.builds[-1]["status"] == "failed" and studio.builds[-1]["package"] == "zfbeta"
    lock["sha256"] = "1" * 64
    with pytest.raises(EnvironmentFailed, match="came damaged"):
        environments.provide(wanted, until=lambda: False, say=lambda _: None)


def test_a_warning_about_the_python_is_told_to_the_studio(studio, bring_agent, wheels):
    bring_agent(studio)
    environment = {"kind": "pip", "python": "3.6.2", "requirements": ["zfbeta"]}
    found = studio.wait_final(studio.submit({"train.py": "print('ran')"}, environment=environment))
    assert found.status == "completed" and b"Warning: Python 3.6 was asked for" in found.log
    assert [text for text in found.warnings if "3.6" in text]


def built(studio) -> dict:
    ended = lambda: [one for one in studio.build_reports if one["status"] != "running"]  # noqa: E731
    return studio.wait(ended, "the build's end")[0]


def test_a_build_that_somebody_asks_for_is_made_and_its_log_told(studio, bring_agent, wheels):
    spec = {"kind": "pip", "requirements": ["zfalpha"]}
    studio.wanted_builds.append({"id": "B1", "environment": {"id": 3, "name": "e", "spec": spec, "lock": []}})
    bring_agent(studio)
    told = studio.wait(lambda: [one for one in studio.build_reports if one["status"] != "running"], "the build's end")[
        0
    ]
    assert (told["id"], told["status"]) == ("B1", "succeeded") and told["packages"] >= 2 and told["size"] > 0
    assert "Building an environment for Python " in told["log"] and told["log"].endswith("packages.\n")
    assert studio.builds == [], "it was reported twice"
    assert studio.locks["3"]


def test_a_build_that_fails_says_which_package_and_which_line(studio, bring_agent, wheels):
    spec = {"kind": "pip", "requirements": ["zfalpha", "zfbeta==9"]}
    studio.wanted_builds.append({"id": "B2", "environment": {"id": 4, "name": "e", "spec": spec, "lock": []}})
    bring_agent(studio)
    told = studio.wait(lambda: [one for one in studio.build_reports if one["status"] != "running"], "the build's end")[
        0
    ]
    assert (told["status"], told["package"], told["line"]) == ("failed", "zfbeta", "zfbeta==9")
    assert "This line of the requirements asks for it: zfbeta==9." in told["reason"]


def test_building_anew_replaces_what_nobody_uses(wheels, builds, tmp_path):
    environments = Environments(tmp_path / "cache")
    wanted = {"spec": {"kind": "pip", "requirements": ["zfbeta"]}}
    owner = tmp_path / "attempt"
    owner.mkdir()
    first = environments.provide(wanted, until=lambda: False, say=lambda _: None, owner=owner)
    said: list[str] = []
    kept = environments.provide(wanted, until=lambda: False, say=said.append, again=True)
    assert not kept.built and "in use on this node" in "".join(said) and kept.facts["size"] > 0
    owner.rmdir()
    assert environments.provide(wanted, until=lambda: False, say=lambda _: None, again=True).built
    assert builds.count("venv") == 2 and Path(first.python).exists()


UV_SAYS = {
    "error: No solution found when resolving dependencies\n  cause: Because zfx was not found in the package registry "
    "and you require zfx==1, we can conclude that your requirements are unsatisfiable.": (
        "there is no package 'zfx' in the package index. This line of the requirements asks for it: zfx==1.",
        "zfx",
    ),
    "error: No solution found when resolving dependencies\n  cause: Because there is no version of numpy==99 and you "
    "require numpy==99, we can conclude that your requirements are unsatisfiable.": (
        "there is no version of numpy that is ==99. This line of the requirements asks for it: numpy==99.",
        "numpy",
    ),
    "error: No solution found when resolving dependencies\n  cause: Because tensorflow==1.15.0 has no wheels with a "
    "matching Python version tag (e.g., `cp311`) and you require tensorflow==1.15, we can conclude that your "
    "requirements are unsatisfiable.\n\nhint: Wheels are available for `tensorflow` (v1.15.0) with the following "
    "Python ABI tags: "
    "`cp27m`, `cp37m`": (
        "tensorflow 1.15.0 has no file for this Python and this machine. It has files for `cp27m`, `cp37m`.",
        "tensorflow",
    ),
    "error: Failed to build `zfbad==1.0`\n  cause: The build backend returned an error\n\n  [stderr]\n  Traceback\n    "
    "RuntimeError: needs a Fortran compiler\n\nhint: Build failures usually indicate a problem": (
        "zfbad 1.0 comes as source, and building it failed. It said: RuntimeError: needs a Fortran compiler.",
        "zfbad",
    ),
    "error: Failed to build `zfold==0.2`\n  cause: The build backend returned an error\n\n  [stderr]\n"
    "ModuleNotFoundError: No module named 'pkg_resources'\n": (
        "zfold 0.2 comes as source, and building it failed. It said: ModuleNotFoundError: No module named "
        "'pkg_resources'. It is made for tools that newer Pythons have no more: take a newer version.",
        "zfold",
    ),
    "error: No solution found when resolving dependencies\n  cause: Because zfold==0.2 has invalid metadata and you "
    "require zfold==0.2, we can conclude that your requirements are unsatisfiable.\n": (
        "zfold 0.2 says what it needs in a form that is not read any more. Take a newer version.",
        "zfold",
    ),
    "error: Failed to fetch: http://user:secret@127.0.0.1:9/simple/click/\n  cause: error sending request for url\n  "
    "cause: Connection refused (os error 111)": (
        "this node does not reach the package index (127.0.0.1:9). Try again when it does.",
        "",
    ),
    "error: No solution found when resolving dependencies\n  cause: Because pandas>=3 depends on numpy>=2.3 and you "
    "require numpy<2 and pandas>=3, we can conclude that your requirements are unsatisfiable.": (
        "the requirements contradict each other: numpy<2 and pandas>=3 cannot be had together. "
        "pandas>=3 needs numpy>=2.3.",
        "",
    ),
    "error: No solution found when resolving dependencies\n  cause: Because you require urllib3==1.20 and "
    "urllib3>=1.26,<3, we can conclude that your requirements are unsatisfiable.": (
        "the requirements contradict each other: urllib3==1.20 and urllib3>=1.26,<3 cannot be had together. "
        "urllib3>=1.26,<3 is what Zaffre's own SDK needs there.",
        "",
    ),
    "error: No interpreter found for Python 3.13 in managed installations": ("this node has no Python 3.13.", ""),
    "": ("the installer ended with code 2 and said nothing", ""),
}


@pytest.mark.parametrize("said", UV_SAYS)
def test_what_uv_says_becomes_one_sentence(said):
    sentence, package = UV_SAYS[said]
    found = explain(said, 2, ["numpy==99", "zfx==1"], ["urllib3>=1.26,<3", "uvicorn>=0.30"])
    assert found.sentence == f"The environment could not be built: {sentence}" and found.package == package


def test_packages_of_other_machines_are_not_among_those_of_a_run(tmp_path):
    text = "some-thing[extra]==1.5 ; python_version < '3.12'\nsome-thing==2.0 ; python_version >= '3.12'\nb @ git+https://b/b@1\n"
    place = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("some_thing-1.5.dist-info", "other-1.0.dist-info"):
        (place / name).mkdir(parents=True)
    lock = Lock("3.11", "any", text)
    assert len(lock.packages) == 3
    assert locks.installed(lock, tmp_path) == ["some-thing[extra]==1.5", lock.packages[2]]
