"""Many runs at once, for tables about reading: one is logged through the door, the rest are copied in the database.

The same numbers on both sides: value of metric `k` of run `g` is a function of both.
"""

from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.servers import Bench, Side

METRICS, PARAMS = 20, 20
#: The experiment of the many runs.
GROUP = "reads"
#: What was seeded, by the bench's folder: two tables may ask for it.
_held: dict[Path, dict[str, "Seeded"]] = {}
_VALUE = "((g::bigint * 7919 + k * 104729) % 100003) / 100003.0"
_STATUS = {"ours": ("completed", "failed"), "MLflow": ("FINISHED", "FAILED")}


@dataclass(frozen=True)
class Seeded:
    """Per side: the experiment of the many runs, one of them, and the runs with long histories."""

    experiment: str
    run: str
    long: str
    many: tuple[str, ...]


def seed(bench: Bench, runs: int, points: int) -> dict[str, Seeded]:
    """`runs` runs of METRICS metrics and PARAMS params; one history of `points` points, ten of a tenth of that."""
    found = _held.setdefault(bench.home, {})
    for side in bench.sides:
        if side.name in found:
            continue
        group = side.experiment(GROUP)
        pattern = side.run(group)
        pairs = [{"key": f"p{k}", "value": "1"} for k in range(PARAMS)]
        values = [{"key": f"m{k}", "value": 0.5, "timestamp": 1000, "step": 0} for k in range(METRICS)]
        tags = [{"key": "model", "value": "m1"}]
        side.post("runs/log-batch", run_id=pattern, metrics=values, params=pairs, tags=tags)
        side.post("runs/update", run_id=pattern, status="FINISHED", end_time=2000)
        place = bench.database.replace("/limits", "/zaffre" if side is bench.ours else "/mlflow")
        with psycopg.connect(place, autocommit=True) as line:
            (_copy_ours if side is bench.ours else _copy_theirs)(line, pattern, runs)
        histories = side.experiment("histories")
        long = _history(side, histories, points, line_to=place)
        many = tuple(_history(side, histories, points // 10, line_to=place) for _ in range(10))
        with psycopg.connect(place, autocommit=True) as line:
            line.execute("VACUUM ANALYZE")
        found[side.name] = Seeded(group, pattern, long, many)
    return found


def _copy_ours(line: "psycopg.Connection[tuple[object, ...]]", pattern: str, runs: int) -> None:
    # What PostgreSQL generates it takes from nobody.
    written = line.execute(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),"
        " string_agg('made.' || quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'runs_run'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
    ).fetchone()
    assert written is not None
    columns, made = written
    # Each row is made once; `(jsonb_populate_record(…)).*` would make it once for each of its columns.
    line.execute(
        f"""
        INSERT INTO runs_run ({columns}) SELECT {made} FROM runs_run r, generate_series(1, %s) g,
        LATERAL jsonb_populate_record(r, jsonb_build_object(
            'id', left(r.id, 20) || lpad(g::text, 6, '0'),
            'number', r.number + g, 'name', 'run ' || g,
            'status', (%s::text[])[1 + (g %% 2)], 'started', r.started + g * interval '1 second',
            'tags', jsonb_build_object('model', 'm' || g %% 10),
            'params', (SELECT jsonb_object_agg('p' || k, ((g + k) %% 50)::text)
                       FROM generate_series(0, {PARAMS - 1}) k),
            'metrics', (SELECT jsonb_object_agg('m' || k, r.metrics->'m0' || jsonb_build_object(
                'last', v, 'min', v, 'max', v, 'latest', jsonb_build_array(0, 1000, v)))
                FROM (SELECT k, {_VALUE.replace("%", "%%")} AS v FROM generate_series(0, {METRICS - 1}) k) AS one)
        )) AS made
        WHERE r.id = %s
        """,
        [runs, list(_STATUS["ours"]), pattern],
    )


def _copy_theirs(line: "psycopg.Connection[tuple[object, ...]]", pattern: str, runs: int) -> None:
    line.execute(
        """INSERT INTO runs SELECT made.* FROM runs r, generate_series(1, %s) g,
           LATERAL jsonb_populate_record(r, jsonb_build_object(
               'run_uuid', lpad(to_hex(g), 32, '0'), 'name', 'run ' || g, 'start_time', 1000 + g * 1000,
               'status', (%s::text[])[1 + (g %% 2)])) AS made
           WHERE r.run_uuid = %s""",
        [runs, list(_STATUS["MLflow"]), pattern],
    )
    value = f"'value', (SELECT {_VALUE.replace('%', '%%')} FROM (SELECT substring(r.key, 2)::int AS k) AS one)"
    for table, change in (
        ("metrics", value),
        ("latest_metrics", value),
        ("params", "'value', ((g + substring(r.key, 2)::int) %% 50)::text"),
        ("tags", "'value', CASE r.key WHEN 'model' THEN 'm' || g %% 10 ELSE r.value END"),
    ):
        line.execute(
            f"""INSERT INTO {table} SELECT made.* FROM {table} r, generate_series(1, %s) g,
                LATERAL jsonb_populate_record(r, jsonb_build_object(
                    'run_uuid', lpad(to_hex(g), 32, '0'), {change})) AS made
                WHERE r.run_uuid = %s""",
            [runs, pattern],
        )


def _history(side: Side, group: str, points: int, *, line_to: str) -> str:
    """A run with one long series. Ours is logged through the door; MLflow's rows are copied, for it takes so long."""
    run = side.run(group)
    for begin in range(0, points if side.name == "ours" else 1, 1000):
        count = min(1000, points - begin) if side.name == "ours" else 1
        metrics = [
            {"key": "loss", "value": 1 / (at + 1), "timestamp": 1000 + at, "step": at}
            for at in range(begin, begin + count)
        ]
        side.post("runs/log-batch", run_id=run, metrics=metrics)
    if side.name != "ours":
        with psycopg.connect(line_to, autocommit=True) as line:
            line.execute(
                """INSERT INTO metrics SELECT made.* FROM metrics r, generate_series(1, %s) g,
                   LATERAL jsonb_populate_record(r, jsonb_build_object(
                       'timestamp', 1000 + g, 'step', g, 'value', 1.0 / (g + 1))) AS made
                   WHERE r.run_uuid = %s""",
                [points - 1, run],
            )
    return run
