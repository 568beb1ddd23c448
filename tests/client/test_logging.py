"""Points reach the studio once each, whatever happens to it or to the script."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.client.conftest import inside_of, run_script
from tests.client.studio import RUN, TOKEN, Reply, _refuse
from zaffre.agent import door
from zaffre.agent.leftovers import resend_points
from zaffre.core import Run
from zaffre.errors import UserErrorException

METRICS = f"/agent/v1/runs/{RUN}/metrics"


def test_points_arrive_with_their_steps_and_nothing_stays_in_the_spool(studio, inside):
    run = Run.get_context()
    for step in range(2500):
        run.log("loss", 1 / (step + 1), step=step)
    run.log("accuracy", 0.5)
    run.log("accuracy", 0.6)
    run.flush()
    assert [point[2] for point in studio.points if point[0] == "loss"] == list(range(2500))
    assert [point[1:3] for point in studio.points if point[0] == "accuracy"] == [[0.5, 0], [0.6, 1]]
    assert all(len(batch["points"]) <= 1000 for batch in studio.batches.values())
    assert abs(studio.points[0][3] - time.time() * 1000) < 60_000
    assert list(inside.iterdir()) == []


def test_log_does_not_wait_for_a_slow_studio(studio, inside):
    run = Run.get_context()
    run.log("first", 0.0)
    studio.answering.clear()
    for step in range(20_000):
        run.log("loss", 0.5, step=step)
    studio.answering.set()
    run.flush()
    assert len(studio.points) == 20_001


def test_a_cut_answer_does_not_double_points(studio, inside):
    studio.next(f"POST {METRICS}", Reply(cut=True), Reply(503, {}))
    run = Run.get_context()
    for number in range(10):
        run.log("loss", number)
    run.flush()
    assert [point[1] for point in studio.points] == list(range(10))
    batches = [call.json["batch"] for call in studio.asked("POST", METRICS)]
    assert len(batches) == 3
    assert len(set(batches)) == 1


def test_an_ordinary_end_sends_everything(studio, tmp_path):
    script = "from zaffre.core import Run\nrun = Run.get_context()\nfor i in range(3000): run.log('n', i)\n"
    done = run_script(script, inside_of(studio, tmp_path / "spool"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [point[1] for point in studio.points] == list(range(3000))


def test_what_is_logged_last_is_sent_though_the_process_ends_at_once(studio, tmp_path):
    script = "from zaffre.core import Run\nrun = Run.get_context()\nrun.log('n', 1)\nrun.flush()\nrun.log('n', 2)\n"
    done = run_script(script, inside_of(studio, tmp_path / "spool"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [point[1] for point in studio.points] == [1, 2]


def test_an_exception_sends_everything_too(studio, tmp_path):
    script = "from zaffre.core import Run\nRun.get_context().log('n', 7)\nraise SystemExit(3)\n"
    assert run_script(script, inside_of(studio, tmp_path / "spool")).returncode == 3
    assert [point[1] for point in studio.points] == [7]


def test_what_could_not_be_sent_before_a_kill_lies_in_the_spool_as_the_node_wants_it(studio, tmp_path):
    spool = tmp_path / "spool"
    env = {**os.environ, **inside_of(studio, spool)}
    studio.away = True
    script = """
import time
from zaffre.core import Run
run = Run.get_context()
for i in range(1500):
    run.log("n", i)
run.tag("done", "no")
print("logged", flush=True)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"logged\n"

        def kept() -> bool:
            bodies = [json.loads(path.read_text()) for path in spool.glob("*.json")]
            return sum(len(body["points"]) for body in bodies) == 1500 and any("tags" in body for body in bodies)

        studio.wait(kept, "all points in the spool")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    sent = []

    class Job:
        class place:
            pass

        def ask(self, method, path, body):
            sent.append(body)

    Job.place.spool = spool
    resend_points(Job())
    assert [point[1] for body in sent for point in body["points"]] == list(range(1500))


def test_a_closed_recorder_has_no_threads_and_begins_again_when_it_is_needed(studio, inside):
    run = Run.get_context()

    def alive() -> int:
        return sum(thread.name.startswith("zaffre ") for thread in threading.enumerate())

    before = alive()
    for number in range(3):
        run.log("n", number)
        assert alive() == before + 2
        run._recorder.close()
        assert alive() == before
    assert [point[1] for point in studio.points] == [0, 1, 2]


