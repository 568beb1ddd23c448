"""Ten thousand waiting runs: the claim and the reaper find theirs by an index, whatever else is there."""

import json

from django.db import connection

from runs import waiting
from runs.models import Run
from studio.kernel.ids import ulid


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
