"""The SDK outside of runs, with the snippets that the studio's pages show."""

import pytest

from tests.client.studio import RUN, TOKEN, W, _refuse
from zaffre.core import (
    ComputeTarget,
    Dataset,
    Environment,
    Experiment,
    Model,
    Run,
    ScriptRunConfig,
    Webservice,
    Workspace,
)
from zaffre.core.model import InferenceConfig
from zaffre.exceptions import (
    ActivityFailedException,
    ComputeTargetException,
    ModelPathNotFoundException,
    UserErrorException,
    WebserviceException,
)


@pytest.fixture
def code(home):
    (home / "work" / "train.py").write_text("print(1)")
    return home / "work"


def test_the_first_snippet(studio, code, monkeypatch, capsys):
    monkeypatch.setenv("ZAFFRE_TOKEN", TOKEN)
    ws = Workspace.get("main", url=studio.url)
    config = ScriptRunConfig(source_directory=".", script="train.py", compute_target="local")
    run = Experiment(ws, "my-first").submit(config)
    studio.log = b"hello\n"
    studio.finish()
    details = run.wait_for_completion(show_output=True)
    assert (details["status"], run.get_status()) == ("Completed", "Completed")
    assert "hello\n" in capsys.readouterr().out


def test_the_folder_is_read_at_submit_and_not_before(studio, space, code):
    config = ScriptRunConfig(str(code), "late.py", arguments=[1, 0.5, "x"], compute_target="local")
    (code / "late.py").write_text("late")
    Experiment(space, "e").submit(config, tags={"a": 1})
    told = studio.submitted[0].json
    assert told["config"]["arguments"] == ["1", "0.5", "x"]
    assert told["tags"] == {"a": "1"}
    assert b"late" in studio.blobs.values()


def test_a_failed_run_raises_with_its_reason_and_log(studio, space, code):
    run = Experiment(space, "e").submit(ScriptRunConfig(".", "train.py"))
    studio.finish("failed", reason={"code": "script_failed", "message": "exit code 3"}, log_tail="no labels\n")
    with pytest.raises(ActivityFailedException, match="exit code 3\n  no labels"):
        run.wait_for_completion()
    assert run.wait_for_completion(raise_on_error=False)["error"]["error"]["code"] == "script_failed"


@pytest.mark.parametrize("words", [{}, {"script": "a.py", "command": ["b"]}])
def test_a_run_has_a_script_or_a_command(words):
    with pytest.raises(UserErrorException):
        ScriptRunConfig(".", **words)


def test_a_dataset_is_no_argument_but_an_input(studio, space, code):
    (code / "a.csv").write_text("1")
    data = Dataset.File.from_files("a.csv").register(space, "numbers")
    with pytest.raises(UserErrorException, match="inputs"):
        Experiment(space, "e").submit(ScriptRunConfig(".", "train.py", arguments=[data]))
    given = {"a": data.as_named_input("a").as_mount(), "b": "numbers"}
    Experiment(space, "e").submit(ScriptRunConfig(".", "train.py", inputs=given))
    assert studio.submitted[0].json["config"]["inputs"] == {
        "a": {"dataset": "numbers:1", "mode": "mount"},
        "b": {"dataset": "numbers", "mode": "download"},
    }


def test_other_files_need_a_word_to_become_a_version(studio, space, code):
    (code / "a.csv").write_text("1")
    Dataset.File.from_files("a.csv").register(space, "numbers")
    assert Dataset.File.from_files("a.csv").register(space, "numbers").version == 1
    (code / "a.csv").write_text("2")
    with pytest.raises(UserErrorException, match="create_new_version"):
        Dataset.File.from_files("a.csv").register(space, "numbers")
    Dataset.File.from_files("a.csv").register(space, "numbers", create_new_version=True)


def test_the_dataset_snippet(studio, space, code, tmp_path):
    (code / "a.csv").write_text("1")
    Dataset.File.upload_directory(".").register(space, "churn")
    data = Dataset.get_by_name(space, "churn", version=1)
    assert data.to_path() == ["a.csv", "train.py"]
    assert data.download(str(tmp_path / "d"))[0].endswith("a.csv")


def test_the_model_snippet(studio, space, code, monkeypatch):
    (code / "m").mkdir()
    (code / "m" / "weights.bin").write_text("w")
    Model.register(space, "m", "churn", tags={"a": "b"})
    monkeypatch.setenv("ZAFFRE_URL", studio.url)
    monkeypatch.setenv("ZAFFRE_TOKEN", TOKEN)
    monkeypatch.setenv("ZAFFRE_WORKSPACE", "main")
    ws = Workspace.from_config()
    path = Model(ws, "churn").download()
    assert path == "weights.bin"
    assert Model.get_model_path("churn") == "azureml-models/churn/1/weights.bin"


def test_a_model_in_a_scoring_script_is_where_the_studio_laid_it(tmp_path, monkeypatch):
    folder = tmp_path / "azureml-models" / "churn" / "3"
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_text("w")
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(folder))
    assert Model.get_model_path("churn") == str(folder / "weights.bin")
    with pytest.raises(ModelPathNotFoundException, match="churn:3"):
        Model.get_model_path("other")


def test_a_script_registers_a_model_of_a_file_that_it_just_wrote(studio, inside, home):
    (home / "work" / "outputs").mkdir()
    (home / "work" / "outputs" / "model.bin").write_text("w")
    model = Run.get_context().register_model("churn", "./outputs/model.bin")
    assert model.id == "churn:1"
    assert list(studio.artifacts) == ["outputs/model.bin"]
    with pytest.raises(ModelPathNotFoundException, match=r"outputs/model\.bin"):
        Run.get_context().register_model("churn", "outputs/absent.bin")


