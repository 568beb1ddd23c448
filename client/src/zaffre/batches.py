"""The bodies of requests that carry what was logged: points and items, each below the limits of the studio."""

from __future__ import annotations

import json
import uuid
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from zaffre.protocol import (
    MAX_ITEMS_PER_BATCH,
    MAX_JSON_BODY,
    MAX_POINTS_PER_BATCH,
    MAX_ROWS_PER_BATCH,
    ROW,
    TABLE,
    MetricItem,
)
from zaffre.values import wire_value

Point = Tuple[str, float, int, int]


def bodies(
    points: List[Point], items: List[MetricItem], tags: Mapping[str, str], descriptions: Mapping[str, str]
) -> List[bytes]:
    """Request bodies that hold all of it, in the order of logging; tags and descriptions go with the first one."""
    found: List[bytes] = []
    words: Dict[str, Any] = {}
    if tags:
        words["tags"] = dict(tags)
    if descriptions:
        words["descriptions"] = dict(descriptions)
    for at in range(0, len(points), MAX_POINTS_PER_BATCH):
        found += _with_points(points[at : at + MAX_POINTS_PER_BATCH], words)
        words = {}
    for group in _groups(_joined(items)):
        found += _with_items(group, words)
        words = {}
    return found or [_encoded(words)]


def _with_points(points: List[Point], words: Mapping[str, Any]) -> List[bytes]:
    values: List[List[Any]] = [[key, wire_value(value), step, time_ms] for key, value, step, time_ms in points]
    encoded = _encoded({"points": values, **words})
    if len(encoded) < MAX_JSON_BODY or len(points) < 2:
        return [encoded]
    middle = len(points) // 2
    return _with_points(points[:middle], words) + _with_points(points[middle:], {})


def _with_items(items: List[MetricItem], words: Mapping[str, Any]) -> List[bytes]:
    encoded = _encoded({"items": items, **words})
    if len(encoded) < MAX_JSON_BODY:
        return [encoded]
    if len(items) > 1:
        middle = len(items) // 2
        return _with_items(items[:middle], words) + _with_items(items[middle:], {})
    parts = _halves(items[0])
    if not parts:
        return [encoded]
    return _with_items([parts[0]], words) + _with_items([parts[1]], {})


def _joined(items: List[MetricItem]) -> Iterator[MetricItem]:
    """Rows that were logged one after another under one name, with the same columns, as one item of several rows."""
    held: Dict[str, MetricItem] = {}
    for item in items:
        if item["kind"] != ROW:
            yield from held.values()
            held = {}
            yield item
            continue
        before = held.get(item["key"])
        if before is not None and list(before["value"]) == list(item["value"]):
            for column, cells in item["value"].items():
                before["value"][column] += cells
            before["description"] = item.get("description") or before.get("description") or ""
            continue
        if before is not None:
            yield held.pop(item["key"])
        held[item["key"]] = {**item, "value": {column: list(cells) for column, cells in item["value"].items()}}
    yield from held.values()


def _groups(items: Iterator[MetricItem]) -> Iterator[List[MetricItem]]:
    """Items as batches may hold them: not too many, and not too many rows of tables."""
    group: List[MetricItem] = []
    rows = 0
    for item in items:
        for piece in _pieces(item):
            count = _rows(piece)
            if group and (len(group) == MAX_ITEMS_PER_BATCH or rows + count > MAX_ROWS_PER_BATCH):
                yield group
                group, rows = [], 0
            group.append(piece)
            rows += count
    if group:
        yield group


def _pieces(item: MetricItem) -> Iterator[MetricItem]:
    for at in range(0, max(_rows(item), 1), MAX_ROWS_PER_BATCH):
        yield _cut(item, at, at + MAX_ROWS_PER_BATCH) if _rows(item) > MAX_ROWS_PER_BATCH else item


def _halves(item: MetricItem) -> List[MetricItem]:
    count = _rows(item)
    return [_cut(item, 0, count // 2), _cut(item, count // 2, count)] if count > 1 else []


def _cut(item: MetricItem, start: int, end: int) -> MetricItem:
    return {**item, "value": {column: cells[start:end] for column, cells in item["value"].items()}}


def _rows(item: MetricItem) -> int:
    if item["kind"] not in (ROW, TABLE):
        return 0
    return len(next(iter(item["value"].values()), []))


def _encoded(body: Mapping[str, Any]) -> bytes:
    whole = {"batch": uuid.uuid4().hex, **body}
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
