"""The metrics of runs as event files, for a TensorBoard anywhere."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Union

from zaffre.errors import UserErrorException
from zaffre.protocol import SYSTEM_PREFIX
from zaffre.tensorboard.events import EventFile
from zaffre.values import from_wire

if TYPE_CHECKING:
    from zaffre.core.experiment import Experiment
    from zaffre.core.run import Run

#: The studio thins longer series when they are read; their extremes stay.
MOST_POINTS = 10_000
_KEYS_AT_ONCE = 20
_NUMBERS = ("scalar", "list")

_log = logging.getLogger("zaffre.tensorboard")


def export_to_tensorboard(
    run_data: "Union[Run, Experiment, Iterable[Run]]",
    logdir: str,
    logger: Optional[logging.Logger] = None,
    recursive: bool = True,
) -> None:
    """Write the scalar metrics of a run, of several, or of all runs of an experiment below the folder `logdir`.

    Each run has a folder named by its id, with one event file; with `recursive` so has every run below it. A run that
    was exported there before gets its file anew. A series has 10 000 points at most. Raises UserErrorException
    when there is no run, Refused, Unreachable.
    """
    told = logger or _log
    runs = _runs_of(run_data)
    if not runs:
        raise UserErrorException("There is no run to export.")
    place, done = Path(logdir).expanduser(), set()
    for run in runs:
        for one in [run, *(run.get_children(recursive=True) if recursive else [])]:
            if one.id not in done:
                done.add(one.id)
                count = _export(one, place / one.id)
                told.info("%s: %d points", one.id, count)


def _runs_of(run_data: Any) -> "List[Run]":
    from zaffre.core.experiment import Experiment
    from zaffre.core.run import Run

    if isinstance(run_data, Run):
        return [run_data]
    if isinstance(run_data, Experiment):
        return list(run_data.get_runs(include_children=True))
    try:
        runs = list(run_data)
    except TypeError:
        runs = [run_data]
    for one in runs:
        if not isinstance(one, Run):
            raise UserErrorException(f"Runs or an experiment are exported, not a {type(one).__name__}.")
    return runs


def _export(run: "Run", folder: Path) -> int:
    run._flush_own()
    found: Dict[str, Dict[str, Any]] = run.client.get(f"{run.address}/metrics")["metrics"]
    keys = [
        key for key, told in found.items() if told.get("kind", "list") in _NUMBERS and not key.startswith(SYSTEM_PREFIX)
    ]
    before = list(folder.glob("events.out.tfevents.*")) if folder.is_dir() else []
    count = 0
    with EventFile(folder) as file:
        for at in range(0, len(keys), _KEYS_AT_ONCE):
            asked = {"key": keys[at : at + _KEYS_AT_ONCE], "points": MOST_POINTS}
            series = run.client.call("GET", f"{run.address}/series", query=asked).json()["series"]
            for key, one in series.items():
                for step, value, moment in zip(one["step"], one["value"], one["time"]):  # noqa: B905 - Python 3.9
                    file.add_scalar(key, from_wire(value), step=int(step), wall_time=moment / 1000)
                    count += 1
    for old in before:
        old.unlink()
    return count
