"""What runs and their clients said, read as text and without models: for doors that show hundreds of runs at once.

Building a model instance and decoding its documents costs ten times what PostgreSQL takes to find the row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from runs.queries import get_run_as_told
from studio.kernel import db
from studio.kernel.actors import Actor
from studio.kernel.documents import QuickDecoder
from studio.kernel.errors import NotFound
from workspace.access import get_workspace

_ROWS = """
SELECT run.id, run.ctid::text, run.xmin::text, run.name, run.experiment_id, run.parent_id, run.description, run.status,
       coalesce(nullif(run.client_user, ''), person.username, ''), run.has_lineage,
       floor(extract(epoch FROM coalesce(run.started, run.created)) * 1000)::bigint,
       floor(extract(epoch FROM run.ended) * 1000)::bigint,
       run.deleted IS NULL AND experiment.archived IS NULL,
       run.params::text, run.tags::text, run.metrics::text
FROM runs_run AS run JOIN runs_experiment AS experiment ON experiment.id = run.experiment_id
LEFT JOIN accounts_user AS person ON person.id = run.submitted_by_id
WHERE run.workspace_id = %b AND run.id = ANY(%b::varchar[])
"""


class _Summary(msgspec.Struct):
    latest: tuple[int, int, float | str] | None = None


_summaries = msgspec.json.Decoder(dict[str, _Summary])
_pairs = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Told:
    """A run as its client told it. Times are milliseconds since 1970."""

    id: str
    version: tuple[str, str]
    name: str
    experiment_id: int
    parent_id: str | None
    description: str
    status: str
    #: Who runs it as the client says, else who submitted it.
    user: str
    has_lineage: bool
    began: int
    ended: int | None
    #: Neither it nor its experiment is put away.
    active: bool
    params: dict[str, Any]
    tags: dict[str, Any]
    #: (key, step, time, value) of the point with the highest step of each series; a value that JSON cannot say is text.
    latest: list[tuple[str, int, int, float | str]]


def runs_as_told(slug: str, ids: Sequence[str], *, actor: Actor) -> dict[str, Told]:
    """Those of the runs of the workspace that still exist, by id. The caller has found them for the actor."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    return {row[0]: _told(*row) for row in db.ask(_ROWS, [workspace.pk, list(ids)])}


def run_as_told(slug: str, run_id: str, *, actor: Actor) -> Told:
    """One run, deleted or not, if the actor may read it. Raises as get_run does."""
    if actor.kind == "run":
        # Code sees its own runs only, and what is its own depends on more than the row.
        get_run_as_told(slug, run_id, actor=actor)
    found = {} if "\0" in run_id else runs_as_told(slug, [run_id], actor=actor)
    if run_id not in found:
        raise NotFound(f"There is no run {run_id[:40]!r} in {slug}.", run=run_id[:40])
    return found[run_id]


def _told(id_: str, ctid: str, xmin: str, *more: Any) -> Told:
    *facts, params, tags, metrics = more
    told: tuple[Any, ...] = (*facts, _dictionary(params), _dictionary(tags), _latest(metrics))
    return Told(id_, (ctid, xmin), *told)


def _dictionary(text: str) -> dict[str, Any]:
    try:
        return _pairs.decode(text)
    except msgspec.DecodeError:
        # A number beyond all floats.
        found: dict[str, Any] = QuickDecoder().decode(text)
        return found


def _latest(text: str) -> list[tuple[str, int, int, float | str]]:
    try:
        return [(key, *one.latest) for key, one in _summaries.decode(text).items() if one.latest]
    except msgspec.DecodeError:
        return [(key, *one["latest"]) for key, one in QuickDecoder().decode(text).items() if one.get("latest")]
