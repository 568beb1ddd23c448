"""What a run logged and is no number: how it is summed up, stored and read. The caller has authorised the actor."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from django.db import connection

from runs.metrics import documents
from runs.metrics.wire import Item
from zaffre import protocol

#: A page of items ends after so many bytes of values: one document may be large.
PAGE_BYTES = 4 * 1024 * 1024
#: A text is shown in tables of runs; the whole of it is read as an item.
_SHOWN_TEXT = 250
_INSERT = """
INSERT INTO metrics_metricitem (run_id, key, kind, step, time, description, rows, value)
SELECT * FROM unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::bigint[], %s::bigint[], %s::text[], %s::int[],
                     %s::bytea[])
"""
_READ = """
SELECT id, key, kind, step, time, description, value FROM metrics_metricitem WHERE id = ANY(%s) ORDER BY id
"""
_CHOOSE = """
SELECT id, octet_length(value) FROM metrics_metricitem
WHERE run_id = %s AND id > %s AND (%s::varchar[] IS NULL OR key = ANY(%s::varchar[])) ORDER BY id LIMIT %s
"""

_PICTURES = """
SELECT run_id, key, step, value FROM metrics_metricitem WHERE run_id = ANY(%s) AND kind = %s ORDER BY id LIMIT %s
"""

_TABLES = """
SELECT run_id, key, step, value FROM metrics_metricitem
WHERE run_id = ANY(%s) AND kind = ANY(%s) AND octet_length(value) <= %s
ORDER BY key, array_position(%s::varchar[], run_id), id LIMIT %s
"""
#: Bytes of one logged table that is put beside others.
MOST_TABLE = 256 * 1024


def summed_up(before: dict[str, Any] | None, new: Sequence[Item]) -> dict[str, Any]:
    """The summary {kind, count, last_step, …} of a key after `new` items: it has no `latest`, which is for numbers.

    `count` is of rows for tables. A table also has its `columns`, a text its `last` value, an image its `last` path.
    """
    last = new[-1]
    found: dict[str, Any] = {
        "kind": last.kind if before is None or before["kind"] == last.kind else protocol.TABLE,
        "count": (before or {}).get("count", 0) + sum(item.rows for item in new),
        "last_step": last.step,
    }
    if last.kind in documents.TABULAR:
        names = list((before or {}).get("columns", []))
        names += [name for item in new for name in item.value]
        found["columns"] = list(dict.fromkeys(names))[: protocol.MAX_COLUMNS]
    elif last.kind == protocol.TEXT:
        found["last"] = last.value[:_SHOWN_TEXT]
    elif last.kind == protocol.IMAGE:
        found["last"] = last.value["path"]
    description = next((item.description for item in reversed(new) if item.description), "")
    if description or (before or {}).get("description"):
        found["description"] = description or (before or {})["description"]
    return found


def insert(items: Sequence[tuple[str, Item]], *, now: int) -> None:
    """Store (run, item) pairs in the caller's transaction; `now` in milliseconds is for items without a time."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                [run for run, _ in items],
                [item.key for _, item in items],
                [item.kind for _, item in items],
                [item.step for _, item in items],
                [item.time or now for _, item in items],
                [item.description for _, item in items],
                [item.rows for _, item in items],
                [item.stored for _, item in items],
            ],
        )


def page(run_id: str, *, keys: Sequence[str] | None, after: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """At most `limit` items after id `after`, in the order of logging, and the id to go on after (None at the end).

    An item is {id, key, kind, step, time, description, value}, `value` being JSON as it was stored.
    """
    with connection.cursor() as cursor:
        chosen = None if keys is None else list(keys)
        cursor.execute(_CHOOSE, [run_id, after, chosen, chosen, limit + 1])
        ids: list[int] = []
        size = 0
        known: list[tuple[int, int]] = cursor.fetchall()
        for id_, length in known[:limit]:
            if ids and size + length > PAGE_BYTES:
                break
            ids.append(id_)
            size += length
        cursor.execute(_READ, [ids])
        found = list(_shown(cursor))
    return found, ids[-1] if len(ids) < len(known) else None


def pictures(run_ids: Sequence[str], *, limit: int) -> list[tuple[str, str, int | None, str]]:
    """(run, key, step, path) of the images of several runs, in the order of logging."""
    with connection.cursor() as cursor:
        cursor.execute(_PICTURES, [list(run_ids), protocol.IMAGE, limit])
        rows = cursor.fetchall()
    return [(run, key, step, msgspec.json.decode(bytes(value))["path"]) for run, key, step, value in rows]


def tables(run_ids: Sequence[str], *, limit: int) -> list[tuple[str, str, int | None, Any]]:
    """(run, key, step, {column: [cell]}) of the tables and rows of several runs, by key, in the order of the runs."""
    ids = list(run_ids)
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [ids, list(documents.TABULAR), MOST_TABLE, ids, limit])
        rows = cursor.fetchall()
    return [(run, key, step, msgspec.json.decode(bytes(value))) for run, key, step, value in rows]


def _shown(rows: Any) -> Iterator[dict[str, Any]]:
    for id_, key, kind, step, time, description, value in rows:
        yield {
            "id": id_,
            "key": key,
            "kind": kind,
            "step": step,
            "time": time,
            "description": description,
            "value": msgspec.Raw(bytes(value)),
        }