def test_threads_that_are_told_to_end_end_though_others_begin_at_once(studio, inside):
    run = Run.get_context()
    recorder = run._recorder

    class Bell(type(recorder._sent)):
        def notify_all(self):
            super().notify_all()
            if logged_once and not recorder._threads:  # in the middle of `close`, and nobody has heard it yet
                logged_once.clear()
                run.log("n", 1)

    recorder._sent, logged_once = Bell(), []
    run.log("n", 0)
    run.flush()
    first = list(recorder._threads)
    logged_once.append(True)
    recorder.close()
    studio.wait(lambda: not any(thread.is_alive() for thread in first), "they end")
    run.flush()
    assert [point[1] for point in studio.points] == [0, 1]


def test_what_other_threads_log_while_it_closes_arrives(studio, inside):
    run = Run.get_context()
    ended = threading.Event()

    def work() -> None:
        for number in range(3000):
            run.log("n", number)
            if number % 300 == 0:
                time.sleep(0.01)
        ended.set()

    worker = threading.Thread(target=work)
    worker.start()
    while not ended.is_set():
        run._recorder.close()
    worker.join()
    run.flush()
    assert sorted(point[1] for point in studio.points) == list(range(3000))


def test_what_a_child_run_could_not_send_is_sent_by_the_node(tmp_path):
    spool, child = tmp_path / "spool", "01M893JDMR8ZBJVDG9RES66XXY"
    (spool / child).mkdir(parents=True)
    (spool / "not-a-run").mkdir()
    (spool / "not-a-run" / "1.json").write_text('{"batch": "other"}')
    (tmp_path / "elsewhere").mkdir()
    (spool / "01M893JDMR8ZBJVDG9RES66XXZ").symlink_to(tmp_path / "elsewhere")
    for name in ("1", "2"):
        (spool / child / f"{name}.json").write_text(json.dumps({"batch": f"child {name}"}))
    (spool / "1.json").write_text('{"batch": "own"}')
    sent = []

    class Job:
        class place:
            pass

        class door:
            @staticmethod
            def insist(method, path, body, **_):
                sent.append((path, body["batch"]))
                if body["batch"] == "child 1":  # it has ended: that is no reason to end its parent
                    raise door.Refused(409, "final", "The run has ended.", {})

        over, dropped = staticmethod(lambda: False), None

        def ask(self, method, path, body):
            sent.append((path, body["batch"]))

    Job.place.spool = spool
    assert resend_points(Job()).batches == 2
    at = f"/agent/v1/runs/{child}/metrics"
    assert sent == [(at, "child 1"), (at, "child 2"), ("/metrics", "own")]
    assert not list((spool / child).iterdir())


def test_a_studio_that_comes_back_gets_what_was_logged_meanwhile(studio, inside):
    run = Run.get_context()
    studio.away = True
    for number in range(2000):
        run.log("n", number)
    studio.wait(lambda: len(list(inside.glob("*.json"))) >= 2, "two batches in the spool")
    studio.away = False
    run.flush()
    assert [point[1] for point in studio.points] == list(range(2000))


def test_a_fenced_run_logs_on_in_silence(studio, inside, capfd):
    refused = _refuse(409, "stale_attempt", "Another attempt owns this run.")
    studio.next(f"POST {METRICS}", refused)
    run = Run.get_context()
    run.log("n", 1)
    run.flush()
    run.log("n", 2)
    run.flush()
    assert len(studio.asked("POST", METRICS)) == 1
    assert capfd.readouterr().err.count("zaffre:") == 1
    assert list(inside.iterdir()) == []


def test_a_refused_batch_does_not_keep_the_others(studio, inside, capfd):
    studio.next(f"POST {METRICS}", _refuse(422, "invalid", "points[0]: no."))
    run = Run.get_context()
    run.log("bad", 1)
    run.flush()
    run.log("good", 2)
    run.flush()
    assert [point[0] for point in studio.points] == ["good"]
    assert "points[0]" in capfd.readouterr().err


def named(field, **details):
    told = {"code": f"bad_{field}", "message": f"{field}: no.", "hint": None, "details": {"field": field, **details}}
    return Reply(422, {"error": told})


