"""Rows that are files, each with its whole `path` and `size`, seen folder by folder."""

from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Count, Func, Max, QuerySet, Sum, Value
from django.db.models.functions import StrIndex, Substr


@dataclass(frozen=True)
class Entry:
    """Something directly in a folder: a file with its size, or a folder with those of all files below it."""

    name: str
    is_folder: bool
    size: int
    files: int


class _SplitPart(Func):
    function = "SPLIT_PART"
    output_field = CharField()


def look_into(rows: QuerySet[Any], folder: str, *, after: str = "", most: int | None = None) -> list[Entry]:
    """What lies directly in `folder` (empty: the root) among `rows`, by name; nothing for a file.

    At most `most` entries, those whose name comes behind `after`.
    """
    prefix = f"{folder}/" if folder else ""
    # One statement that groups in the database: a folder of a hundred thousand files is one row of the answer.
    found = (
        rows.filter(path__startswith=prefix.replace("\0", ""))
        .annotate(rest=Substr("path", len(prefix) + 1))
        .annotate(deeper=StrIndex("rest", Value("/")))
        .annotate(name=_SplitPart("rest", Value("/"), Value(1)))
        .filter(**({"name__gt": after.replace("\0", "")} if after else {}))
        .values("name")
        .annotate(deepest=Max("deeper"), total=Sum("size"), count=Count("pk"))
        .order_by("name")
    )
    return [Entry(row["name"], row["deepest"] > 0, row["total"], row["count"]) for row in found[:most]]
