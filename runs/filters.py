"""The language in which runs are searched: text in, comparisons out. No Django, so that every door may use it.

    metrics.loss < 0.5 and params.model = 'mlp' and tags.`my team` ILIKE '%vision%' and status != 'failed'

The grammar is MLflow's and more: comparisons joined by AND, also by OR, NOT and parentheses; keys with odd characters
in backticks or double quotes, texts in single quotes.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedEOF, UnexpectedInput, VisitError

from studio.kernel.errors import Invalid

MAX_FILTER = 10_000
MAX_COMPARISONS = 100
MAX_DEPTH = 20

_GRAMMAR = r"""
filter: [either]
either: both (_OR both)*
both: _one (_AND _one)*
_one: negated | "(" either ")" | comparison
negated: NOT _one
comparison: FIELD OP (NUMBER | TEXT)                      -> compared
          | FIELD (LIKE | ILIKE) TEXT                     -> compared
          | FIELD [NOT] _IN "(" TEXT ("," TEXT)* ")"      -> listed
          | FIELD _IS [NOT] _NULL                         -> present
order: FIELD [DIRECTION]

FIELD: /(`[^`]+`|"[^"]+"|[A-Za-z_]\w*)(\.(`[^`]+`|"[^"]+"|[\w.\/:\-]+))?/
OP: "!=" | ">=" | "<=" | "=" | ">" | "<"
NUMBER: /[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/
TEXT: /'([^']|'')*'/ | /"[^"]*"/
LIKE.2: "LIKE"i
ILIKE.2: "ILIKE"i
NOT.2: /not(?![\w.])/i
_OR.2: /or(?!\w)/i
DIRECTION.2: "ASC"i | "DESC"i
_AND.2: "AND"i
_IN.2: "IN"i
_IS.2: "IS"i
_NULL.2: "NULL"i
%ignore /\s+/
"""

_KINDS = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_NUMBERS = {"=", "!=", "<", "<=", ">", ">="}
_TEXTS = {"=", "!=", "LIKE", "ILIKE"}
_SETS = {"IN", "NOT IN"}
_NULLS = {"IS NULL", "IS NOT NULL"}
#: Attributes whose value is a number; times are milliseconds since 1970.
NUMERIC_ATTRIBUTES = {"start_time", "end_time", "created"}
TEXT_ATTRIBUTES = {"run_id", "run_name", "name", "status", "user_id", "lifecycle_stage", "artifact_uri"}
_ALIASES = {"Run ID": "run_id", "Run Name": "run_name", "run name": "run_name", "Created": "created"}
Value = str | float | tuple[str, ...] | None


@dataclass(frozen=True)
class Field:
    """What is compared: `kind` is metric, param, tag or attribute."""

    kind: str
    key: str


@dataclass(frozen=True)
class Comparison:
    """`field op value`; the value is a tuple for IN and NOT IN, None for IS NULL and IS NOT NULL."""

    field: Field
    op: str
    value: Value


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


Tree = Comparison | And | Or | Not


@dataclass(frozen=True)
class Order:
    field: Field
    descending: bool


def parse_tree(text: str, *, attributes: set[str] | None = None) -> Tree | None:
    """Return what the filter says, None when it is empty. Raises Invalid `bad_filter` with the place of the mistake.

    `attributes` are those that may be named, all of a run's when None.
    """
    if len(text) > MAX_FILTER:
        raise _bad(f"A filter has at most {MAX_FILTER} characters, and this one has {len(text)}.", 0)
    tree: Tree | None = _parsed(text, "filter")
    # Level by level and not by recursion: what is nested too deeply must be refused, not exhaust the stack.
    level, depth, comparisons = [tree] if tree else [], 0, 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _bad(f"A filter is nested at most {MAX_DEPTH} levels deep.", 0)
        for one in level:
            if isinstance(one, Comparison):
                comparisons += 1
                _check(one, attributes)
        level = [part for one in level for part in _parts(one)]
        if comparisons > MAX_COMPARISONS:
            raise _bad(f"A filter has at most {MAX_COMPARISONS} comparisons, and this one has more.", 0)
    return tree


def _parts(one: Tree) -> "tuple[Tree, ...]":
    return () if isinstance(one, Comparison) else (one.part,) if isinstance(one, Not) else one.parts


def parse_filter(text: str, *, attributes: set[str] | None = None) -> list[Comparison]:
    """Return the comparisons of a filter of ANDs only, which must all hold. Raises Invalid `bad_filter`."""
    tree = parse_tree(text, attributes=attributes)
    parts = tree.parts if isinstance(tree, And) else (tree,) if tree else ()
    found = [one for one in parts if isinstance(one, Comparison)]
    if len(found) < len(parts):
        raise _bad("Only AND joins comparisons here.", 0)
    return found


def parse_order(text: str, *, attributes: set[str] | None = None) -> Order:
    """Return what `metrics.loss DESC` says. Raises Invalid `bad_filter`."""
    if len(text) > MAX_FILTER:
        raise _bad(f"An order has at most {MAX_FILTER} characters.", 0)
    order: Order = _parsed(text, "order")
    _check_field(order.field, attributes)
    return order


def _parsed(text: str, start: str) -> Any:
    try:
        return _parser(start).parse(text)
    except UnexpectedInput as error:
        token = getattr(error, "token", None)
        at = error.pos_in_stream
        # The end of the text has the place of the last word.
        if at is None or isinstance(error, UnexpectedEOF) or (token is not None and token.type == "$END"):
            at = len(text)
        raise _bad(f"The filter cannot be read at character {at + 1}: {text[at : at + 30]!r}.", at) from None
    except VisitError as error:
        if isinstance(error.orig_exc, Invalid):
            raise error.orig_exc from None
        raise


@cache
def _parser(start: str) -> Lark:
    return Lark(_GRAMMAR, parser="lalr", start=start, transformer=_Reader())


def _bad(message: str, at: int) -> Invalid:
    return Invalid(
        message,
        code="bad_filter",
        hint="Such as: metrics.loss < 0.5 and params.model = 'mlp'. Texts stand in single quotes.",
        position=at,
    )


class _Reader(Transformer[Token, Any]):
    """From the tree of the parser to the values of this module."""

    def filter(self, found: list[Any]) -> Tree | None:
        return found[0] if found else None

    def either(self, parts: list[Any]) -> Tree:
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self, parts: list[Any]) -> Tree:
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negated(self, parts: list[Any]) -> Tree:
        return Not(parts[1])

    def compared(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], str(parts[1]).upper(), parts[2])

    def listed(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "NOT IN" if parts[1] else "IN", tuple(parts[2:]))

    def present(self, parts: list[Any]) -> Comparison:
        return Comparison(parts[0], "IS NOT NULL" if parts[1] else "IS NULL", None)

    def order(self, parts: list[Any]) -> Order:
        return Order(parts[0], bool(parts[1]) and str(parts[1]).upper() == "DESC")

    def FIELD(self, token: Token) -> Field:
        found = re.fullmatch(r"(`[^`]+`|\"[^\"]+\"|\w+)(?:\.(.+))?", token, re.DOTALL)
        first, rest = (_plain(found[1]), found[2]) if found else (str(token), None)
        if rest is None:
            return Field("attribute", _ALIASES.get(first, first))
        kind = _KINDS.get(first.lower())
        if kind is None:
            known = "metrics, params, tags and attributes"
            raise _bad(f"{first[:40]!r} is none of {known}.", token.start_pos or 0)
        key = _plain(rest)
        return Field(kind, _ALIASES.get(key, key) if kind == "attribute" else key)

    def TEXT(self, token: Token) -> str:
        return str(token[1:-1]).replace("''", "'") if token[0] == "'" else str(token[1:-1])

    def NUMBER(self, token: Token) -> float:
        return float(token)


def _plain(name: str) -> str:
    return name[1:-1] if name[0] in '`"' and name[-1] == name[0] else name


def _check(one: Comparison, attributes: set[str] | None) -> None:
    field, numeric = one.field, _check_field(one.field, attributes)
    shown = f"{field.kind} {field.key[:60]!r}"
    allowed = _NUMBERS if numeric else _TEXTS | (_SETS if field.kind == "attribute" else _NULLS)
    if one.op not in allowed:
        raise _bad(f"The {shown} cannot be compared with {one.op}, only with {', '.join(sorted(allowed))}.", 0)
    if numeric and not isinstance(one.value, float):
        raise _bad(f"The {shown} is compared with a number, not with {str(one.value)[:40]!r}.", 0)
    if not numeric and isinstance(one.value, float):
        raise _bad(f"The {shown} is compared with a text in single quotes, not with a number.", 0)


def _check_field(field: Field, attributes: set[str] | None) -> bool:
    """Whether its values are numbers. Raises Invalid for what there is not."""
    if field.kind == "dataset":
        raise _bad("Runs cannot be searched by the datasets that MLflow logs.", 0)
    if "\0" in field.key:
        raise _bad("A key may not hold control characters.", 0)
    if field.kind != "attribute":
        return field.kind == "metric"
    known = attributes if attributes is not None else NUMERIC_ATTRIBUTES | TEXT_ATTRIBUTES
    if field.key not in known:
        raise _bad(f"There is no attribute {field.key[:60]!r}; there are {', '.join(sorted(known))}.", 0)
    ends = ("_time", "_timestamp", "_timestamp_ms", "version_number")
    return field.key in NUMERIC_ATTRIBUTES or field.key.endswith(ends)