def test_deploy_and_ask(studio, space, code):
    (code / "score.py").write_text("s")
    (code / "w.bin").write_text("w")
    model = Model.register(space, "w.bin", "churn")
    config = InferenceConfig("score.py", ".", "sklearn")
    service = Model.deploy(space, "churn", [model], config)
    service.wait_for_deployment()
    assert service.state == "Healthy"
    assert service.run('{"data": [1, 2]}') == {"sum": 3}
    assert Webservice(space, "churn").run({"data": [3]}) == {"sum": 3}
    assert service.get_keys() == ("endpoint-key", "other-key")
    with pytest.raises(WebserviceException, match="overwrite"):
        Model.deploy(space, "churn", [model], config)
    Model.deploy(space, "churn", [model], config, overwrite=True)


def test_what_is_not_there_has_the_exception_that_scripts_catch(studio, space):
    with pytest.raises(ComputeTargetException):
        ComputeTarget(space, "gpu")
    with pytest.raises(WebserviceException):
        Webservice(space, "nope")


def test_a_missing_workspace_is_not_a_missing_target(studio, space):
    studio.next(f"GET {W}", _refuse(404, "not_found", "There is no workspace 'main'."))
    with pytest.raises(Exception, match="no workspace"):
        ComputeTarget(space, "gpu")


def test_an_environment_is_registered_when_it_is_used(studio, space, code, monkeypatch):
    (code / "requirements.txt").write_text("# ours\nscikit-learn==1.7  # pinned\n\nnumpy\n")
    environment = Environment.from_pip_requirements("e", "requirements.txt")
    environment.environment_variables["A"] = "1"
    packages = ["scikit-learn==1.7", "numpy"]
    assert environment.spec == {"kind": "pip", "requirements": packages, "variables": {"A": "1"}}
    told = []
    real = space.client.post

    def post(path, value):
        if path.endswith("/environments"):
            told.append(value)
            return {"name": "e", "version": 4}
        return real(path, value)

    monkeypatch.setattr(space.client, "post", post)
    config = ScriptRunConfig(".", "train.py", environment=environment, environment_variables={"B": "2"})
    Experiment(space, "e").submit(config)
    body = studio.submitted[0].json["config"]
    assert (body["environment"], body["environment_variables"]) == ("e:4", {"A": "1", "B": "2"})
    assert told[0]["spec"] == environment.spec


def test_runs_are_found_by_tags(studio, space):
    studio.new_run(tags={"who": "olga"})
    experiment = Experiment(space, "first")
    assert [run.id for run in experiment.get_runs(tags={"who": "olga"})] == [RUN]
    assert list(experiment.get_runs(tags={"who": "carl"})) == []
    assert [run.number for run in experiment.get_runs(tags="who")] == [1]


def test_a_filter_is_asked_of_the_studio(studio, space):
    list(Experiment(space, "first").get_runs(filter="not metrics.loss < 0.5"))
    assert "not metrics.loss < 0.5" in studio.calls[-1].query["filter"]


def test_files_of_a_run(studio, space, tmp_path):
    import io

    studio.new_run(kind="interactive", status="running")
    run = Run.get(space, RUN)
    run.upload_file("outputs/a.txt", io.BytesIO(b"a"))
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "b.txt").write_text("b")
    run.upload_folder("more", str(tmp_path / "folder"))
    assert run.get_file_names() == ["more/deep/b.txt", "outputs/a.txt"]
    run.download_files("more/", str(tmp_path / "down"))
    assert (tmp_path / "down" / "more" / "deep" / "b.txt").read_text() == "b"
    assert run.download_file("outputs/a.txt", str(tmp_path / "x.txt")) == str(tmp_path / "x.txt")
    assert (tmp_path / "x.txt").read_text() == "a"
    with pytest.raises(UserErrorException, match=r"a file 'outputs/a\.txt' already"):
        run.upload_file("outputs/a.txt", io.BytesIO(b"other"))
    with pytest.raises(UserErrorException, match="already"):
        run.upload_files(["new.txt", "more/deep/b.txt"], [str(tmp_path / "x.txt")] * 2)
    assert run.get_file_names() == ["more/deep/b.txt", "outputs/a.txt"]
    run.download_files("more", str(tmp_path / "bare"), append_prefix=False)
    assert (tmp_path / "bare" / "deep" / "b.txt").read_text() == "b"
    run.download_files("outputs/", str(tmp_path), output_paths=["named.txt"])
    assert (tmp_path / "named.txt").read_text() == "a"
    for bad in ("../x", "/x", "a/../b"):
        with pytest.raises(UserErrorException):
            run.upload_file(bad, io.BytesIO(b""))


def test_tags_from_outside(studio, space):
    studio.new_run()
    run = Run.get(space, RUN)
    run.tag("a", 1)
    run.set_tags({"b": "2"})
    assert run.get_tags() == {"a": "1", "b": "2"}


@pytest.mark.parametrize("show", [True, False])
def test_waiting_tells_the_warnings_of_a_run_with_its_log(studio, space, capfd, show):
    studio.new_run(warnings=["Python 3.6 is replaced.", "The node has Python 3.11."])
    studio.log = b"trained\n"
    studio.finish()
    details = Run.get(space, RUN).wait_for_completion(show_output=show)
    said = capfd.readouterr().out
    assert [one["message"] for one in details["warnings"]] == ["Python 3.6 is replaced.", "The node has Python 3.11."]
    assert said.count("· warning: Python 3.6 is replaced.\n") == int(show)
    assert said.count("· warning: The node has Python 3.11.\n") == int(show)
