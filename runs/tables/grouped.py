"""The runs of a grouped table that charts draw as one line for each group."""

from dataclasses import replace

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from runs.models import colour_of
from runs.search import look
from runs.tables.finding import Place, chosen, groups, value_in
from runs.tables.forms import Asked
from studio.kernel.actors import Actor

#: Groups that a chart draws, and runs of each: as many as one chart reads.
MOST_GROUPS_DRAWN, MOST_OF_GROUP_DRAWN = 10, 20


def runs_of_groups(place: Place, asked: Asked, *, actor: Actor) -> list[tuple[str | None, list[tuple[str, str, int]]]]:
    """[(value, [(id, name, colour)])]: the newest runs of the first groups of the first level, for charts of groups."""
    rows, tree = chosen(place, asked, actor=actor)
    level = replace(asked, groups=asked.groups[:1])
    listed = [one.values[0] for one in groups(place, level, asked.columns, actor=actor)[0][:MOST_GROUPS_DRAWN]]
    if not listed:
        return []
    newest = Window(RowNumber(), partition_by=[F("found")], order_by=F("pk").desc())
    wanted = Q(found__in=[one for one in listed if one is not None])
    if None in listed:
        wanted |= Q(found__isnull=True)
    inside = rows.annotate(found=value_in(level.groups[0])).filter(wanted)
    ranked = inside.annotate(place=newest).filter(place__lte=MOST_OF_GROUP_DRAWN).order_by("-pk")
    held: dict[str | None, list[tuple[str, str, int]]] = {one: [] for one in listed}
    told = ("found", "pk", "name", "number", "given_colour")
    for found, run, name, number, given in look(tree, lambda: list(ranked.values_list(*told))):
        held[None if found is None else str(found)].append((run, name, colour_of(number, given)))
    return list(held.items())
