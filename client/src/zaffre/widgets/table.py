"""A run as HTML for notebooks: colours are those of the notebook, and every text is escaped."""

from __future__ import annotations

from html import escape
from typing import Any, Dict, Iterable, List, Sequence

from zaffre.cli.common import age, span
from zaffre.core.notebook import link

_MOST_COLUMNS = 8
_MARKS = {"Completed": "✓", "Failed": "✗", "Canceled": "⊘"}


def as_html(found: Dict[str, Any]) -> str:
    """The run, its numbers, the runs below it and the end of its log; `found` as `RunDetails.get_widget_data`."""
    run = found["run_properties"]
    parts = [_table(("Run", "Status", "Experiment", "Target", "Submitted", "Took"), [_facts(found, run)])]
    reason = (run.get("reason") or run.get("queue") or {}).get("message")
    if reason:
        parts.append(f"<p><b>{escape(str(reason))}</b></p>")
    parts += [f"<p>Warning: {escape(str(text))}</p>" for text in run.get("warnings") or []]
    if found["run_metrics"]:
        rows = [(escape(key), _number(value)) for key, value in found["run_metrics"].items()]
        parts.append(_table(("Metric", "Last value"), rows))
    if found["child_runs"]:
        parts.append(_children(found["child_runs"]))
    if found["run_logs"]:
        parts.append(f'<pre style="max-height:20em;overflow:auto">{escape(found["run_logs"])}</pre>')
    return f'<div class="zaffre-run">{"".join(parts)}</div>'


def _facts(found: Dict[str, Any], run: Dict[str, Any]) -> Sequence[str]:
    status = found["status"]
    return (
        link(str(run.get("name") or found["run_id"]), found["workbench_run_details_uri"]),
        escape(f"{_MARKS.get(status, '●')} {status}"),
        escape(str(run.get("experiment") or "")),
        escape(str(run.get("target") or "")),
        escape(age(run.get("created"))),
        escape(span(run.get("started"), run.get("ended"))),
    )


def _children(runs: List[Dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for one in runs for key in one["numbers"]))[:_MOST_COLUMNS]
    rows = [
        (
            link(str(one["name"]), str(one.get("url") or "")),
            escape(one["status"]),
            *(_number(one["numbers"].get(key)) for key in columns),
        )
        for one in runs
    ]
    return _table(("Run below it", "Status", *columns), rows)


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Heads are texts, cells are HTML."""
    first = "".join(f"<th>{escape(head)}</th>" for head in heads)
    rest = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{first}</tr>{rest}</table>"


def _number(value: Any) -> str:
    return "" if value is None else escape(f"{value:.6g}" if isinstance(value, float) else str(value))
