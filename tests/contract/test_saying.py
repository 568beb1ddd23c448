"""Everything that a run can say, by the SDK to the real studio and back."""

import math
from pathlib import Path

import pytest

from tests.contract.test_runs import submit
from zaffre.core import Experiment, Run
from zaffre.errors import Conflict, UserErrorException

pytestmark = pytest.mark.stack

COUNTS = [[[5, 5, 0, 0], [3, 1, 4, 2]], [[5, 5, 0, 0], [4, 0, 5, 1]]]
CHARTS = {
    "confusion_matrix": {"class_labels": ["a", "b"], "matrix": [[3, 0], [1, 5]]},
    "accuracy_table": {
        "probability_tables": COUNTS, "percentile_tables": COUNTS, "class_labels": ["a", "b"],
        "probability_thresholds": [0.0, 0.5], "percentile_thresholds": [0.0, 0.5],
    },
    "residuals": {"bin_edges": [-1.0, 0.0, 1.0], "bin_counts": [7, 2]},
    "predictions": {"bin_averages": [0.25], "bin_errors": [0.0], "bin_counts": [12], "bin_edges": [0, 1]},
}  # fmt: skip
HOSTILE = [0.1, 5e-324, -0.0, 1.7976931348623157e308, math.nan, math.inf, -math.inf, float(2**53 + 1), -1e-300]


def bits(values: list[float]) -> list[str]:
    return [float(value).hex() for value in values]


def test_every_kind_comes_back(space, home):
    import numpy as np

    (home / "work" / "x.png").write_bytes(b"\x89PNG picture")
    with Experiment(space, "saying").start_logging() as run:
        run.log("once", np.float32(0.5), description="a number")
        run.log("word", "résumé")
        run.log("flag", np.bool_(True))
        for value in HOSTILE:
            run.log("hostile", value)
        run.log_list("generator", (n * n for n in range(2500)))
        run.log("late", 1.0, step=2**53 + 1)
        run.log("late", 2.0, step=-5)
        for epoch in range(300):
            run.log_row("rows", epoch=epoch, loss=1 / (epoch + 1), note="x" if epoch % 2 else None)
        run.log_table("table", {"x": np.arange(600), "y": [-0.0, math.nan] * 300})
        run.log_image("picture", path="x.png")
        for kind, data in CHARTS.items():
            getattr(run, f"log_{kind}")(kind, {"schema_type": kind, "schema_version": "v1", "data": data})
        labels = [str(n) for n in range(400)]
        run.log_confusion_matrix("large", {"data": {"class_labels": labels, "matrix": [[7] * 400] * 400}})
    again = Run.get(space, run.id)
    found, loaded = again.get_metrics(), again.get_metrics(populate=True)
    assert (found["once"], found["word"], found["flag"]) == (0.5, "résumé", 1)
    assert bits(found["hostile"]) == bits(HOSTILE)
    assert found["generator"] == [n * n for n in range(2500)]
    assert found["late"] == [2.0, 1.0]
    series = again.client.get(f"{again.address}/series", key="late")["series"]["late"]
    assert series["step"] == [-5, 2**53 + 1]
    assert found["rows"]["epoch"] == list(range(300))
    assert found["rows"]["loss"] == [1 / (epoch + 1) for epoch in range(300)]
    assert found["rows"]["note"][:2] == [None, "x"]
    assert found["table"]["x"] == list(range(600))
    assert bits(found["table"]["y"]) == bits([-0.0, math.nan] * 300)
    assert (found["picture"], loaded["picture"]) == ("images/picture.png", b"\x89PNG picture")
    assert {kind: found[kind]["data"] for kind in CHARTS} == CHARTS
    assert (found["large"], loaded["large"]["data"]["matrix"][399]) == ("metrics/large.json", [7] * 400)
    assert again.get_metrics("word") == {"word": "résumé"}
    summary = again.client.get(f"{again.address}/metrics")["metrics"]
    assert (summary["once"]["description"], summary["rows"]["count"]) == ("a number", 300)


