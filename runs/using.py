"""What the runs of a workspace use now, against what they may: for claims, for reasons, and for the page of usage."""

from collections.abc import Sequence

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, ExpressionWrapper, F, FloatField, Q, Sum
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.models import Attempt, Run
from workspace.compute.models import Node
from workspace.compute.placement import Need
from workspace.models import Workspace
from workspace.quotas.ledger import Excess, Ledger, Limit, Usage
from workspace.quotas.queries import limits_of


def ledger_of(workspace: Workspace, *, locked: bool = False, always: bool = False) -> Ledger:
    """The limits of an opened workspace and what is used of them; without any limit nobody asks what is used.

    `always` asks all the same. `locked` as in `limits_of`, for a claim that decides by it.
    """
    site, whole, everybody, people = limits_of(workspace, locked=locked)
    limits = Ledger(site, whole, everybody, people)
    if not limits and not always:
        return limits
    rows = Attempt.objects.filter(run__workspace=workspace, ended__isnull=True, node__isnull=False)
    sums = rows.values(user=F("run__submitted_by")).annotate(
        runs=Count("run", distinct=True),
        cpus=Sum("run__cpus"),
        gpus=Sum("run__gpus"),
        nodes=ArrayAgg("node", distinct=True),
    )
    used = {row["user"]: Usage(row["runs"], row["cpus"], row["gpus"], frozenset(row["nodes"])) for row in sums}
    return Ledger(site, whole, everybody, people, used)


def allowed(ledger: Ledger, node: str) -> Q:
    """Which waiting runs may start on this node by the limits, as SQL. The same as `Ledger.excess` for each."""
    if not ledger:
        return Q()
    total = ledger.total()
    found = _within(ledger.site, total, node) & _within(ledger.workspace, total, node)
    own = {user for user in (*ledger.people, *ledger.used) if user is not None}
    for user in sorted(own):
        found &= ~Q(submitted_by=user) | _within(ledger.of(user), ledger.used.get(user, Usage()), node)
    if ledger.everybody:
        # Runs of whoever is gone are turned away by the claim itself.
        found &= Q(submitted_by__in=own) | Q(submitted_by__isnull=True) | _within(ledger.everybody, Usage(), node)
    return found


def _within(limit: Limit, used: Usage, node: str) -> Q:
    nothing = Q(pk__isnull=True)
    if limit.runs is not None and used.runs >= limit.runs:
        return nothing
    if limit.nodes is not None and node not in used.nodes and len(used.nodes) >= limit.nodes:
        return nothing
    # A run on several nodes asks for the same of each: one that can never start must not keep a node free.
    # Not an empty Q: that would vanish from `|` instead of being true.
    found = Q(pk__isnull=False)
    if limit.cpus is not None:
        found &= Q(cpus=0) | Q(LessThanOrEqual(_of_all("cpus"), limit.cpus - used.cpus + 1e-6))
    if limit.gpus is not None:
        found &= Q(gpus=0) | Q(LessThanOrEqual(_of_all("gpus"), limit.gpus - used.gpus))
    if limit.nodes is not None:
        found &= Q(nodes__lte=limit.nodes)
    return found


def _of_all(column: str) -> ExpressionWrapper:
    return ExpressionWrapper(F(column) * F("nodes"), output_field=FloatField())


def permits(ledger: Ledger, run: Run, nodes: Sequence[Node]) -> bool:
    """Whether the limits allow this run on these nodes: for one of several nodes `allowed` says only the half of it."""
    many, names = len(nodes), frozenset(node.pk for node in nodes)
    return not ledger or not ledger.excess(run.submitted_by_id, Usage(1, run.cpus * many, run.gpus * many, names))


def excess_of(ledger: Ledger, need: Need) -> Excess | None:
    """The limit that keeps such a run waiting, whichever nodes it is for."""
    if not ledger:
        return None
    # On nodes that its person and the workspace use already, as far as there are such: they pass no limit of nodes.
    mine, many = ledger.used.get(need.user, Usage()).nodes or ledger.total().nodes, max(1, need.nodes)
    names = [*sorted(mine)[:many], *(f"new {n}" for n in range(many - len(mine)))]
    return ledger.excess(need.user, Usage(1, need.cpus * many, need.gpus * many, frozenset(names)))


def in_words(found: Excess) -> str:
    """The limit, what is used and what is asked for, as a sentence."""
    whose = {
        "site": _("The site's limit for this workspace"),
        "workspace": _("The workspace's limit"),
        "user": _("The limit of who submitted it"),
    }[found.scope]
    n = found.limit
    most = {
        "runs": ngettext("%(n)d run at once", "%(n)d runs at once", n),
        "cpus": ngettext("%(n)s CPU", "%(n)s CPUs", n),
        "gpus": ngettext("%(n)d GPU", "%(n)d GPUs", n),
        "nodes": ngettext("%(n)d node", "%(n)d nodes", n),
    }[found.amount]
    return _("%(whose)s is %(most)s. In use: %(used)s; it asks for %(asked)s.") % {
        "whose": whose,
        "most": most % {"n": n},
        "used": f"{found.used:g}",
        "asked": f"{found.asked:g}",
    }
