"""workspaces/<ws>/compare: runs beside each other, as the pages have them."""

from dataclasses import asdict
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.compare import choice, queries, rows
from runs.compare.queries import Comparison
from studio.kernel.api import actor_of


class Compare(APIView):
    """?run=&run=…&base= → {runs, base, sections: {name: [{key, values, differs}]}, metrics: [{key, last, min, max}]}.

    Values stand in the order of `runs`; null where a run has none.
    """

    def get(self, request: Request, ws: str) -> Response:
        asked = choice.parse(dict(request.query_params.lists()))
        found = queries.require(ws, asked.runs, actor=actor_of(request), base=asked.word("base"))
        return Response(comparison_out(found))


class CompareCode(APIView):
    """?run=&run= → {files: [{path, state, before, old, new}], same}: the snapshots of the first two runs."""

    def get(self, request: Request, ws: str) -> Response:
        asked = choice.parse(dict(request.query_params.lists()))
        found = queries.require(ws, asked.runs, actor=actor_of(request))
        changes, same = queries.code_between(ws, *found.runs[:2], actor=actor_of(request))
        return Response({"files": [asdict(one) for one in changes], "same": same})


def comparison_out(found: Comparison) -> dict[str, Any]:
    told: dict[tuple[bool, str], dict[str, Any]] = {}
    for row in rows.metric_rows(found.runs, base=found.base):
        told.setdefault((row.system, row.key), {"key": row.key, "system": row.system})[row.stat] = row.values
    sections = rows.details(found.runs)
    return {
        "runs": [
            {
                "id": run.id,
                "number": run.number,
                "name": run.name,
                "experiment": run.experiment,
                "status": run.status,
                "final": run.final,
                "colour": run.colour,
            }
            for run in found.runs
        ],
        "base": found.runs[found.base].id if found.base is not None else None,
        "sections": {
            name: [{"key": row.key, "values": row.values, "differs": row.differs} for row in some]
            for name, some in sections.items()
        },
        "metrics": list(told.values()),
    }
