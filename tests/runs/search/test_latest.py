"""`Run.latest`, which PostgreSQL keeps from `metrics` for searches."""

import json

from runs.models import Run
from tests.runs.telemetry import Running, make_run  # noqa: F401 - a fixture


def latest(run: Running) -> dict[str, object]:
    return json.loads(Run.objects.values_list("latest", flat=True).get(pk=run.id))


def test_it_follows_what_is_written_and_tells_of_series_only(make_run):  # noqa: F811
    run = make_run()
    assert latest(run) == {}
    series = {"kind": "list", "last": 1.5, "latest": [3, 30, 1.5], "count": 2}
    nan = {**series, "latest": [0, 0, "NaN"]}
    found = {"loss": series, "nan": nan, "table": {"kind": "table"}, "odd": {"latest": None}}
    Run.objects.filter(pk=run.id).update(metrics=found)
    assert latest(run) == {"loss": 1.5, "nan": "NaN"}
    Run.objects.filter(pk=run.id).update(name="another", metrics={})
    assert latest(run) == {}
