"""What a filter says, as values. Every part knows its place in the text, so that a mistake can be shown there."""

from dataclasses import dataclass
from dataclasses import field as member

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid
from workspace.references import did_you_mean


@dataclass(frozen=True)
class Place:
    """Characters `at` to `at + length` of the text. Parts that say the same are equal wherever they stand."""

    at: int = 0
    length: int = 0


#: Where nothing in particular is meant.
NOWHERE = Place()


@dataclass(frozen=True)
class Field:
    """What is compared: `kind` is metric, param, tag, property, dataset or attribute."""

    kind: str
    key: str
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Length:
    """So many seconds: a duration, or where a moment is meant, a moment so far from now."""

    seconds: float


@dataclass(frozen=True)
class Span:
    """The moments from `begin` up to, without it, `end`, in milliseconds since 1970: a day, a minute, a second."""

    begin: float
    end: float


Scalar = str | float | Length | Span
Value = Scalar | tuple[Scalar, ...] | None


@dataclass(frozen=True)
class Comparison:
    """`field op value`; the value is a tuple for IN and NOT IN, None for IS NULL and IS NOT NULL."""

    field: Field
    op: str
    value: Value
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Text:
    """A word without an operator: something that people see of a run contains it."""

    text: str
    place: Place = member(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class And:
    parts: "tuple[Tree, ...]"


@dataclass(frozen=True)
class Or:
    parts: "tuple[Tree, ...]"


@dataclass(frozen=True)
class Not:
    """What the part is not true of, also where it says nothing."""

    part: "Tree"


Tree = Comparison | Text | And | Or | Not


@dataclass(frozen=True)
class Order:
    field: Field
    descending: bool


def parts_of(one: Tree) -> "tuple[Tree, ...]":
    return (one.part,) if isinstance(one, Not) else one.parts if isinstance(one, And | Or) else ()


def leaves(tree: Tree | None) -> list[Comparison | Text]:
    """Every comparison and word."""
    found: list[Comparison | Text] = []
    level = [tree] if tree else []
    while level:
        found += [one for one in level if isinstance(one, Comparison | Text)]
        level = [part for one in level for part in parts_of(one)]
    return found


def bad(message: str, place: Place = Place(), *, meant: str | None = None) -> Invalid:
    """The refusal of a filter, with the place of the mistake and the word that was most likely meant."""
    return Invalid(
        message + did_you_mean(meant),
        code="bad_filter",
        hint=_("Such as: metrics.loss < 0.5 and params.model = 'mlp'. Texts stand in single quotes."),
        position=place.at,
        length=place.length,
        **({"meant": meant} if meant else {}),
    )
