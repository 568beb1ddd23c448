"""Datasets, targets and packages in the words of the Azure ML SDK v1: what is taken, what is told, what is refused."""

from pathlib import Path

import pytest

from tests.client.studio import RUN, TOKEN, Reply, W
from zaffre.core import ComputeTarget, Dataset, Environment, Workspace
from zaffre.core.conda_dependencies import CondaDependencies
from zaffre.core.inputs import inputs_of_this_process
from zaffre.errors import UserErrorException


@pytest.fixture
def numbers(studio, space, home):
    Path("data").mkdir()
    Path("data/a.csv").write_text("1")
    with pytest.warns(UserWarning, match="no tags here: format are not kept"):
        return Dataset.File.from_files(path="data", validate=True).register(
            workspace=space, name="numbers", description=None, tags={"format": "CSV"}, create_new_version=True
        )


def test_a_dataset_of_then(studio, space, numbers):
    assert Dataset.get_by_id(space, id="numbers:1").name == "numbers"
    with pytest.warns(UserWarning, match="/tmp/abc has no effect"):
        assert numbers.as_named_input("digits").as_mount("/tmp/abc").mode == "mount"
    with pytest.warns(UserWarning, match="/tmp/abc has no effect"):
        assert numbers.as_download(path_on_compute="/tmp/abc").mode == "download"
    with numbers.mount() as context:
        assert Path(context.mount_point, "a.csv").read_text() == "1"
    assert not Path(context.mount_point).exists()
    kept = numbers.mount("here")
    kept.start()
    kept.stop()
    assert Path("here/a.csv").read_text() == "1"


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda: Dataset.Tabular.from_delimited_files("a.csv"), "read it with pandas"),
        (lambda: Dataset.File.from_files("https://example.org/a.csv"), "Download them first"),
        (lambda: Dataset.File.from_files(path=(object(), "p/*.csv")), "Download them first"),
        (lambda: Dataset.File.from_files("nowhere"), "nothing at nowhere"),
        (lambda: CondaDependencies().set_pip_option("--pre"), "UV_INDEX_URL"),
        (lambda: CondaDependencies().set_pip_index_url("https://example.org"), "UV_INDEX_URL"),
        (lambda: Environment.add_private_pip_wheel(None, "a.whl"), "index of the nodes"),
    ],
)
def test_what_cannot_be_had_says_what_to_do(home, work, said):
    with pytest.raises(UserErrorException, match=said):
        work()


def test_an_input_of_a_script_is_mounted_and_downloaded_as_then(home, monkeypatch):
    Path("given/deep").mkdir(parents=True)
    Path("given/deep/a.csv").write_text("1")
    monkeypatch.setenv("AZUREML_DATAREFERENCE_digits", str(home / "work/given"))
    found = inputs_of_this_process()["digits"]
    with found.mount() as context:
        assert Path(context.mount_point, "deep/a.csv").read_text() == "1"
    found.mount().start()
    assert found.download() == [str(home / "work/given/deep/a.csv")]
    assert found.download("copy") == ["copy/deep/a.csv"] and Path("copy/deep/a.csv").read_text() == "1"
    with pytest.raises(UserErrorException, match="overwrite"):
        found.download("copy")
    assert found.download("copy", overwrite=True)


def test_the_runs_of_a_target(studio, space):
    studio.new_run()
    studio.next(f"GET {W}/compute/pool", *[Reply(value={"name": "pool", "kind": "joined"})] * 2)
    target = ComputeTarget(space, "pool")
    assert [one.id for one in target.get_active_runs()] == [RUN]
    asked = studio.calls[-1].query["filter"]
    assert asked == ["target = 'pool' and status not in ('canceled', 'completed', 'failed')"]
    assert target.status["kind"] == "joined"


def test_a_workspace_named_with_its_subscription(studio, home, monkeypatch):
    monkeypatch.setenv("ZAFFRE_URL", studio.url)
    monkeypatch.setenv("ZAFFRE_TOKEN", TOKEN)
    space = Workspace("0-0", "group", "main")
    assert space.name == "main" and list(Workspace.list(subscription_id="0-0")) == ["main"]
    space.write_config(path="here", file_name=None)
    assert Workspace.from_config(path="here/.zaffre", _file_name="config.json").name == "main"


def test_packages_of_then(home):
    made = CondaDependencies.create(pip_packages=["numpy==1.19"])
    made.add_tensorflow_pip_package(core_type="gpu", version="2.15")
    made.merge_requirements(["numpy", "six"])
    assert made.pip_packages == ["tensorflow==2.15", "numpy", "six"]
