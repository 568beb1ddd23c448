"""`RunDetails(run).show()`: a table that follows the run in a notebook, lines about it elsewhere."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Union

from zaffre import following
from zaffre.core.details_of_run import status_of
from zaffre.errors import ZaffreError
from zaffre.protocol import FINAL_STATES, SYSTEM_PREFIX

if TYPE_CHECKING:
    from zaffre.core.offline import OfflineRun
    from zaffre.core.run import Run

_PAUSE, _LONGEST_PAUSE = 1.0, 5.0
#: Numbers change all the time: a line about them comes no more often than this.
_NUMBERS_SECONDS = 30.0
_PATIENCE_SECONDS = 600.0
#: How long the end of the script may wait for the last look at the run.
_LAST_SECONDS = 3.0
_MOST_CHILDREN, _LOG_BYTES = 50, 8192

Shown = Dict[str, Any]


class RunDetails:
    """What a notebook shows of a run while it goes on. Looking never ends the run, nor the script that looks."""

    def __init__(self, run_instance: "Union[Run, OfflineRun]") -> None:
        self.run_instance = run_instance
        self._thread: Optional[threading.Thread] = None
        self._last = threading.Event()

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Show the run, and go on showing it in the background until it ends; returns at once.

        A notebook gets a table, everything else lines on standard error. Where that cannot be done, one line says so.
        """
        take = _notebook(render_lib) or _Lines(self.run_instance)
        try:
            found = self.get_widget_data()
            take(found)
        except ZaffreError as error:
            sys.stderr.write(f"zaffre: the run cannot be shown: {error}\n")
            return
        if not _ended(found):
            self._thread = threading.Thread(target=self._follow, args=(take,), name="zaffre shows a run", daemon=True)
            self._thread.start()
            atexit.register(self._look_last)

    def get_widget_data(self, widget_settings: Any = None) -> Shown:
        """What is shown, under the names of then: status, run_properties, run_metrics, child_runs, run_logs…"""
        run: Any = self.run_instance
        if not hasattr(run, "client"):  # started by hand: there is nothing to ask
            return {**_EMPTY, "status": run.get_status(), "run_id": run.id, "run_metrics": run.get_metrics()}
        found = dict(run.client.get(run.address))
        page = run.client.get(f"{run.address}/children", limit=_MOST_CHILDREN)
        return {
            **_EMPTY,
            "status": status_of(found),
            "run_id": run.id,
            "run_properties": found,
            "run_metrics": numbers(found),
            "child_runs": [{**one, "status": status_of(one), "numbers": numbers(one)} for one in page["runs"]],
            "run_logs": _end_of_log(run) if found.get("started") else "",
            "workbench_run_details_uri": str(found.get("url") or ""),
        }

    def _follow(self, take: "Callable[[Shown], None]") -> None:
        pause, last = _PAUSE, time.monotonic()
        while time.monotonic() - last < _PATIENCE_SECONDS:
            is_last = self._last.wait(pause)
            pause = min(pause * 1.3, _LONGEST_PAUSE)
            try:
                found = self.get_widget_data()
                take(found)
            except ZaffreError:
                if is_last:
                    return
                continue  # a studio that is restarted
            except Exception as error:  # the notebook is gone, or shows nothing any more
                sys.stderr.write(f"zaffre: the run is not shown any more: {error}\n")
                return
            last = time.monotonic()
            if is_last or _ended(found):
                return

    def _look_last(self) -> None:
        """A script that waited for the run ends between two looks: what came of it is shown all the same."""
        self._last.set()
        if self._thread is not None:
            self._thread.join(_LAST_SECONDS)

    def __repr__(self) -> str:
        return f"RunDetails({self.run_instance!r})"


_EMPTY: Shown = {
    "run_properties": {},
    "run_metrics": {},
    "child_runs": [],
    "run_logs": "",
    "workbench_run_details_uri": "",
}


def numbers(found: Dict[str, Any]) -> Dict[str, float]:
    """The last value of each series of a run."""
    told = (found.get("metrics") or {}).items()
    lasts = {key: one.get("last") for key, one in told if not key.startswith(SYSTEM_PREFIX)}
    return {key: last for key, last in lasts.items() if isinstance(last, (int, float))}


def _ended(found: Shown) -> bool:
    state = found["run_properties"].get("status")
    return state is None or state in FINAL_STATES


def _end_of_log(run: "Run") -> str:
    """The last lines of what it printed."""
    first = run.client.call("GET", f"{run.address}/log", query={"limit": 1})
    length = int(first.headers.get("X-Log-Length") or 0)
    asked = {"offset": max(0, length - _LOG_BYTES), "limit": _LOG_BYTES}
    lines = run.client.call("GET", f"{run.address}/log", query=asked).body.decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-20:])


# --- where it is shown -----------------------------------------------------------------------------------


def _notebook(render_lib: Any = None) -> "Optional[Callable[[Shown], None]]":
    """What shows in the notebook that this code runs in; None where it runs in none."""
    shell = sys.modules.get("IPython")  # a notebook has loaded it
    kernel = getattr(shell.get_ipython(), "kernel", None) if shell is not None else None
    if kernel is None and render_lib is None:
        return None
    try:
        from zaffre.widgets.table import as_html

        shown = import_module("IPython.display")
        handle = shown.display(shown.HTML(""), display_id=True)
        return lambda found: handle.update(shown.HTML(as_html(found)))
    except Exception as error:  # whatever is wrong with the notebook, the script goes on
        sys.stderr.write(f"zaffre: this notebook cannot show a run: {error}\n")
        return None


class _Lines:
    """A line for each change of state or step, and from time to time one with the numbers."""

    def __init__(self, run: "Union[Run, OfflineRun]") -> None:
        self._head = f"{getattr(run, 'display_name', '') if not hasattr(run, 'client') else run.id}"
        self._steps = following.Steps(self._say)
        self._status = ""
        self._told: Dict[str, float] = {}
        self._when = 0.0

    def __call__(self, found: Shown) -> None:
        if found["run_properties"]:
            self._steps.show(found["run_properties"])
        if found["status"] != self._status:
            self._status = found["status"]
            reason = (found["run_properties"].get("reason") or {}).get("message")
            where = found["workbench_run_details_uri"] if self._when == 0.0 else ""
            self._say(" · ".join(part for part in (self._status, reason, where) if part))
        told, now = found["run_metrics"], time.monotonic()
        late = _ended(found) or now - self._when > _NUMBERS_SECONDS
        self._when = self._when or now
        if told and told != self._told and late:
            self._told, self._when = dict(told), now
            self._say(" ".join(f"{key}={_short(value)}" for key, value in list(told.items())[:8]))

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{self._head} · {text}\n")
        sys.stderr.flush()


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


__all__: List[str] = ["RunDetails", "numbers"]
