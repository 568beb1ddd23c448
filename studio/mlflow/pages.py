"""Pages of runs as bytes: what is written of a run is written once for each version of its row.

A page of a search is looked at again and again, and most of its runs have ended. So a search asks the database for
ids and versions only, and reads the runs that changed. Nothing here decides who may see what: the search did.
"""

from collections.abc import Sequence

import msgspec

from runs import told
from runs.lineage import queries as lineage
from runs.search import Found
from studio.kernel.actors import Actor
from studio.kernel.kept import Kept
from studio.mlflow.model_shapes import lineage_out
from studio.mlflow.shapes import told_out

#: Bytes of written runs that are kept.
MOST_KEPT = 32 * 1024 * 1024
_json = msgspec.json.Encoder()
_NOTHING = b',"inputs":{},"outputs":{}}'


class _Written(msgspec.Struct, frozen=True):
    """A run without its lineage, which can change while the row stays, and without the last brace."""

    version: tuple[str, str]
    active: bool
    has_lineage: bool
    body: bytes


_kept: Kept[str, _Written] = Kept(MOST_KEPT)


def _write(run: told.Told) -> _Written:
    return _Written(run.version, run.active, run.has_lineage, _json.encode(told_out(run))[:-1])


def written(ws: str, runs: Sequence[Found], *, actor: Actor) -> list[bytes]:
    """Each run of a page as JSON; one that was deleted for good since it was found is left out."""
    known = {}
    for run in runs:
        held = _kept.get(run.id)
        if held and held.version == run.version and held.active == run.active:
            known[run.id] = held
    lacking = [run.id for run in runs if run.id not in known]
    if lacking:
        for run_id, one in told.runs_as_told(ws, lacking, actor=actor).items():
            known[run_id] = _write(one)
            _kept.keep(run_id, known[run_id], size=len(known[run_id].body))
    return _whole(ws, [(run.id, known[run.id]) for run in runs if run.id in known], actor)


def _whole(ws: str, runs: Sequence[tuple[str, _Written]], actor: Actor) -> list[bytes]:
    said = lineage.of_runs(ws, [run_id for run_id, one in runs if one.has_lineage], actor=actor)
    return [
        one.body + (b"," + _json.encode(lineage_out(said[run_id]))[1:] if run_id in said else _NOTHING)
        for run_id, one in runs
    ]


def single(ws: str, run_id: str, *, actor: Actor) -> bytes:
    """{run}. Raises as get_run does."""
    run = told.run_as_told(ws, run_id, actor=actor)
    return b'{"run":' + _whole(ws, [(run.id, _write(run))], actor)[0] + b"}"


def page(runs: Sequence[bytes], token: str | None) -> bytes:
    """{runs, next_page_token?}"""
    more = b',"next_page_token":' + _json.encode(token) if token else b""
    return b'{"runs":[' + b",".join(runs) + b"]" + more + b"}"
