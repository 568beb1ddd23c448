"""Reading runs: what a person or the run's own code may see."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from runs import waiting
from runs.family import may_meet
from runs.filters import parse_tree
from runs.forms import no_such_run
from runs.models import Attempt, Experiment, Run, Status
from runs.search import condition, look
from studio.kernel import tokens
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound, Unauthenticated
from studio.kernel.rows import Rows
from workspace.access import get_workspace
from zaffre.protocol import FINAL_STATES, HELD_STATES, QUEUED

MOST = 1000


def last_sign() -> QuerySet[Attempt, Any]:
    """When the present attempt of each run was heard of last; on several nodes, the one that is silent for longest."""
    rows = Attempt.objects.filter(run=OuterRef("pk"), no=OuterRef("attempt_no"))
    return rows.order_by(F("ended").desc(nulls_first=True), "last_seen").values("last_seen")[:1]


def shown(rows: QuerySet[Run]) -> QuerySet[Run]:
    """With everything that `run_out` shows, in one statement. Times of silence are the database's own."""
    return rows.select_related(
        "workspace", "experiment", "target", "environment_version__environment", "submitted_by"
    ).annotate(heard=Subquery(last_sign()), asked=Now())


def get_run(slug: str, run_id: str, *, actor: Actor, action: str = "run.read", deleted: bool = False) -> Run:
    """Return the run, with the name of its `node`, if the actor may do `action` to it. Raises NotFound, Forbidden.

    One that was deleted and can be restored is found with `deleted` only; else NotFound has the code `deleted`.
    """
    node = Attempt.objects.filter(run=OuterRef("pk"), no=OuterRef("attempt_no"), rank=0).values("node__name")[:1]
    rows = shown(Run.objects.all()).annotate(node=Subquery(node)).select_related("snapshot")
    return _met(slug, run_id, rows, actor=actor, action=action, deleted=deleted)


def get_run_briefly(slug: str, run_id: str, *, actor: Actor, action: str = "run.read") -> Run:
    """`get_run` with what a decision needs, such as whose it is and its kind; the rest is not loaded.

    For doors that only ask whether they may, some with every point that is logged: the eight tables behind all that a
    page shows of a run cost more than the commit. Raises as get_run does.
    """
    rows = Run.objects.only(*_NEEDED)
    return _met(slug, run_id, rows, actor=actor, action=action)


_NEEDED = (
    *("kind", "config", "parent_id", "name", "submitted_by_id", "deleted", "status", "attempt_no"),
    *("workspace_id", "experiment_id", "nodes"),
)


def get_run_as_told(slug: str, run_id: str, *, actor: Actor, action: str = "run.read", deleted: bool = True) -> Run:
    """`get_run`, deleted or not, with what it and its client said, its experiment, workspace and who submitted it.

    Nothing of where it executes, nor what made it. Raises as get_run does.
    """
    rows = Run.objects.select_related("workspace", "experiment", "submitted_by").only(*_TOLD)
    return _met(slug, run_id, rows, actor=actor, action=action, deleted=deleted)


_TOLD = (
    *("kind", "config", "parent_id", "name", "deleted", "description", "status", "client_user", "has_lineage"),
    *("created", "started", "ended", "params", "tags", "metrics"),
    *("experiment__archived", "experiment__name", "submitted_by__username", "workspace__slug", "desired"),
)


def _met(slug: str, run_id: str, rows: QuerySet[Run], *, actor: Actor, action: str, deleted: bool = False) -> Run:
    workspace = get_workspace(slug, actor=actor, action=action)
    # Not `first`, which orders by the key that names one row: planning that costs PostgreSQL more than the rest.
    found = () if "\0" in run_id else rows.filter(workspace=workspace, pk=run_id)
    run = next(iter(found), None)
    if run is None or not may_meet(run, actor=actor, read=action == "run.read"):
        raise no_such_run(slug, run_id)
    if run.deleted and not deleted:
        raise NotFound(_("The run %(run)s was deleted.") % {"run": run.name}, code="deleted", run=run.pk)
    return run


def list_by_id(slug: str, run_ids: Sequence[str], *, actor: Actor) -> list[Run]:
    """Those of the runs that are there and not deleted, as `list_runs` shows them, in the order of the ids given."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    asked = [one for one in dict.fromkeys(run_ids) if "\0" not in one][:MOST]
    rows = shown(Run.objects.filter(workspace=workspace, deleted__isnull=True, pk__in=asked))
    found = {run.pk: run for run in rows if may_meet(run, actor=actor, read=True)}
    return [found[one] for one in asked if one in found]


def find_run(slug: str, word: str, *, experiment: int, actor: Actor) -> Run | None:
    """The run of this id, else the newest one of this name, in the experiment before the rest of the workspace."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = shown(Run.objects.filter(workspace=workspace, deleted__isnull=True))
    if not word or "\0" in word:
        return None
    here = Case(When(experiment=experiment, then=0), default=1)
    found = rows.filter(Q(pk=word) | Q(name=word)).annotate(far=here).order_by("far", "-pk")
    return next((run for run in found[:5] if may_meet(run, actor=actor, read=True)), None)