def test_only_what_a_refusal_names_is_lost_and_it_is_said_once(studio, inside, capfd):
    studio.next(f"POST {METRICS}", named("points", index=1), named("points", index=1), named("tags", key="b"))
    run = Run.get_context()
    with run._recorder._writing:  # all of it in one batch
        for number in range(5):
            run.log("n", number)
        run.tag("a", "1")
        run.tag("b", "2")
    run.flush()
    assert [point[1] for point in studio.points] == [0, 3, 4]
    assert [batch["tags"] for batch in studio.batches.values()] == [{"a": "1"}]
    said = capfd.readouterr().err
    assert said.count("points: no.") == said.count("tags: no.") == 1
    assert list(inside.iterdir()) == []


def test_a_batch_of_which_nothing_is_left_keeps_no_other(studio, inside):
    studio.next(f"POST {METRICS}", named("points", index=0))
    run = Run.get_context()
    run.log("bad", 1)
    run.flush()
    run.log("good", 2)
    run.flush()
    assert [point[0] for point in studio.points] == ["good"]


def test_how_much_there_was_no_room_for_is_said_at_the_end(studio, inside, capfd):
    full = {"accepted": 1, "duplicate": False, "refused": 20, "code": "too_many_keys", "message": "Enough keys."}
    studio.next(f"POST {METRICS}", Reply(200, full), Reply(200, full))
    run = Run.get_context()
    for _ in range(2):
        run.log("n", 1)
        run.flush()
    run._recorder.close()
    said = capfd.readouterr().err
    assert said.count("Enough keys.") == 1 and said.count("40 values were not kept") == 1


def test_the_node_says_in_the_log_what_was_not_kept(tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    for name in ("1", "2"):
        points = [["good", 1, 0, 1], ["bad", 1, 0, 1]]
        (spool / f"{name}.json").write_text(json.dumps({"batch": name, "points": points}))
    sent = []

    class Job:
        class place:
            pass

        def ask(self, method, path, body):
            if len(body["points"]) == 2:
                raise door.Refused(422, "invalid", "points[1] ('bad'): no.", {}, {"field": "points", "index": 1})
            sent.append([point[0] for point in body["points"]])
            return door.Answer(200, {}, b'{"accepted": 0, "refused": 1, "code": "too_many_keys", "message": "Enough."}')

    Job.place.spool = spool
    told = resend_points(Job())
    assert sent == [["good"], ["good"]]
    assert (told.batches, told.lost) == (2, 4)
    assert told.problems == {"invalid": "points[1] ('bad'): no.", "too_many_keys": "Enough."}


#: With {meanwhile} between the parent's first point and the fork.
FORKING = """
import multiprocessing
from zaffre.core import Run
run = Run.get_context()
def work():
    run.log("child", 1.0)
if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    run.log("parent", 1.0)
    {meanwhile}
    child = multiprocessing.Process(target=work)
    child.start()
    child.join()
    assert child.exitcode == 0
"""
SLOW_IMPORT = """
import sys, threading, time
importing = threading.Event()
class Slow:
    def find_spec(self, name, path, target=None):
        if name == "urllib3":
            importing.set()
            time.sleep(2)
sys.meta_path.insert(0, Slow())
"""


def test_a_forked_child_sends_its_own_points_and_not_its_parents(studio, tmp_path):
    done = run_script(FORKING.format(meanwhile=""), inside_of(studio, tmp_path / "spool"))
    assert done.returncode == 0, done.stderr
    assert sorted(point[0] for point in studio.points) == ["child", "parent"]


def test_a_child_forked_while_the_first_points_are_sent_sends_its_own(studio, tmp_path):
    script = SLOW_IMPORT + FORKING.format(meanwhile="importing.wait()")
    done = run_script(script, inside_of(studio, tmp_path / "spool"))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(point[0] for point in studio.points) == ["child", "parent"]


class Scalar:
    """As NumPy's and PyTorch's: no float, but `item()`."""

    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value


def test_numbers_of_every_kind(studio, inside):
    import numpy as np

    run = Run.get_context()
    values = [1, True, np.float32(0.5), np.int64(7), np.array([3.0]), Scalar(2), math.nan, math.inf, -math.inf]
    for value in values:
        run.log("n", value)
    run.flush()
    assert [point[1] for point in studio.points] == [1, 1, 0.5, 7, 3, 2, "NaN", "Infinity", "-Infinity"]


@pytest.mark.parametrize("value", [None, [1, 2], {"a": 1}, object(), 10**400])
def test_what_is_no_number_is_refused_where_it_is_logged(inside, value):
    with pytest.raises(UserErrorException):
        Run.get_context().log("n", value)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 251, 3])