def test_children_from_a_laptop(space):
    experiment = Experiment(space, "children")
    with experiment.start_logging() as run:
        folds = run.create_children(tag_key="fold", tag_values=[1, 2])
        for fold in folds:
            fold.log("loss", 0.5)
            with fold.child_run("inner") as inner:
                inner.log_list("loss", [1, 2])
        folds[0].complete()
        folds[1].fail("diverged", error_code="nan")
        left = run.child_run("left")
        left.cancel()
    again = Run.get(space, run.id)
    assert [one.id for one in again.get_children()] == [*(one.id for one in folds), left.id]
    assert [one.id for one in again.get_children(tags={"fold": "2"})] == [folds[1].id]
    assert [one.id for one in again.get_children(status="Canceled")] == [left.id]
    assert len(list(again.get_children(recursive=True, type="interactive"))) == 5
    assert folds[1].get_status() == "Failed"
    assert folds[1].get_details()["error"]["error"]["message"] == "nan: diverged"
    assert next(iter(folds[0].get_children())).parent.id == folds[0].id
    found = again.get_metrics(recursive=True)
    assert (found[run.id], found[folds[0].id], found[left.id]) == ({}, {"loss": 0.5}, {})
    assert sorted(map(str, found.values())).count("{'loss': [1.0, 2.0]}") == 2


INSIDE = """
import numpy as np
from zaffre.core import Run

run = Run.get_context()
parts = run.create_children(count=2)
for at, part in enumerate(parts):
    part.tag("at", at)
    part.log_row("r", at=at)
    part.log("loss", np.float64(at))
    part.upload_file("notes/a.txt", "train.py")
    assert part.parent.id == run.id
    with part.child_run("deeper") as deeper:
        deeper.log("x", 1)
assert parts[0].get_metrics() == {"r": {"at": [0]}, "loss": 0.0}
below = [one.id for one in run.get_children(recursive=True)]
assert sorted(run.get_metrics(recursive=True)) == sorted([run.id, *below])
parts[0].complete()
try:
    run.submit_child(None)
except Exception as error:
    print(type(error).__name__)
"""


def test_children_from_inside_of_a_script(space, home):
    run = submit(space, home / "work", INSIDE)
    run.wait_for_completion(show_output=True)
    parts = list(run.get_children())
    assert [one.get_status() for one in parts] == ["Completed", "Canceled"]  # the second was left open
    assert [one.get_tags() for one in parts] == [{"at": "0"}, {"at": "1"}]
    assert parts[1].get_metrics() == {"r": {"at": [1]}, "loss": 1.0}
    assert parts[1].get_file_names() == ["notes/a.txt"]
    assert "UserErrorException" in run.get_details_with_logs()["log"]
    child = run.submit_child(script(home / "work", "print('child')"))
    child.wait_for_completion()
    assert child.parent.id == run.id
    assert [one.id for one in run.get_children(type="azureml.scriptrun")] == [child.id]


def script(work: Path, text: str):
    from zaffre.core import ScriptRunConfig

    (work / "train.py").write_text(text)
    return ScriptRunConfig(str(work), "train.py")


def test_files_properties_and_code_of_an_interactive_run(space, home, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("print(1)")
    out = tmp_path / "out"
    with Experiment(space, "saying").start_logging(outputs=str(out)) as run:
        run.add_properties({"seed": 1})
        run.add_properties({"seed": 1})
        with pytest.raises(Conflict):
            run.add_properties({"seed": 2})
        run.upload_file("a/b.txt", str(code / "a.py"))
        with pytest.raises(UserErrorException, match="already"):
            run.upload_file("a/b.txt", str(code / "a.py"))
        run.take_snapshot(str(code))
        with pytest.raises(Conflict):
            run.take_snapshot(str(code))
        out.mkdir()
        (out / "model.txt").write_text("weights")
    assert run.get_properties() == {"seed": "1"}
    assert run.get_file_names() == ["a/b.txt", "outputs/model.txt"]
    assert Path(run.restore_snapshot(path=str(tmp_path / "back")), "a.py").read_text() == "print(1)"
