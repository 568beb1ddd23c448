"""The language in which runs are searched: text in, comparisons out. No Django, so that every door may use it.

    metrics.loss < 0.5 and params.model = 'mlp' and tags.`my team` ILIKE '%vision%' and status != failed
    resnet (created > -7d or not params.lr >= 0.01)

The grammar is MLflow's and more: comparisons joined by AND (also unsaid), OR, NOT and parentheses, and bare words;
keys with odd characters in backticks or double quotes, texts in single quotes.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from django.utils.translation import gettext as _

from runs.filters import times, words
from runs.filters.grammar import read
from runs.filters.tree import (
    And,
    Comparison,
    Field,
    Length,
    Not,
    Or,
    Order,
    Place,
    Scalar,
    Span,
    Text,
    Tree,
    Value,
    bad,
    leaves,
    parts_of,
)

__all__ = [
    "And",
    "Comparison",
    "Field",
    "Length",
    "Not",
    "Or",
    "Order",
    "Place",
    "Span",
    "Text",
    "Tree",
    "Value",
    "bad",
    "leaves",
    "parse_filter",
    "parse_order",
    "parse_tree",
]
#: What may be named besides metrics, params, tags and properties, and what its values are; a set says it by the names.
Attributes = Mapping[str, str] | AbstractSet[str]
MAX_FILTER = 10_000
MAX_COMPARISONS = 100
MAX_DEPTH = 20
MAX_REGEX = 500


def parse_tree(text: str, *, attributes: Attributes = words.RUN_ATTRIBUTES) -> Tree | None:
    """Return what the filter says, None when it is empty. Raises Invalid `bad_filter` with the place of the mistake.

    `attributes` are those that may be named and what their values are (`words.OPERATORS`). Values come out as what
    the field's are: numbers, a Span or Length for moments, a Length for durations, else texts.
    """
    if len(text) > MAX_FILTER:
        raise bad(
            _("A filter has at most %(most)s characters, and this one has %(text)s.")
            % {"most": MAX_FILTER, "text": len(text)}
        )
    tree: Tree | None = read(text, "filter")
    # Level by level and not by recursion: what is nested too deeply must be refused, not exhaust the stack.
    level, depth, found = [tree] if tree else [], 0, 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise bad(_("A filter is nested at most %(most)s levels deep.") % {"most": MAX_DEPTH})
        found += sum(isinstance(one, Comparison | Text) for one in level)
        level = [part for one in level for part in parts_of(one)]
        if found > MAX_COMPARISONS:
            raise bad(
                _("A filter has at most %(most)s comparisons, and this one has more.") % {"most": MAX_COMPARISONS}
            )
    return tree and _checked(tree, _typed(attributes))


def _typed(attributes: Attributes) -> Mapping[str, str]:
    return attributes if isinstance(attributes, Mapping) else {name: words.guessed(name) for name in sorted(attributes)}


def parse_filter(text: str, *, attributes: Attributes = words.RUN_ATTRIBUTES) -> list[Comparison]:
    """Return the comparisons of a filter of ANDs only, which must all hold, as MLflow has them. Raises Invalid.

    For the searches that compare by tables of MLflow's operators: no regular expressions, and numbers by six operators.
    """
    tree = parse_tree(text, attributes=attributes)
    parts = tree.parts if isinstance(tree, And) else (tree,) if tree else ()
    found = [one for one in parts if isinstance(one, Comparison)]
    if len(found) < len(parts):
        raise bad(_("Only AND joins comparisons here, and no words stand alone."))
    for one in found:
        numeric = words.values_of(one.field.kind, one.field.key, _typed(attributes)) in ("number", "time")
        if one.op in words.REGEX or (numeric and one.op not in words.COMPARED):
            raise bad(
                _("The %(one)s cannot be compared with %(op)s here.") % {"one": _shown(one), "op": one.op},
                one.field.place,
            )
    return found


def parse_order(text: str, *, attributes: Attributes = words.RUN_ATTRIBUTES) -> Order:
    """Return what `metrics.loss DESC` says. Raises Invalid `bad_filter`."""
    if len(text) > MAX_FILTER:
        raise bad(_("An order has at most %(most)s characters.") % {"most": MAX_FILTER})
    order: Order = read(text, "order")
    if order.field.kind == "dataset":
        raise bad(_("Runs are not ordered by their datasets."), order.field.place)
    _values_of(order.field, _typed(attributes))
    return order


def _checked(tree: Tree, attributes: Mapping[str, str]) -> Tree:
    if isinstance(tree, Comparison):
        return _meant(tree, attributes)
    if isinstance(tree, Not):
        return Not(_checked(tree.part, attributes))
    if isinstance(tree, Text):
        return tree
    parts = tuple(_checked(part, attributes) for part in tree.parts)
    return And(parts) if isinstance(tree, And) else Or(parts)


def _values_of(field: Field, attributes: Mapping[str, str]) -> str:
    """What its values are. Raises Invalid for what there is not."""
    if "\0" in field.key:
        raise bad(_("A key may not hold control characters."), field.place)
    known = {"attribute": attributes, "dataset": words.OF_DATASETS}.get(field.kind)
    if known is not None and field.key not in known:
        message = _("There is no %(kind)s %(key)s; there are %(known)s.")
        told = {"kind": field.kind, "key": repr(field.key[:60]), "known": ", ".join(known)}
        raise bad(message % told, field.place, meant=words.nearest(field.key, known))
    return words.values_of(field.kind, field.key, attributes)


def _meant(one: Comparison, attributes: Mapping[str, str]) -> Comparison:
    """The comparison with its value as what the field's are. Raises Invalid for what cannot be compared so."""
    values = _values_of(one.field, attributes)
    allowed = words.OPERATORS[values]
    if one.op not in allowed:
        message = _("The %(one)s cannot be compared with %(op)s, only with %(allowed)s.")
        raise bad(message % {"one": _shown(one), "op": one.op, "allowed": ", ".join(allowed)}, one.field.place)
    if one.value is None:
        return one
    if isinstance(one.value, tuple):
        value: Value = tuple(_scalar(one, given, values) for given in one.value)
    else:
        value = _scalar(one, one.value, values)
    return Comparison(one.field, one.op, value, one.place)


