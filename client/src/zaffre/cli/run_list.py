"""zaffre run list, children, metrics: what is asked of many runs, and the numbers of one"""

from __future__ import annotations

import argparse
import math
from typing import Any, Dict, Iterable, List, Optional

from zaffre.cli.common import age, one_run, span, table, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.transport import segment

_HEADS = ("id", "name", "experiment", "status", "target", "created", "took")


def add(verbs: Any) -> None:
    listing = verb(verbs, "list", _list, "The newest runs.")
    listing.add_argument("--experiment", "-e", "--experiment-name", metavar="NAME")
    listing.add_argument("--status", help="such as running or failed")
    listing.add_argument("--target", "--ct", "--compute-target-name", metavar="NAME", help="those of a compute target")
    listing.add_argument(
        "--tag", "--tags", action="append", metavar="NAME[=VALUE]", help="those with this tag; repeat it"
    )
    listing.add_argument(
        "--property", action="append", metavar="NAME[=VALUE]", help="those with this property; repeat it"
    )
    listing.add_argument("--parent", "--parent-run-id", metavar="RUN", help="those below this run")
    listing.add_argument("--filter", metavar="TEXT", help="such as: metrics.loss < 0.5 and not params.model = 'mlp'")
    listing.add_argument("--limit", "--last", type=int, default=20, metavar="N", help="so many at most (default: 20)")
    listing.add_argument("--archived", action="store_true", help="those that were put away")
    children = one_run(verb(verbs, "children", _children, "The runs below a run, the oldest first."))
    children.add_argument("--recursive", action="store_true", help="also those below them")
    metrics = one_run(verb(verbs, "metrics", _metrics, "What a run logged: the last values, or all of one name."))
    metrics.add_argument("--name", action="append", metavar="METRIC", help="every value of this one; repeat it")


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(
        f"{space.path}/runs",
        experiment=options.experiment,
        status=_state(options.status),
        filter=asked(
            options.filter, target=options.target, parent=options.parent, tags=options.tag, properties=options.property
        ),
        archived=1 if options.archived else None,
        limit=options.limit,
    )
    return _tell(options, found)


def _state(word: Optional[str]) -> Optional[str]:
    from zaffre.core.details_of_run import state_of

    return state_of(word) if word else None


def asked(
    text: Optional[str],
    *,
    target: Optional[str] = None,
    parent: Optional[str] = None,
    tags: Optional[Iterable[str]] = None,
    properties: Optional[Iterable[str]] = None,
) -> Optional[str]:
    """The filter that asks for all of these, None for nothing. Raises UserErrorException for a name with a backtick."""
    terms = [f"({text})"] if text and text.strip() else []
    terms += [f"{name} = {_quoted(value)}" for name, value in (("target", target), ("parent", parent)) if value]
    terms += [_with("tags", word) for word in tags or ()] + [_with("properties", word) for word in properties or ()]
    return " and ".join(terms) or None


def _with(kind: str, word: str) -> str:
    name, mark, value = word.partition("=")
    if not name or "`" in name:
        raise UserErrorException(f"{word!r} is no name of a tag or property.", hint="Write NAME, or NAME=VALUE.")
    return f"{kind}.`{name}` = {_quoted(value)}" if mark else f"{kind}.`{name}` is not null"


def _quoted(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def _tell(options: argparse.Namespace, found: Dict[str, Any]) -> int:
    rows = [
        (
            one["id"],
            one["name"],
            one["experiment"],
            "not responding" if one.get("reachable") is False else one["status"],
            one.get("target"),
            age(one["created"]),
            span(one["started"], one["ended"]),
        )
        for one in found["runs"]
    ]
    tell(options, found, lambda: table(_HEADS, rows, empty="There are no such runs."))
    return 0


def _children(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    address, after = f"{space.path}/runs/{segment(options.run)}/children", None
    runs: List[Dict[str, Any]] = []
    while True:
        page = space.client.get(address, recursive=int(options.recursive), limit=1000, after=after)
        runs += page["runs"]
        after = page.get("next")
        if not after:
            return _tell(options, {"runs": runs})


def _metrics(options: argparse.Namespace) -> int:
    from zaffre.core.run import Run

    run = Run.get(workspace_of(options), options.run)
    wanted = options.name
    found = run.get_metrics()
    if wanted:
        missing = [name for name in wanted if name not in found]
        if missing:
            listed = ", ".join(found) or "none"
            raise UserErrorException(f"The run has no metric {missing[0]!r}.", hint=f"There are: {listed}.")
        found = {name: found[name] for name in wanted}
    shown = {name: _plain(value) for name, value in found.items()}
    rows = [(name, *_row(value, whole=bool(wanted))) for name, value in shown.items()]
    tell(options, {"run": run.id, "metrics": shown}, lambda: table(("metric", "value"), rows, empty="There are none."))
    return 0


def _row(value: Any, *, whole: bool) -> "tuple[str]":
    if isinstance(value, dict):
        return (f"a table of {', '.join(value)}" if not whole else str(value),)
    if isinstance(value, list) and not whole:
        return (f"{_short(value[-1])}  ({len(value)} values)" if value else "",)
    if isinstance(value, list):
        return (" ".join(_short(one) for one in value),)
    return (_short(value),)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """As JSON takes it: there are no words for NaN and the infinities in it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value
