"""Ten thousand waiting runs: the claim and the reaper find theirs by an index, whatever else is there."""

import json

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs import waiting
from runs.models import Experiment, Run
from runs.services import bring_forward, claim_runs
from runs.services.scaling import tend_clusters
from studio.kernel import db
from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.ids import ulid
from tests.runs.control.conftest import WS
from workspace.compute.models import Node


def plan_of(rows) -> str:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE runs_run")
    return json.dumps(json.loads(rows.explain(format="json")))


def test_the_claim_and_the_reaper_read_no_long_queue(carl):
    one = carl.submit()
    place = {"workspace": one.workspace, "experiment": one.experiment, "target": one.target}
    Run.objects.bulk_create(
        [Run(id=ulid(), number=n, name="x", status="queued", priority=n % 7, **place) for n in range(2, 10_002)]
    )
    first = plan_of(waiting.in_order(one.target_id)[:1])
    assert "runs_waiting" in first
    assert '"Sort"' not in first, "the order is the index's own"
    executing = ["running", "starting", "preparing", "finalizing"]
    late = Run.objects.filter(status__in=executing, started__isnull=False, config__max_duration_seconds__isnull=False)
    assert "runs_executing" in plan_of(late)


def fill(one: Run, many: int) -> None:
    """So many runs more wait behind this one, which can start as it can."""
    place = {"workspace": one.workspace, "experiment": one.experiment, "target": one.target, "config": one.config}
    code = {"snapshot": one.snapshot, "environment_version": one.environment_version, "submitted_by": one.submitted_by}
    first = one.experiment.run_counter + 1
    Run.objects.bulk_create(
        Run(id=ulid(), number=n, name="x", status="queued", turn=n, queued_at=timezone.now(), **place, **code)
        for n in range(first, first + many)
    )
    Experiment.objects.filter(pk=one.experiment_id).update(run_counter=first + many)


def test_ten_thousand_runs_that_wait_cost_no_statement_more(carl, machine, monkeypatch):
    """Of the claim, the lists, the tab and the rounds of the relay; and an urgent run is still the next."""
    for name in "abc":
        machine(name)
    one = carl.submit()
    place = {"workspace_id": one.workspace_id, "target_id": one.target_id}
    nodes = [Actor(kind="node", name=node.name, node_id=node.pk, **place) for node in Node.objects.order_by("name")]
    one = Run.objects.select_related("experiment").get(pk=one.pk)
    fill(one, 120)

    asked = []
    ask = db.ask
    # What is asked without the ORM is not among the statements that it has seen.
    monkeypatch.setattr(db, "ask", lambda *told: asked.append(told) or ask(*told))

    def counted(work) -> int:
        asked.clear()
        with CaptureQueriesContext(connection) as seen:
            work()
        return len(seen) + len(asked)

    def rounds() -> None:
        bring_forward(actor=SYSTEM)
        tend_clusters(actor=SYSTEM)

    def look() -> list[int]:
        answers = [carl.client.get(at) for at in (f"{WS}/runs?limit=50", f"{WS}/compute/local/queue", f"{WS}/compute")]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        return [len(answer.content) for answer in answers]

    few = (counted(lambda: claim_runs(actor=nodes[0], nonce="a")), counted(look), counted(rounds))
    assert few[0] > 5, "the claim's statements are seen"
    one.experiment.refresh_from_db()
    fill(one, 10_000)
    urgent = carl.submit(priority=9)
    claimed = []
    many = (counted(lambda: claimed.extend(claim_runs(actor=nodes[1], nonce="b"))), counted(look), counted(rounds))
    assert [spec["run"] for spec in claimed] == [urgent.pk]
    assert many == few
    assert max(look()) < 200_000, "a page of a long list is a page"
    assert carl.client.get(f"{WS}/compute/local/queue").json()["count"] > 10_000
    claim_runs(actor=nodes[2], nonce="c")
    assert Run.objects.filter(status="queued").count() == 10_119, "and it drains"