def _scalar(one: Comparison, given: Scalar, values: str) -> Scalar:
    if values == "number":
        if not isinstance(given, float):
            raise bad(
                _("The %(one)s is compared with a number, not with %(given)s.")
                % {"one": _shown(one), "given": repr(_word(given))},
                one.place,
            )
        return given
    if values == "length":
        found = given if isinstance(given, float) else times.length(_word(given))
        if found is None:
            message = _("The %(one)s is compared with seconds, 90s, 5m, 2h or 1d, not with %(given)s.")
            raise bad(message % {"one": _shown(one), "given": repr(_word(given)[:40])}, one.place)
        return found.seconds if isinstance(found, Length) else found
    if values == "time":
        return _moment(one, given)
    text = _word(given)
    if values == "loose" and (isinstance(given, float) or one.op in ("<", "<=", ">", ">=")):
        return _number(one, given)
    if values == "text" and isinstance(given, float):
        raise bad(
            _("The %(one)s is compared with a text in single quotes, not with a number.") % {"one": _shown(one)},
            one.place,
        )
    if values == "status" and one.op in ("=", "!=", "IN", "NOT IN") and not words.is_state(text):
        known = [*words.STATES, *dict.fromkeys(words.STATES.values())]
        message = _("There is no status %(status)s; there are %(known)s.")
        raise bad(
            message % {"status": repr(text[:40]), "known": ", ".join(known)},
            one.place,
            meant=words.nearest(text, known),
        )
    if one.op in words.REGEX and len(text) > MAX_REGEX:
        raise bad(_("A regular expression has at most %(most)s characters.") % {"most": MAX_REGEX}, one.place)
    return text


def _number(one: Comparison, given: Scalar) -> float:
    """What a key whose values are texts is compared with as a number."""
    try:
        if isinstance(given, float) and one.op in ("=", "!=", "<", "<=", ">", ">="):
            return given
        if one.op in ("<", "<=", ">", ">="):
            return float(_word(given))
    except ValueError:
        message = _("With %(op)s the %(one)s is compared with a number, not with %(given)s.")
        told = {"op": one.op, "one": _shown(one), "given": repr(_word(given)[:40])}
        raise bad(message % told, one.place) from None
    raise bad(
        _("With %(op)s the %(one)s is compared with a text in single quotes.") % {"op": one.op, "one": _shown(one)},
        one.place,
    )


def _moment(one: Comparison, given: Scalar) -> Scalar:
    if isinstance(given, float):
        return given
    found = times.span(_word(given))
    if isinstance(found, Length) and found.seconds > 0:
        found = None
    if found is None:
        ago = f"-{_word(given)}" if times.length(_word(given)) else None
        message = _(
            "The %(one)s is compared with a moment such as -7d, yesterday, 2026-11-01 or milliseconds, "
            "not with %(given)s."
        )
        raise bad(message % {"one": _shown(one), "given": repr(_word(given)[:40])}, one.place, meant=ago)
    return found


def _word(given: Scalar) -> str:
    return f"{given:g}" if isinstance(given, float) else str(given)


def _shown(one: Comparison) -> str:
    return f"{one.field.kind} {one.field.key[:60]!r}"
