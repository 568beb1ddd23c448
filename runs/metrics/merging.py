"""The background merge: small chunks become large ones, and of a large one it is written down what charts show of it.

Readers and writers go on meanwhile: a merged chunk takes the place and the id of its last part and remembers the ids
of all, so `since_seq` answers exactly what it answered before.
"""

from typing import Any

from django.db import transaction
from django.db.models import Q

from runs.metrics import columns, pyramid
from runs.metrics.columns import Series
from runs.metrics.models import MetricChunk

#: A merged chunk's size in points.
MERGED = 10_000
#: Points of a chunk from which on it is summed up: those of a smaller one are read as quickly as its sums.
SUMMED = 1000


def merge(run_id: str) -> int:
    """Join and sum up the chunks of a run; return how many rows were saved."""
    due = Q(count__lt=MERGED) | Q(first_time__isnull=True)
    keys = MetricChunk.objects.filter(due, run_id=run_id).values_list("key", flat=True)
    return sum(_merge_series(run_id, key) for key in sorted(set(keys)))


@transaction.atomic
def _merge_series(run_id: str, key: str) -> int:
    # The locks keep a second merge out; inserts of new chunks do not touch these rows.
    chunks = list(
        MetricChunk.objects.select_for_update(no_key=True)
        .filter(run_id=run_id, key=key)
        .order_by("id")
        .values_list("id", "count", "first_time")
    )
    saved = 0
    group: list[int] = []
    size, summed = 0, True
    for chunk, count, first_time in chunks:
        if group and size + count > MERGED:
            saved += _merge_group(group, size, summed)
            group, size = [], 0
        group.append(chunk)
        size += count
        summed = first_time is not None
    return saved + _merge_group(group, size, summed)


def _merge_group(ids: list[int], size: int, summed: bool) -> int:
    """`summed`: its last chunk is summed up, which is all that matters where there is only one."""
    if len(ids) < 2 and (summed or size < SUMMED):
        return 0
    rows = list(MetricChunk.objects.filter(pk__in=ids).order_by("id"))
    merged = columns.join(columns.unpack(row.data, row.count) for row in rows)
    changes: dict[str, Any] = _sums(merged) if len(merged) >= SUMMED else {}
    if len(ids) > 1:
        parts = [part for row in rows for part in (columns.unpack_parts(row.parts) or [(row.pk, row.count)])]
        MetricChunk.objects.filter(pk__in=ids[:-1]).delete()
        changes |= {
            "count": len(merged),
            "first_step": int(merged.step.min()),
            "last_step": int(merged.step.max()),
            "data": columns.pack(merged),
            "parts": columns.pack_parts(parts),
        }
    MetricChunk.objects.filter(pk=ids[-1]).update(**changes)
    return len(ids) - 1


def _sums(series: Series) -> dict[str, Any]:
    fine = pyramid.summed(series)
    one = pyramid.whole(fine)
    return {
        "fine": pyramid.pack(fine),
        "first_time": int(one.first_time[0]),
        "last_time": int(one.last_time[0]),
        "odd": int(one.odd[0]),
        "low": float(one.low[0]),
        "high": float(one.high[0]),
        "total": float(one.total[0]),
    }