def test_a_name_that_cannot_be_kept_is_refused(inside, name):
    with pytest.raises(UserErrorException):
        Run.get_context().log(name, 1.0)


def test_lists_rows_tables_and_texts_come_back_by_name(studio, inside):
    run = Run.get_context()
    run.log_list("l", (x * x for x in range(4)))
    run.log_list("words", ("a", "b"))
    run.log_row("r", epoch=1, loss=0.5, note=None)
    run.log_row("r", epoch=2, loss=math.nan, note="late")
    run.log_table("t", {"x": [1, 2], "label": ["a", "b"]})
    run.log_table("t", {"x": iter([3]), "label": ["c"]})
    run.log("note", "converged")
    assert run.get_metrics("note") == {"note": "converged"}
    found = run.get_metrics()
    assert (found["l"], found["words"]) == ([0, 1, 4, 9], ["a", "b"])
    assert (found["r"]["epoch"], found["r"]["note"]) == ([1, 2], [None, "late"])
    assert math.isnan(found["r"]["loss"][1])
    assert found["t"] == {"x": [1, 2, 3], "label": ["a", "b", "c"]}
    assert not [batch for batch in studio.batches.values() if "tags" in batch]


def test_many_rows_and_a_large_table_go_in_batches_that_the_studio_takes(studio, inside):
    run = Run.get_context()
    for at in range(700):
        run.log_row("rows", at=at, square=at * at)
        if at % 100 == 0:
            run.log_row("other", at=at)
    run.log_table("wide", {f"c{n}": ["x" * 1000] * 600 for n in range(15)})
    assert run.get_metrics("rows")["rows"] == {"at": [*range(700)], "square": [at * at for at in range(700)]}
    assert [len(cells) for cells in run.get_metrics("wide")["wide"].values()] == [600] * 15
    for batch in studio.batches.values():
        rows = [len(next(iter(item["value"].values()))) for item in batch.get("items", [])]
        assert sum(rows) <= 250
        assert len(rows) <= 250
    assert len([item for item in studio.items if item["key"] == "rows"]) <= 20  # joined, not 700


def test_descriptions_are_sent_once(studio, inside):
    run = Run.get_context()
    for at in range(5):
        run.log("loss", at, description="of the net")
        run.flush()
    run.log_row("r", description="a row", x=1)
    run.flush()
    assert [batch["descriptions"] for batch in studio.batches.values() if "descriptions" in batch] == [
        {"loss": "of the net"}
    ]
    assert [item["description"] for item in studio.items] == ["a row"]


def test_items_outlive_a_cut_answer_and_a_kill(studio, inside):
    studio.next(f"POST {METRICS}", Reply(cut=True), Reply(503, {}))
    run = Run.get_context()
    run.log_row("r", x=1)
    run.log("word", "a")
    run.flush()
    assert [item["value"] for item in studio.items] == [{"x": [1]}, "a"]
    assert len({call.json["batch"] for call in studio.asked("POST", METRICS)}) == 1


def test_cells_and_charts_of_other_libraries(studio, inside):
    import datetime

    import numpy as np

    run = Run.get_context()
    run.log_row("r", a=np.float32(0.5), b=np.int64(2**53 + 1), c=np.bool_(True), d=np.float64("nan"), e=Scalar(2),
                f=datetime.date(2026, 1, 2), g=-0.0, h=5e-324, i=np.array([7]))  # fmt: skip
    run.log_table("t", {"x": np.arange(3), "y": np.array([0.5, np.inf, -0.0])})
    run.log_confusion_matrix("cm", {"data": {"class_labels": np.array([0, 1]), "matrix": np.eye(2, dtype=int)}})
    row = {column: cells[0] for column, cells in run.get_metrics()["r"].items()}
    assert math.isnan(row.pop("d"))
    assert math.copysign(1, row["g"]) == -1
    assert row == {"a": 0.5, "b": 2**53 + 1, "c": True, "e": 2, "f": "2026-01-02", "g": 0, "h": 5e-324, "i": 7}
    assert run.get_metrics("t")["t"] == {"x": [0, 1, 2], "y": [0.5, math.inf, -0.0]}
    assert run.get_metrics("cm")["cm"]["data"] == {"class_labels": [0, 1], "matrix": [[1, 0], [0, 1]]}


