"""What a table of runs says, in the page's language."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.tables.columns import ATTRIBUTES, GROUPED, Column

#: What the attributes of a run are called.
_ATTRIBUTES = {
    "status": gettext_lazy("Status"),
    "experiment": gettext_lazy("Experiment"),
    "user": gettext_lazy("User"),
    "created": gettext_lazy("Created"),
    "started": gettext_lazy("Started"),
    "ended": gettext_lazy("Ended"),
    "duration": gettext_lazy("Duration"),
    "target": gettext_lazy("Compute"),
    "environment": gettext_lazy("Environment"),
    "number": gettext_lazy("Number"),
    "kind": gettext_lazy("Kind"),
    "parent": gettext_lazy("Parent run"),
    "description": gettext_lazy("Description"),
    "reason": gettext_lazy("Reason"),
    "attempt": gettext_lazy("Attempt"),
    "exit_code": gettext_lazy("Exit code"),
    "id": gettext_lazy("Id"),
    "name": gettext_lazy("Run"),
}


def label(column: Column) -> str:
    """The head of a column."""
    return str(_ATTRIBUTES.get(column.key, column.key)) if column.kind == "attribute" else column.label


def aggregates() -> dict[str, str]:
    """How the numbers of a group become one."""
    return {
        "mean": _("mean"),
        "min": _("lowest"),
        "max": _("highest"),
        "std": _("std. deviation"),
        "count": _("how many"),
    }


def picked(columns: Sequence[Column], groups: Sequence[Column]) -> dict[str, Any]:
    """What the dialogs of columns and groups begin with, for their script."""
    return {
        "columns": [_told(one) for one in columns],
        "group": [_told(one) for one in groups],
        "attributes": [[key, label(Column("attribute", key))] for key in ATTRIBUTES],
        "grouped": GROUPED,
    }


def _told(column: Column) -> dict[str, str]:
    return {"kind": column.kind, "key": column.key, "part": column.part, "of": column.of}


def words() -> dict[str, str]:
    """Sentences that the table's scripts say."""
    return {
        "many": _("{count} selected"),
        "elsewhere": _("{count} selected, {away} of them not on this page"),
        "whole": _("All that fit are selected"),
        "working": _("{done} of {count}…"),
        "how_cancel": _("Cancel {count} selected runs?"),
        "how_delete": _("Delete {count} selected runs?"),
        "how_tag": _("A tag for {count} selected runs."),
        "how_colour": _("A colour for {count} selected runs."),
        "done_colour": _("Coloured: {count}"),
        "done_cancel": _("Cancel was asked for: {count}"),
        "done_delete": _("Deleted: {count}"),
        "done_restore": _("Restored: {count}"),
        "done_tag": _("Tagged: {count}"),
        "done_archive": _("Archived: {count}"),
        "done_unarchive": _("Shown again: {count}"),
        "freed": _("{size} become free when the bin is emptied of them."),
        "final": _("Already over: {count}"),
        "not_final": _("Not ended yet: {count}"),
        "forbidden": _("Of others: {count}"),
        "other": _("Refused: {count}"),
        "updated": _("as of {time}"),
        "paused": _("not updated"),
        "behind": _("The studio does not answer; this is as of {time}"),
        "columns": _("Columns"),
        "group": _("Group by"),
        "search": _("Search, or an /expression/"),
        "metrics": _("Metrics"),
        "params": _("Parameters"),
        "tags": _("Tags"),
        "system": _("System"),
        "attributes": _("About the run"),
        "shown": _("Shown, in this order"),
        "levels": _("Groups, the outermost first"),
        "none": _("Nothing is chosen."),
        "nothing": _("Nothing has such a name."),
        "up": _("Move up"),
        "down": _("Move down"),
        "away": _("Take away"),
        "apply": _("Apply"),
        "reset": _("Usual columns"),
        "ungroup": _("No groups"),
        "last": _("latest value"),
        "min": _("lowest value"),
        "max": _("highest value"),
        "count": _("number of points"),
        "at_min": _("at the lowest"),
        "at_max": _("at the highest"),
        "value": _("Which value"),
        "of": _("Of which metric"),
        "keys": _("Alt with the arrow keys changes the order."),
        "toomany": _("At most {most} runs are compared."),
        "all_runs": _("All runs of this group"),
        **_of_charts_and_rows(),
    }


def _of_charts_and_rows() -> dict[str, str]:
    return {
        "scatter": _("Scatter"),
        "parallel": _("Parallel coordinates"),
        "choose": _("Choose…"),
        "usual_charts": _("Usual charts"),
        "two_runs": _("It takes at least two runs that are shown."),
        "none_of": _("none"),
        "seen": _("Show in charts"),
        "unseen": _("Hide in charts"),
        "open": _("Open"),
        "open_tab": _("Open in a new tab"),
        "copy_id": _("Copy the id"),
        "unfold": _("Show the runs below it"),
        "fold": _("Put the runs below it away"),
        "file": _("Save as {kind}"),
        "menu_of": _("What can be done to {name}"),
    }
