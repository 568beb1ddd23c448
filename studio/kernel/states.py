"""Changing a state without losing a race."""

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet


def advance(rows: QuerySet[Any], *, frm: Collection[str], field: str = "status", **changes: Any) -> bool:
    """Set `changes` on the one row if its state is still in `frm`; say whether we were the one.

    False means that somebody was faster: normal, stop quietly. Path not taken: select_for_update,
    which holds a lock over whatever the caller does next.
    """
    return rows.filter(**{f"{field}__in": list(frm)}).update(**changes) == 1