def count_children(run: Run, *, actor: Actor) -> int:
    """How many runs are directly below this one, which the caller has opened for the actor."""
    return 0 if actor.kind == "anonymous" else Run.objects.filter(parent=run.pk, deleted__isnull=True).count()


def run_before(run: Run, *, actor: Actor) -> str | None:
    """The id of the run before this one in its experiment; the caller has opened `run`."""
    if actor.kind == "anonymous":
        return None
    rows = Run.objects.filter(experiment_id=run.experiment_id, deleted__isnull=True, pk__lt=run.pk)
    return rows.order_by("-pk").values_list("pk", flat=True).first()


def took_like(run: Run, *, actor: Actor) -> list[float]:
    """Seconds that the last completed runs of the same script in the experiment took; the caller has opened `run`.

    Among the 50 runs before it, so that an experiment of a hundred thousand costs no more.
    """
    script = (run.config or {}).get("script")
    if not script or actor.kind == "anonymous":
        return []
    before = Run.objects.filter(experiment_id=run.experiment_id, deleted__isnull=True, pk__lt=run.pk).order_by("-pk")
    told = before.values_list("status", "config__script", "started", "ended")[:50]
    return [
        (ended - started).total_seconds()
        for status, name, started, ended in told
        if status == Status.COMPLETED and name == script and started and ended
    ][:5]


def visible_runs(slug: str, run_ids: Sequence[str], *, actor: Actor) -> list[Run]:
    """Those of these runs that the actor sees, with their state and times. Raises NotFound for a strange workspace."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = Run.objects.filter(
        workspace=workspace, deleted__isnull=True, pk__in=[one for one in run_ids if "\0" not in one]
    ).only("config", "parent_id", "status", "started", "created")
    return [run for run in rows if may_meet(run, actor=actor, read=True)]


def require_runs(slug: str, run_ids: Sequence[str], *, actor: Actor) -> None:
    """Raise NotFound that names the first of these runs that the actor does not see."""
    seen = {run.pk for run in visible_runs(slug, run_ids, actor=actor)}
    for run_id in run_ids:
        if run_id not in seen:
            raise no_such_run(slug, run_id)


def own_run(run_id: str, *, actor: Actor) -> Run:
    """Return the run that running code belongs to, or one of its children: its token names the workspace.

    Raises NotFound.
    """
    run = Run.objects.select_related("workspace").filter(pk=run_id).first() if actor.kind == "run" else None
    if run is None or not may_meet(run, actor=actor, read=True):
        raise NotFound(_("This token belongs to another run."))
    return get_run(run.workspace.slug, run_id, actor=actor)


def list_runs(
    slug: str,
    *,
    actor: Actor,
    experiment: str | None = None,
    status: str | None = None,
    text: str | None = None,
    where: str | None = None,
    archived: bool | None = False,
    limit: int = 100,
    after: str | None = None,
) -> list[Run]:
    """Return at most `limit` runs, the newest first; `after` is the id of the last one of the page before.

    `text` is part of a name, `where` a filter (`runs.filters`) with our words of states, `archived` chooses archived
    runs (None: both). The run's own code finds its own run only. Raises Invalid for a filter that cannot be read and
    for a status that there is not, NotFound for an unknown experiment.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = Run.objects.filter(workspace=workspace, deleted__isnull=True)
    if actor.kind == "run":
        rows = rows.filter(pk=actor.run_id)
    if experiment is not None:
        rows = rows.filter(experiment=get_experiment(slug, experiment, actor=actor))
    if archived is not None:
        rows = rows.filter(archived__isnull=not archived)
    if status:
        if status not in Status.values:
            raise Invalid(
                _("The status is one of %(values)s, not %(status)s.")
                % {"values": ", ".join(Status.values), "status": repr(status[:40])},
                field="status",
            )
        rows = rows.filter(status=status)
    if text:
        rows = rows.filter(name__icontains=text.replace("\0", ""))
    tree = parse_tree(where) if where else None
    if tree is not None:
        rows = rows.filter(condition(tree))
    if after:
        rows = rows.filter(pk__lt=after.replace("\0", ""))
    page = shown(rows).order_by("-pk")[: max(1, min(limit, MOST))]
    return look(tree, lambda: list(page))


def list_experiments(
    slug: str, *, actor: Actor, archived: bool | None = False, name: str | None = None
) -> QuerySet[Experiment]:
    """Return the experiments of the workspace, the newest first, with their number of `runs`.

    `archived` chooses archived ones (None: both), `name` the one of this name.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    shown = Experiment.objects.filter(workspace=workspace)
    if archived is not None:
        shown = shown.filter(archived__isnull=not archived)
    if name is not None:
        shown = shown.filter(name=name.replace("\0", ""))
    return shown.annotate(present=Count("runs", filter=Q(runs__deleted__isnull=True))).order_by("-pk")


def get_experiment(slug: str, name: str, *, actor: Actor) -> Experiment:
    """Return one experiment. Raises NotFound when there is none of this name."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    found = Experiment.objects.filter(workspace=workspace, name=name.replace("\0", "")).first()
    if found is None:
        raise NotFound(_("There is no experiment %(name)s in %(slug)s.") % {"name": repr(name[:64]), "slug": slug})
    return found