def test_pictures_are_files_and_charts_are_what_was_logged(studio, inside, tmp_path):
    run = Run.get_context()

    class Figure:
        def savefig(self, to, **_):
            to.write(b"png " + str(len(studio.artifacts)).encode())

    run.log_image("confusion matrix", plot=Figure())
    run.log_image("confusion matrix", plot=Figure())
    (tmp_path / "x.jpg").write_bytes(b"jpg")
    run.log_image("photo", path=str(tmp_path / "x.jpg"))
    document = {"class_labels": ["a", "b"], "matrix": [[3, 0], [1, 5]]}
    run.log_confusion_matrix("m", {"schema_type": "confusion_matrix", "data": document})
    labels = [f"{n:04d}" for n in range(400)]
    run.log_confusion_matrix("large", {"data": {"class_labels": labels, "matrix": [[0] * 400] * 400}})
    images = [path for path in studio.artifacts if path.startswith("images/")]
    assert images == ["images/confusion_matrix.png", "images/confusion_matrix_2.png", "images/photo.jpg"]
    found, loaded = run.get_metrics(), run.get_metrics(populate=True)
    assert found["confusion matrix"] == images[:2]
    assert (found["photo"], loaded["photo"]) == ("images/photo.jpg", b"jpg")
    assert found["m"]["data"] == loaded["m"]["data"] == document
    assert (found["large"], loaded["large"]["data"]["class_labels"]) == ("metrics/large.json", labels)


def test_a_picture_that_cannot_be_sent_waits_in_outputs(studio, inside, monkeypatch, tmp_path, capfd):
    run = Run.get_context()
    run.client.patience = 0.1
    (tmp_path / "x.png").write_bytes(b"png")
    studio.away = True
    run.log_image("x", path=str(tmp_path / "x.png"))
    assert Path("outputs/images/x.png").read_bytes() == b"png"
    assert "outputs/images/x.png" in capfd.readouterr().err
    studio.away = False
    run.flush()
    assert [item["value"] for item in studio.items] == [{"path": "outputs/images/x.png"}]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("log_confusion_matrix", "{no json"),
        ("log_confusion_matrix", {"schema_type": "confusion_matrix", "data": {"class_labels": ["a"]}}),
        ("log_confusion_matrix", {"data": {"class_labels": ["a", "b"], "matrix": [[1, 2]]}}),
        ("log_residuals", {"schema_type": "predictions", "data": {"bin_edges": [], "bin_counts": []}}),
        ("log_table", {"a": [1], "b": [1, 2]}),
        ("log_table", {"a": 1}),
        ("log_table", {str(n): [1] for n in range(16)}),
        ("log_table", {"c" * 256: [1]}),
        ("log_table", {"a": [[1]]}),
        ("log_list", [1, "a"]),
        ("log", "x" * 8001),
    ],
)
def test_a_chart_of_the_wrong_form_says_what_is_wrong(inside, call, words):
    with pytest.raises(UserErrorException):
        getattr(Run.get_context(), call)("x", words)


def test_outside_of_the_studio_the_same_script_prints(capsys):
    run = Run.get_context()
    run.log("loss", 0.25, step=3)
    run.log_list("l", [1, 2])
    run.tag("a", "b")
    run.log_image("x", plot=type("Figure", (), {"savefig": lambda self, to, **_: to.write(b"1234")})())
    said = capsys.readouterr().out
    assert "loss = 0.25 (step 3)" in said
    assert "images/x.png" in said
    run.log("name", "svm")
    run.log_row("r", x=1)
    run.log_row("r", x=2)
    with run.child_run("fold") as child:
        child.log("loss", 1)
        child.log("loss", 2)
    assert run.get_metrics() == {"loss": 0.25, "l": [1, 2], "x": "images/x.png", "name": "svm", "r": {"x": [1, 2]}}
    assert run.get_metrics("loss", recursive=True) == {run.id: {"loss": 0.25}, child.id: {"loss": [1, 2]}}
    assert (child.get_status(), child.parent) == ("Completed", run)
    assert [one.get_tags() for one in run.create_children(tag_key="k", tag_values=[1, 2])] == [{"k": 1}, {"k": 2}]
    with pytest.raises(UserErrorException):
        Run.get_context(allow_offline=False)


