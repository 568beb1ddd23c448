"""What may be typed next in a filter of runs: fields, operators and values that the newest runs know."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Func, QuerySet, TextField

from runs.filters import words
from runs.filters.cursor import Cursor, at_cursor, field_of, quoted, quoted_key
from runs.models import Experiment, Run
from runs.queries import get_experiment
from runs.search import member, storable
from studio.kernel.actors import Actor
from workspace.access import get_workspace

#: So many of the newest runs say which keys and values there are: fast however many runs there are.
NEWEST = 200
MOST_KEYS = 500
MOST_SHOWN = 12
_COLUMNS = {"metric": "metrics", "param": "params", "tag": "tags", "property": "properties"}
_MOMENTS = ("-1h", "-24h", "-7d", "-30d", "today", "yesterday")
_LENGTHS = ("30s", "5m", "1h", "1d")
#: Attributes that have a shorter name: known, but not suggested.
_UNSAID = {"run_id", "run_name", "user_id", "start_time", "end_time", "lifecycle_stage", "artifact_uri"}


def complete(slug: str, *, actor: Actor, text: str, cursor: int, experiment: str | None = None) -> dict[str, Any]:
    """Return {start, end, items: [{insert, label, kind}]}: `insert` replaces the characters from start to end.

    Keys and values are those of the newest runs of the workspace or the experiment.
    Raises NotFound for an unknown experiment.
    """
    workspace = get_workspace(slug, actor=actor, action="run.read")
    rows = Run.objects.filter(workspace=workspace, deleted__isnull=True)
    if actor.kind == "run":
        rows = rows.filter(pk=actor.run_id)
    if experiment:
        rows = rows.filter(experiment=get_experiment(slug, experiment, actor=actor))
    text = text[:10_000]
    cursor = min(max(cursor, 0), len(text))
    place = at_cursor(text, cursor)
    newest = Run.objects.filter(pk__in=rows.order_by("-pk").values("pk")[:NEWEST])
    found = {
        "field": lambda: _fields(place, newest),
        "operator": lambda: _operators(place, newest),
        "null": lambda: _of("operator", ("NULL", "NOT NULL")),
        "open": lambda: _of("operator", ("(",)),
        "value": lambda: _of("value", _values(place, newest, workspace.pk)),
        "join": lambda: _of("operator", ("and", "or")),
    }[place.wanted]()
    typed = _bare(place.typed)
    fitting = [one for one in found if typed.lower() in _bare(one["label"]).lower()]
    fitting.sort(key=lambda one: _farness(typed, _bare(one["label"])))
    return {"start": place.start, "end": cursor, "items": fitting[:MOST_SHOWN]}


def _bare(word: str) -> str:
    return word.strip("'\"").replace("`", "")


def _farness(typed: str, label: str) -> int:
    """What begins as it was typed comes first."""
    return 0 if label.startswith(typed) else 1 if label.lower().startswith(typed.lower()) else 2


def _of(kind: str, labels: Iterable[str]) -> list[dict[str, str]]:
    return [{"insert": f"{label} " if label != "(" else label, "label": label, "kind": kind} for label in labels]


def _fields(place: Cursor, newest: QuerySet[Run]) -> list[dict[str, str]]:
    kind, key = field_of(place.typed)
    if kind == "dataset":
        return _of("dataset", (f"datasets.{name}" for name in words.OF_DATASETS))
    if kind in _COLUMNS:
        return _of(kind, _named(kind, newest))
    attributes = [name for name in words.RUN_ATTRIBUTES if name not in _UNSAID or (key and name.startswith(key))]
    found = _of("attribute", attributes)
    begun = [{"insert": f"{plural}.", "label": f"{plural}.", "kind": kind} for kind, plural in words.PLURALS.items()]
    if not place.typed:
        return [*begun[:3], *found]
    # A key is found by its own name, too.
    return [*begun, *found, *(one for kind in ("metric", "param", "tag") for one in _of(kind, _named(kind, newest)))]


def _named(kind: str, newest: QuerySet[Run]) -> list[str]:
    keys = newest.annotate(said=Func(F(_COLUMNS[kind]), function="jsonb_object_keys", output_field=TextField()))
    names = sorted(keys.order_by().values_list("said", flat=True).distinct()[:MOST_KEYS])
    return [f"{words.PLURALS[kind]}.{name}" for name in map(quoted_key, names) if name is not None]


def _operators(place: Cursor, newest: QuerySet[Run]) -> list[dict[str, str]]:
    if place.kind == "attribute" and place.key not in words.RUN_ATTRIBUTES:
        # A word that stands alone: another comparison may follow.
        return [*_of("operator", ("and", "or")), *_fields(place, newest)]
    return _of("operator", words.OPERATORS[words.values_of(place.kind, place.key, words.RUN_ATTRIBUTES)])


def _values(place: Cursor, newest: QuerySet[Run], workspace: int) -> Iterable[str]:
    kind, key = place.kind, place.key
    if kind in ("param", "tag", "property"):
        known = newest.annotate(said=member(_COLUMNS[kind], storable(key))).filter(said__isnull=False)
        return map(quoted, sorted(known.order_by().values_list("said", flat=True).distinct()[:100]))
    if kind != "attribute":
        return ()
    values = words.RUN_ATTRIBUTES.get(key)
    if values == "time":
        return _MOMENTS
    if values == "length":
        return _LENGTHS
    if values == "status":
        return (*words.STATES, *dict.fromkeys(words.STATES.values()))
    if key == "experiment":
        names = Experiment.objects.filter(workspace=workspace, archived__isnull=True).order_by("-pk")
        return map(quoted, names.values_list("name", flat=True)[:100])
    columns = {"target": "target__name", "user": "submitted_by__username", "kind": "kind", "name": "name"}
    if key not in columns:
        return ()
    chosen = newest.order_by().exclude(**{f"{columns[key]}__isnull": True})
    return map(quoted, sorted(chosen.values_list(columns[key], flat=True).distinct()[:100]))
