"""RunDetails: in a notebook, on a terminal, and where something is wrong."""

import subprocess
import sys
import types

import pytest

from tests.client.studio import RUN, TOKEN, Reply, W
from zaffre.core import Run
from zaffre.widgets import RunDetails, run_details


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(run_details, "_PAUSE", 0.05)


@pytest.fixture
def going(studio):
    """A run that goes on, with a child and a metric; the studio in memory has no door for children."""
    told = {"loss": {"kind": "scalar", "count": 3, "last": 0.25}, "system/cpu": {"kind": "list", "count": 9, "last": 1}}
    child = {**studio.new_run(), "id": "B" * 26, "name": "<b>child</b>", "status": "completed", "metrics": told}
    page = Reply(value={"runs": [child], "next": None})
    studio.next(f"GET {W}/runs/{RUN}/children", *[page] * 100)
    studio.log = "".join(f"line {number} <script>\n" for number in range(40)).encode()
    studio.new_run(status="running", started="2026-01-02T03:04:06Z", metrics=told, warnings=["a & b"])
    return studio


@pytest.fixture
def notebook(monkeypatch):
    """A module IPython as a kernel has it; returns what was shown, the newest last."""
    shown: list[str] = []

    class Handle:
        def update(self, html):
            shown.append(html)

    module, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    module.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    display.HTML = str
    display.display = lambda html, display_id: Handle()
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_a_notebook_shows_a_table_that_follows_the_run(going, space, notebook):
    details = RunDetails(Run.get(space, RUN))
    details.show()
    first = notebook[0]
    assert "● Running" in first and "<td>0.25</td>" in first and "a &amp; b" in first
    assert "&lt;b&gt;child&lt;/b&gt;" in first and "line 39 &lt;script&gt;" in first and "line 3 " not in first
    assert "system/cpu" not in first and "<script>" not in first
    going.finish("failed", reason={"code": "script_failed", "message": "exit code 3"})
    details._thread.join(20)
    assert not details._thread.is_alive() and "✗ Failed" in notebook[-1] and "exit code 3" in notebook[-1]


def test_elsewhere_lines_follow_the_run_and_the_script_goes_on(going, space, capsys):
    details = RunDetails(Run.get(space, RUN))
    details.show(render_lib=None, widget_settings={})
    going.finish("completed")
    details._thread.join(20)
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("Running") == 1 and "loss=0.25" in said.err
    assert said.err.count(f"{RUN} · Completed") == 1


def test_a_script_that_ends_between_two_looks_has_told_how_the_run_ended(going):
    script = f"""
import sys
from zaffre.core import Run, Workspace
from zaffre.widgets import RunDetails, run_details
run_details._PAUSE = 600
RunDetails(Run.get(Workspace.get("main", url={going.url!r}, token={TOKEN!r}), {RUN!r})).show()
print("shown", flush=True)
sys.stdin.read()
"""
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], text=True, **piped) as child:
        assert child.stdout.readline() == "shown\n"
        going.finish("completed")
        _, said = child.communicate(timeout=60)
    assert child.returncode == 0 and said.count("Running") == 1 and f"{RUN} · Completed" in said


def test_looking_outlives_a_studio_that_is_restarted(going, space, capsys, monkeypatch):
    details = RunDetails(Run.get(space, RUN))
    details.show()
    going.next(f"GET {W}/runs/{RUN}", *[Reply(404, {"error": {"code": "x", "message": "away"}})] * 2)
    going.wait(lambda: not going.answers[f"GET {W}/runs/{RUN}"], "both refusals were met")
    going.finish("completed")
    details._thread.join(20)
    assert "Completed" in capsys.readouterr().err


def test_what_is_wrong_never_ends_a_script(studio, space, notebook, capsys, monkeypatch):
    studio.new_run()
    run = Run.get(space, RUN)
    studio.next(f"GET {W}/runs/{RUN}", Reply(403, {"error": {"code": "forbidden", "message": "You may not."}}))
    RunDetails(run).show()
    assert "cannot be shown: You may not." in capsys.readouterr().err

    def broken(*_, **__):
        raise ValueError("no kernel")

    monkeypatch.setattr(sys.modules["IPython.display"], "display", broken)
    studio.next(f"GET {W}/runs/{RUN}/children", Reply(value={"runs": [], "next": None}))
    studio.finish("completed")
    RunDetails(run).show()
    assert "no kernel" in (said := capsys.readouterr().err) and "Completed" in said


def test_an_offline_run_is_shown_as_what_it_is(capsys):
    run = Run.get_context()
    run.log("loss", 0.5)
    RunDetails(run).show()
    assert RunDetails(run).get_widget_data()["run_metrics"] == {"loss": 0.5}
    assert "offline · Running" in capsys.readouterr().err
