"""Reading the uncommitted changes of a run, and whether its numbers are those of another."""

from typing import Any

from django.utils.translation import gettext as _

from runs.models import Run
from runs.origins import likeness
from runs.origins.models import Patch
from runs.queries import get_run
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound

#: The property of a run that repeats another one: the other's id.
REPRODUCES = "reproduces"


def patch_of(slug: str, run_id: str, *, actor: Actor) -> Patch:
    """The uncommitted changes that a run's code had. Raises NotFound when there were none or they were not sent."""
    run = get_run(slug, run_id, actor=actor)
    found = Patch.objects.filter(run=run).first()
    if found is None:
        raise NotFound(_("No uncommitted changes are kept of the run %(run)s.") % {"run": run.name})
    return found


def agreement(slug: str, run_id: str, other_id: str = "", *, actor: Actor, close: float = likeness.CLOSE) -> Any:
    """Whether a run's numbers are those of another one, by default of the one that it reproduces.

    {run, other, same: {code, environment, data, words}, metrics: [{key, first, second, relative, verdict}], agrees}:
    `first` is the other's. Raises NotFound, and Invalid when no other run is named and it reproduces none.
    """
    run = get_run(slug, run_id, actor=actor)
    other_id = other_id or run.properties.get(REPRODUCES, "")
    if not other_id:
        raise Invalid(
            _("%(run)s reproduces no other run.") % {"run": run.name},
            hint=_("Name the run to compare with: ?with=ID"),
            field="with",
        )
    other = get_run(slug, other_id, actor=actor)
    pairs = likeness.compare(other.metrics, run.metrics, close=close)
    return {
        "run": _brief(run),
        "other": _brief(other),
        "same": _same(run, other),
        "metrics": [
            {"key": one.key, "first": one.first, "second": one.second, "relative": one.relative, "verdict": one.verdict}
            for one in pairs
        ],
        "agrees": likeness.agrees(pairs) if run.is_final and other.is_final else None,
    }


def _brief(run: Run) -> dict[str, Any]:
    return {"id": run.pk, "name": run.name, "status": run.status}


def _same(run: Run, other: Run) -> dict[str, bool]:
    words = likeness.DECIDES
    return {
        "code": run.snapshot_id is not None and run.snapshot_id == other.snapshot_id,
        "environment": run.environment_version_id == other.environment_version_id,
        "data": run.inputs == other.inputs,
        "words": all((run.config or {}).get(key) == (other.config or {}).get(key) for key in words),
    }
