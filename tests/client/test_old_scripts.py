"""What scripts of the Azure ML SDK v1 say beyond the names: arguments that mean nothing here, and what is not here."""

from pathlib import Path

import pytest

from tests.client.studio import RUN, TOKEN, Reply, W
from zaffre.core import Experiment, Run, ScriptRunConfig, Workspace
from zaffre.core.compute import ComputeInstance
from zaffre.core.runconfig import DEFAULT_CPU_IMAGE, RunConfiguration
from zaffre.data import OutputFileDatasetConfig
from zaffre.errors import NotFound, Unauthenticated, UserErrorException


@pytest.fixture
def code(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("print(1)")
    return tmp_path / "code"


def test_a_workspace_is_found_with_the_words_of_then(studio, home, capsys):
    words = {"auth": None, "subscription_id": "0-0", "resource_group": "rg"}
    space = Workspace.get("main", url=studio.url, token=TOKEN, **words)
    print(space.name, space.subscription_id, space.resource_group, space.location, sep="|")
    assert capsys.readouterr().out == "main|||\n"
    with pytest.raises(UserErrorException, match="no datastores") as refused:
        space.get_default_datastore()
    assert "upload_directory" in refused.value.hint


def test_a_workspace_is_made_as_then_and_gives_its_runs(studio, home, monkeypatch):
    monkeypatch.setenv("ZAFFRE_URL", studio.url)
    monkeypatch.setenv("ZAFFRE_TOKEN", TOKEN)
    space = Workspace(workspace_name="main", subscription_id="0-0", resource_group="rg")
    studio.new_run()
    assert (space.name, space.get_run(RUN).id) == ("main", RUN)
    with pytest.raises(NotFound):
        Workspace(workspace_name="elsewhere")


def test_a_script_asks_for_its_run_by_the_name_of_then(studio, inside):
    assert Run.get_submitted_run().id == RUN


def test_runs_below_runs_are_listed_when_they_are_asked_for(studio, space):
    studio.new_run()
    studio.runs["B" * 26] = {**studio.runs[RUN], "id": "B" * 26, "parent": RUN, "kind": "interactive"}
    experiment = Experiment(space, "first")
    assert [one.id for one in experiment.get_runs()] == [RUN]
    assert [one.id for one in experiment.get_runs(include_children=True)] == [RUN, "B" * 26]
    assert [one.id for one in experiment.get_runs(type="azureml.scriptrun", include_children=True)] == [RUN]
    assert list(experiment.get_runs("hyperdrive")) == []


def test_an_experiment_has_an_id_and_is_made_when_it_is_asked_for(studio, space):
    held = {"name": "first", "id": 7, "archived": None, "tags": {"team": "vision"}, "description": ""}
    studio.next(f"GET {W}/experiments", *[Reply(value={"experiments": [held]})] * 4)
    assert [one.id for one in Experiment.list(space, experiment_name="first")] == ["7"]
    assert Experiment.list(space, tags={"team": "sound"}) == []
    assert Experiment(space, "first").id == "7" and Experiment(space, "first").archived_time is None
    studio.next(f"GET {W}/experiments", Reply(value={"experiments": []}))
    studio.next(f"POST {W}/experiments", Reply(201, {**held, "name": "second", "id": 8}))
    assert Experiment(space, "second").id == "8"
    with pytest.raises(UserErrorException, match="ActiveOnly"):
        Experiment.list(space, view_type="Some")


def test_an_experiment_is_tagged_archived_and_brought_back(studio, space):
    held = {"name": "first", "id": 7, "archived": None, "tags": {}, "description": ""}
    studio.next(f"GET {W}/experiments", Reply(value={"experiments": [held]}))
    studio.next(f"PATCH {W}/experiments/7", *[Reply(value=held)] * 3, Reply(value={**held, "name": "again"}))
    experiment = Experiment(space, "first")
    experiment.tag("stage", 2)
    experiment.remove_tags(["old"])
    experiment.archive()
    experiment.reactivate(new_name="again")
    asked = [call.json for call in studio.asked("PATCH", f"{W}/experiments/7")]
    tags, archived = [{"tags": {"stage": "2"}}, {"tags": {"old": None}}], {"archived": True}
    assert asked == [*tags, archived, {"archived": False, "name": "again"}] and experiment.name == "again"
    studio.next(f"DELETE {W}/experiments/7", Reply(204))
    Experiment.delete(space, experiment_id="7")


def test_an_experiment_of_a_folder(studio, home, monkeypatch):
    folder = home / "work" / "digits"
    (folder / ".azureml").mkdir(parents=True)
    (folder / ".azureml/config.json").write_text('{"workspace_name": "main"}')
    monkeypatch.setenv("ZAFFRE_URL", studio.url)
    monkeypatch.setenv("ZAFFRE_TOKEN", TOKEN)
    found = Experiment.from_directory("digits")
    assert (found.name, found.workspace.name) == ("digits", "main")


def test_a_run_tells_its_logs(studio, space):
    studio.new_run(status="running", reachable=False, inputs={"digits": {"dataset": "digits", "version": 3}})
    studio.artifacts, studio.blobs, studio.log = (
        {"logs/a.txt": "A", "model.pkl": "B"},
        {"A": b"in a file"},
        b"printed\n",
    )
    run = Run.get(space, RUN)
    details = run.get_details()
    address = f"{studio.url}{W}/runs/{RUN}"
    assert details["logFiles"] == {
        "user_logs/std_log.txt": f"{address}/log",
        "logs/a.txt": f"{address}/artifacts/logs/a.txt",
    }
    assert (details["status"], details["outputDatasets"]) == ("NotResponding", [])
    told = details["runDefinition"]
    assert (told["nodeCount"], told["environment"]["name"], told["arguments"]) == (1, "system", [])
    texts = run.get_details_with_logs()
    assert texts["logFiles"] == {"user_logs/std_log.txt": "printed\n", "logs/a.txt": "in a file"}
    assert run.download_file("azureml-logs/70_driver_log.txt") == "70_driver_log.txt"
    assert Path("70_driver_log.txt").read_text() == "printed\n"


def test_the_words_of_then_for_ending_and_listing(studio, space, capsys):
    studio.new_run(status="completed", ended="2026-01-02T03:04:09Z")
    run = Run(Experiment(space, "first"), RUN)
    run.start()
    assert run.wait_for_completion(True, True, True)["status"] == "Completed"
    assert "Execution Summary" in capsys.readouterr().out
    assert [one.id for one in Run.list(Experiment(space, "first"), status="CancelRequested")] == [RUN]
    assert studio.calls[-1].query["status"] == ["cancel_requested"]
    assert "<th>Details Page</th>" in run._repr_html_() and "<td>first</td>" in Experiment(space, "first")._repr_html_()


def test_a_script_by_hand_knows_that_it_is_offline(home):
    from zaffre.core.run import _OfflineRun, _SubmittedRun

    run = Run.get_context()
    assert isinstance(run, _OfflineRun) and not isinstance(run, _SubmittedRun) and run.id.startswith("OfflineRun")
    for name in ("experiment", "get_secret", "workspace"):
        with pytest.raises(AttributeError, match="started by hand"):
            getattr(run, name)
    assert run.wait_for_completion(show_output=True)["status"] == "Running"


def test_an_output_is_a_folder_of_the_run(studio, space, code):
    out = OutputFileDatasetConfig(name="prepared").as_upload(overwrite=True)
    unnamed = OutputFileDatasetConfig().as_mount()
    config = ScriptRunConfig(str(code), "train.py", arguments=["--out", out, "--more", unnamed])
    Experiment(space, "first").submit(config)
    body = studio.submitted[0].json["config"]
    assert body["arguments"][:2] == ["--out", "OutputFileDatasetConfig:prepared"]
    assert body["arguments"][3] == f"OutputFileDatasetConfig:{unnamed.name}" and unnamed.name.startswith("output_")
    assert out.path == "outputs/prepared"


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda: OutputFileDatasetConfig(destination=("store", "p/{run-id}")), "no datastores"),
        (lambda: OutputFileDatasetConfig(source="/tmp/x"), "not collected"),
        (lambda: OutputFileDatasetConfig(name="../up"), "letters, digits"),
        (lambda: OutputFileDatasetConfig().as_upload(source_globs=["*.csv"]), "All files"),
        (lambda: OutputFileDatasetConfig().register_on_complete("prepared"), "by themselves"),
        (lambda: OutputFileDatasetConfig().as_input(), "pipelines"),
    ],
)
def test_what_an_output_cannot_be_says_what_to_do(work, said):
    with pytest.raises(UserErrorException, match=said) as refused:
        work()
    assert refused.value.hint or said == "letters, digits"