def test_an_interactive_run_ends_with_its_block(studio, space):
    from zaffre.core import Experiment

    with Experiment(space, "by-hand").start_logging() as run:
        run.log("n", 3)
    assert [point[1] for point in studio.points] == [3]
    assert studio.runs[RUN]["status"] == "completed"
    with pytest.raises(ZeroDivisionError), Experiment(space, "by-hand").start_logging():
        _ = 1 / 0
    assert studio.runs[RUN]["status"] == "failed"
    assert "ZeroDivisionError" in studio.runs[RUN]["reason"]["message"]


def test_points_of_an_interactive_run_can_be_sent_later(studio, home, zaffre):
    studio.new_run(status="running")
    script = f"""
from zaffre.core import Experiment, Run, Workspace
run = Run(Experiment(Workspace.get(), "first"), "{RUN}")
run.log("n", 5)
run._recorder.close(0.5)
__import__("os")._exit(0)
"""
    env = {"ZAFFRE_URL": studio.url, "ZAFFRE_TOKEN": TOKEN, "ZAFFRE_WORKSPACE": "main"}
    studio.next(f"POST /api/v1/workspaces/main/runs/{RUN}/metrics", *[Reply(503, {})] * 50)
    done = run_script(script, env)
    assert f"zaffre run resend {RUN}" in done.stderr
    assert studio.points == []
    studio.answers.clear()
    assert json.loads(zaffre("run", "resend", RUN, "--json").stdout)["batches"] == 1
    assert [point[1] for point in studio.points] == [5]
    assert not (home / ".zaffre" / "spool" / RUN).exists()


def test_a_killed_interactive_run_loses_nothing_that_was_a_moment_old(studio, home, zaffre):
    """The studio is away the whole time; one batch that it refuses later keeps no other."""
    studio.new_run(status="running")
    spool, at = home / ".zaffre" / "spool" / RUN, f"/api/v1/workspaces/main/runs/{RUN}/metrics"
    script = f"""
import time
from zaffre.core import Experiment, Run, Workspace
run = Run(Experiment(Workspace.get(), "first"), "{RUN}")
for number in range(3500):
    run.log("n", number)
print("logged", flush=True)
time.sleep(60)
"""
    told = {"ZAFFRE_URL": studio.url, "ZAFFRE_TOKEN": TOKEN, "ZAFFRE_WORKSPACE": "main"}
    studio.next(f"POST {at}", *[Reply(503, {})] * 500)
    child = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **told}, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"logged\n"
        studio.wait(
            lambda: sum(len(json.loads(one.read_text())["points"]) for one in spool.glob("*.json")) == 3500,
            "all points kept",
        )
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    count = len(list(spool.glob("*.json")))
    studio.answers.clear()
    studio.next(f"POST {at}", _refuse(422, "invalid", "No."))
    refused = zaffre("run", "resend", RUN)
    assert refused.returncode == 1 and "No." in refused.stderr
    assert len(list(spool.glob("*.json"))) == 1 and len(studio.batches) == count - 1
    assert zaffre("run", "resend", RUN).returncode == 0
    assert sorted(point[1] for point in studio.points) == list(range(3500))
    assert not spool.exists()


def test_inputs_act_as_paths(studio, inside, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("x")
    monkeypatch.setenv("AZUREML_DATAREFERENCE_my-data", str(folder))
    given = Run.get_context().input_datasets["my-data"]
    assert Path(given) == folder
    assert (given / "a.csv").read_text() == "x"
    with open(os.path.join(given, "a.csv")) as file:
        assert file.read() == "x"
    assert given.exists()
    assert given.to_path() == ["a.csv"]
