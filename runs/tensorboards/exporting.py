"""The metrics of a run as an event file, in a zip that is made while it is sent."""

from collections.abc import Iterator, Mapping
from itertools import islice

from runs.metrics import columns
from runs.metrics.columns import Series
from runs.metrics.models import MetricChunk
from runs.metrics.queries import newest
from runs.models import Run
from runs.queries import get_run_as_told
from studio.kernel import zipping
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from zaffre import tfevents
from zaffre.protocol import SYSTEM_PREFIX

#: Points of one file. Of a run with more each series is thinned by the same share; its extremes stay.
MOST_POINTS = 1_000_000
#: Rows of one question: a merged one has ten thousand points.
PAGE = 50
#: Points that are written, and bytes that are sent, at a time: writing a point takes some 20 microseconds of a thread.
_AT_ONCE = 1000
_PIECE = 64 * 1024


def numbers_of(metrics: Mapping[str, dict[str, object]]) -> dict[str, int]:
    """How many points each series has that an event file takes: numbers, and none of the machine's own samples."""
    return {
        key: int(str(told.get("count", 1)))
        for key, told in metrics.items()
        if told.get("kind", "list") in ("scalar", "list") and not key.startswith(SYSTEM_PREFIX)
    }


def pack(slug: str, run_id: str, *, actor: Actor) -> zipping.Packed:
    """<id>/events.out.tfevents.… with the run's numbers. Raises NotFound for a run without any, and as get_run.

    The folder has the name that `zaffre run export-tensorboard` gives it, so both fit below one log folder.
    """
    run = get_run_as_told(slug, run_id, actor=actor, deleted=False)
    counts = numbers_of(run.metrics)
    if not counts:
        raise NotFound("The run has logged no numbers.", code="no_metrics")
    upto = newest(run.pk, actor=actor)
    path = f"{run.pk}/events.out.tfevents.{int(run.created.timestamp()):010d}.{run.pk}"
    member = zipping.Member(path, _written(run, counts, upto))
    return zipping.Packed(f"{run.name}-tfevents.zip", zipping.zipped([member], piece=_PIECE))


def _written(run: Run, counts: Mapping[str, int], upto: int) -> Iterator[bytes]:
    share = min(1.0, MOST_POINTS / max(1, sum(counts.values())))
    yield tfevents.record(tfevents.opening(run.created.timestamp()))
    for key in sorted(counts):
        for series in _pieces(run.pk, key, upto):
            # By the piece, because a whole series may not fit into memory.
            shown = series if share == 1 else columns.thin(series, max(1, int(len(series) * share)))
            yield from _records(key, shown)


def _pieces(run_id: str, key: str, upto: int) -> Iterator[Series]:
    """A series in the order of logging, as far as the chunk `upto`, which bounds that of a run that goes on."""
    since = 0
    rows = MetricChunk.objects.filter(run_id=run_id, key=key).order_by("pk")
    while since < upto and (page := list(rows.filter(pk__gt=since).values_list("pk", "count", "data", "parts")[:PAGE])):
        for chunk, count, data, parts in page:
            series = columns.unpack(data, count)
            # Chunks may be merged between two pages: then the front of the next one was read already.
            known = columns.known_points(columns.unpack_parts(parts), since) if since and parts else 0
            yield series.take(slice(known, None)) if known else series
            since = chunk


def _records(key: str, series: Series) -> Iterator[bytes]:
    points = zip(series.step.tolist(), series.value.tolist(), series.time.tolist(), strict=True)
    while some := list(islice(points, _AT_ONCE)):
        yield b"".join(
            tfevents.record(tfevents.scalar(key, value, step=step, wall_time=time / 1000)) for step, value, time in some
        )
