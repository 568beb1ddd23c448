"""One deed done to many runs. Each is done, or refused, by itself: what one run does not allow holds up no other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from runs.models import Run
from runs.services import archive_run, cancel_run, delete_run, edit_run, restore_run
from runs.tables.colours import palette
from runs.tables.finding import MOST_AT_ONCE
from runs.tables.services import colour_run
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from workspace.access import get_workspace
from zaffre.protocol import FINAL_STATES

#: {deed: the action that a member needs for it}.
DEEDS = {
    "cancel": "run.cancel",
    "delete": "run.delete",
    "restore": "run.delete",
    "tag": "run.edit",
    "archive": "run.edit",
    "unarchive": "run.edit",
    "colour": "table.arrange",
}


@dataclass(frozen=True)
class Result:
    run: str
    name: str
    done: bool
    #: Why not: a word for programs and a sentence for people.
    code: str = ""
    message: str = ""


def do_to_runs(
    slug: str,
    runs: Sequence[str],
    *,
    actor: Actor,
    deed: str,
    tags: Mapping[str, Any] | None = None,
    colour: int | str | None = None,
) -> list[Result]:
    """Cancel, delete (into the recycle bin), restore, archive, tag or colour each of the runs; of each how it went.

    A tag that is None is taken away; `colour`: see `palette`. Raises Invalid for a deed that there is not and for more
    than MOST_AT_ONCE runs,
    Forbidden for who may do it to no run.
    """
    if deed not in DEEDS:
        raise Invalid(
            _("What can be done to runs is %(deeds)s, not %(deed)s.")
            % {"deeds": ", ".join(DEEDS), "deed": repr(deed[:40])},
            field="action",
        )
    workspace = get_workspace(slug, actor=actor, action=DEEDS[deed])
    ids = list(dict.fromkeys(runs))
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        raise Invalid(
            _("1 to %(most)s runs at once, not %(ids)s.") % {"most": MOST_AT_ONCE, "ids": len(ids)},
            field="runs",
            code="too_many",
        )
    if deed == "tag" and not tags:
        raise Invalid(_("Say which tags."), field="tags")
    colours = dict(zip(ids, palette(colour, len(ids)), strict=True)) if deed == "colour" else {}
    sound = [one for one in ids if "\0" not in one]
    rows = Run.objects.filter(workspace=workspace, pk__in=sound)
    known = {run: (name, status) for run, name, status in rows.values_list("pk", "name", "status")}
    work: dict[str, Callable[[str], object]] = {
        "cancel": lambda run: cancel_run(slug, run, actor=actor),
        "delete": lambda run: delete_run(slug, run, actor=actor),
        "archive": lambda run: archive_run(slug, run, actor=actor),
        "unarchive": lambda run: archive_run(slug, run, actor=actor, archived=False),
        "restore": lambda run: restore_run(slug, run, actor=actor),
        "tag": lambda run: edit_run(slug, run, actor=actor, tags=tags),
        "colour": lambda run: colour_run(slug, run, actor=actor, colour=colours[run]),
    }
    return [_result(one, *known.get(one, ("", "")), deed, work[deed]) for one in ids]


def _result(run: str, name: str, status: str, deed: str, work: Callable[[str], object]) -> Result:
    if deed == "cancel" and status in FINAL_STATES:
        return Result(run, name, False, "final", "The run has ended already.")
    try:
        work(run)
    except (Conflict, Forbidden, Invalid, NotFound) as refused:
        return Result(run, name, False, refused.code, " ".join(filter(None, [refused.message, refused.hint])))
    return Result(run, name, True)
