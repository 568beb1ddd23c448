"""Cases, interleaved rounds, and the table that comes out: ours, theirs, the ratio, the goal, the machine's limit."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.servers import Bench, Side
from bench.wire import Times

#: Measures one side once. The number of the round keeps names and steps of rounds apart.
Measure = Callable[[Side, int], "Sample"]


@dataclass(frozen=True)
class Sample:
    """What one round of one side gave: the value in the case's unit, and latencies in ms where there are any."""

    value: float
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @classmethod
    def rate(cls, times: Times, *, each: float = 1) -> "Sample":
        """Calls a second, or `each` times as many things a second."""
        return cls(times.rate * each, times.median * 1e3, times.percentile(0.95) * 1e3)

    @classmethod
    def latency(cls, times: Times) -> "Sample":
        """The median in milliseconds."""
        return cls(times.median * 1e3, times.median * 1e3, times.percentile(0.95) * 1e3)


@dataclass(frozen=True)
class Case:
    """One row of a table. `goal`: how many times better than the peer; `most`: what ours may be, in the unit."""

    what: str
    unit: str
    measure: Measure
    goal: float | None = None
    most: float | None = None
    less_is_better: bool = False
    only_ours: bool = False
    #: What the machine itself does, in the case's unit, and what that is.
    limit: float | None = None
    limit_of: str = ""


@dataclass
class Row:
    """A case with what was measured; lists hold one sample a round."""

    table: str
    case: Case
    ours: list[Sample] = field(default_factory=list)
    theirs: list[Sample] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; below 1 it is worse."""
        if not self.ours or not self.theirs:
            return None
        mine, others = _median(self.ours), _median(self.theirs)
        return others / mine if self.case.less_is_better else mine / others

    @property
    def verdict(self) -> str:
        if (self.case.goal is None or self.ratio is None) and (self.case.most is None or not self.ours):
            return ""
        enough = self.case.goal is None or self.ratio is None or self.ratio >= self.case.goal
        little = self.case.most is None or not self.ours or _median(self.ours) <= self.case.most
        return "reached" if enough and little else "MISSED"


def _median(samples: list[Sample], what: str = "value") -> float:
    return statistics.median(getattr(one, what) for one in samples)


def measure(bench: Bench, table: str, cases: list[Case], rounds: int) -> list[Row]:
    """Measure the cases one after another, the sides of each in turn."""
    rows = []
    for case in cases:
        row = Row(table, case)
        for number in range(rounds):
            for side in bench.sides:
                if side is not bench.ours and case.only_ours:
                    continue
                taken = row.ours if side is bench.ours else row.theirs
                taken.append(case.measure(side, number))
        rows.append(row)
        print(line_of(row), flush=True)
    return rows


def head(peer: str = "MLflow") -> str:
    return f"| what | ours | {peer} | ratio | goal | limit of the machine |\n| --- | --- | --- | --- | --- | --- |"


def line_of(row: Row) -> str:
    """The row as one of a Markdown table."""
    case = row.case
    ratio = "" if row.ratio is None else f"{row.ratio:,.1f} x"
    goals = [f">= {case.goal:g} x"] if case.goal is not None else []
    goals += [f"<= {case.most:g} {case.unit}"] if case.most is not None else []
    goal = f"{', '.join(goals)} {row.verdict}".strip()
    limit = "" if case.limit is None else f"{_number(case.limit)} ({case.limit_of})"
    cells = [case.what, _shown(row.ours, case.unit), _shown(row.theirs, case.unit), ratio, goal, limit]
    return "| " + " | ".join(cells) + " |"


def _shown(samples: list[Sample], unit: str) -> str:
    if not samples:
        return ""
    text = f"{_number(_median(samples))} {unit}"
    if samples[0].p50 is not None and unit != "ms":
        text += f", p50 {_median(samples, 'p50'):.1f} p95 {_median(samples, 'p95'):.1f} ms"
    elif samples[0].p99 is not None:
        text += f", p99 {_median(samples, 'p99'):.1f} ms"
    elif samples[0].p95 is not None:
        text += f", p95 {_median(samples, 'p95'):.1f} ms"
    return text


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine() -> dict[str, object]:
    """What ran this, for whoever compares two tables."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "load_average": [round(one, 2) for one in os.getloadavg()],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def keep(rows: list[Row], rounds: int, about: dict[str, object], file: Path) -> None:
    """Write everything that was measured as JSON."""
    told = [
        {
            "table": row.table,
            "what": row.case.what,
            "unit": row.case.unit,
            "ours": [asdict(one) for one in row.ours],
            "peer": [asdict(one) for one in row.theirs],
            "ratio": row.ratio,
            "goal": row.case.goal,
            "most": row.case.most,
            "verdict": row.verdict,
            "limit": row.case.limit,
            "limit_of": row.case.limit_of,
        }
        for row in rows
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"rounds": rounds, "machine": about, "rows": told}, indent=1))