def get_experiment_by_id(slug: str, number: int, *, actor: Actor) -> Experiment:
    """Return one experiment, archived or not. Raises NotFound when there is none of this id."""
    workspace = get_workspace(slug, actor=actor, action="run.read")
    found = Experiment.objects.filter(workspace=workspace, pk=number).first()
    if found is None:
        raise NotFound(
            _("There is no experiment %(number)s in %(slug)s.") % {"number": number, "slug": slug},
            experiment=str(number),
        )
    return found


def run_out(run: Run) -> dict[str, Any]:
    """The run as doors show it. `run` as `get_run` and `list_runs` return it."""
    environment = run.environment_version
    return {
        "id": run.pk,
        "number": run.number,
        "name": run.name,
        "colour": run.colour,
        "description": run.description,
        "kind": run.kind,
        "experiment": run.experiment.name,
        "status": run.status,
        "reachable": _reachable(run),
        "attempt": run.attempt_no,
        "reason": {"code": run.reason_code, "message": run.reason} if run.reason_code or run.reason else None,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "log_tail": run.log_tail,
        "target": run.target.name if run.target else None,
        "environment": f"{environment.environment.name}:{environment.version}" if environment else None,
        "config": run.config,
        "git": run.git,
        "inputs": {
            name: {key: given[key] for key in ("dataset", "version", "mode")} for name, given in run.inputs.items()
        },
        "snapshot": run.snapshot_id,
        "params": run.params,
        "tags": run.tags,
        "properties": run.properties,
        "metrics": run.metrics,
        "steps": run.steps,
        "warnings": run.warnings,
        "parent": run.parent_id,
        "submitted_by": run.submitted_by.shown_name if run.submitted_by else None,
        "archived": run.archived,
        "created": run.created,
        "queued_at": run.queued_at,
        "started": run.started,
        "ended": run.ended,
        "priority": run.priority,
        "queue": None,
        "url": f"{settings.PUBLIC_URL}/w/{run.workspace.slug}/runs/{run.pk}",
    }


def run_in_full(run: Run) -> dict[str, Any]:
    """`run_out`, and why the run waits when it does: {position, code, message}. Some statements more."""
    shown = run_out(run)
    if run.status == QUEUED and run.target is not None:
        shown["queue"] = waiting.why(run, now=getattr(run, "asked", None))
    return shown


def run_as_submitted(run: Run) -> dict[str, Any]:
    """`run_out` of a run as `submit_run` returns it, with what to warn of: of what was just written nothing is read.

    Why it waits is asked only where no node may ever take it.
    """
    shown = run_out(run)
    asks = waiting.need_of_run(run)
    if asks.counted or asks.labels or asks.nodes > 1:
        shown["queue"] = waiting.why(run, now=None)
    return {**shown, "warnings": waiting.warnings_of(shown)}


def _reachable(run: Run) -> bool | None:
    heard = getattr(run, "heard", None)
    if run.status not in HELD_STATES or heard is None:
        return None
    return bool((run.asked - heard).total_seconds() < settings.UNREACHABLE_SECONDS)  # type: ignore[attr-defined]


def actor_of_token(parsed: tokens.Parsed, *, address: str = "") -> Actor:
    """Return the actor of a run token. Raises Unauthenticated when the attempt has ended."""
    attempt = _attempt_of(parsed.id)
    if attempt is None or not tokens.matches(parsed.secret, attempt.secret_hash):
        raise Unauthenticated(_("This run token is unknown."))
    return _actor_of(attempt, address=address)


def actor_of_token_id(token_id: str) -> Actor:
    """The code whose token made something that is now used without it. Raises Unauthenticated as above."""
    attempt = _attempt_of(token_id)
    if attempt is None:
        raise Unauthenticated(_("The run whose token made this does not exist any more."))
    return _actor_of(attempt, address="")


def _attempt_of(token_id: str) -> Attempt | None:
    """With what says who asks: it is read at each call of running code."""
    for attempt, run in _BEARER.ask(token=token_id):
        attempt.run = run
        return attempt
    return None


_BEARER = Rows(
    """
    SELECT {columns} FROM runs_attempt attempt JOIN runs_run run ON run.id = attempt.run_id
    WHERE attempt.token_id = %(token)s
    """,
    {
        "attempt": (Attempt, ("no", "rank", "token_id", "secret_hash", "ended", "run")),
        "run": (Run, ("name", "status", "workspace")),
    },
)


def _actor_of(attempt: Attempt, *, address: str) -> Actor:
    if attempt.ended is not None and attempt.run.status in FINAL_STATES:
        raise Unauthenticated(_("This run has ended, and its token with it."))
    return Actor(
        kind="run",
        name=attempt.run.name,
        token_id=attempt.token_id,
        workspace_id=attempt.run.workspace_id,
        run_id=attempt.run_id,
        attempt=attempt.no,
        rank=attempt.rank,
        address=address,
    )