def test_an_instance_is_deleted_with_the_words_of_then(studio, space, capsys):
    found = {"name": "ci-1", "kind": "instance", "state": "Stopped", "settings": {}}
    studio.next(f"DELETE {W}/compute/ci-1", Reply(204))
    ComputeInstance._of(space, found).delete(wait_for_completion=True, show_output=True)
    assert studio.calls[-1].method == "DELETE" and "ci-1: Deleted" in capsys.readouterr().out


def test_the_image_of_old_samples_is_passed_over():
    config = RunConfiguration()
    config.environment.docker.base_image = DEFAULT_CPU_IMAGE
    assert "docker" not in str(config.environment.spec.get("kind"))


def test_a_config_file_that_names_no_workspace_of_yours_is_named(studio, home, monkeypatch):
    monkeypatch.setenv("ZAFFRE_URL", studio.url)
    monkeypatch.setenv("ZAFFRE_TOKEN", TOKEN)
    for name, said in (("mian", "Did you mean main?"), ("elsewhere", f"Your workspaces at {studio.url}: main.")):
        Path("config.json").write_text(f'{{"workspace_name": "{name}"}}')
        with pytest.raises(NotFound) as refused:
            Workspace.from_config()
        assert f"{home / 'work' / 'config.json'} names it." in refused.value.hint and said in refused.value.hint


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"ZAFFRE_TOKEN": "old"}, "ZAFFRE_TOKEN is not a token of {url} any more"),
        ({"ZAFFRE_RUN_TOKEN": "old"}, "until the run ends"),
        ({}, "zaffre login {url}"),
    ],
)
def test_a_token_that_does_not_count_any_more_says_what_to_do(studio, monkeypatch, env, said):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unauthenticated) as refused:
        Workspace.get("main", url=studio.url, token="old")
    assert said.format(url=studio.url) in refused.value.hint
