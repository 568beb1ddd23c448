"""The grammar: from the text of a filter or an order to values. Nothing here knows what is searched."""

import re
from functools import cache
from typing import Any

from django.utils.translation import gettext
from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedEOF, UnexpectedInput, VisitError

from runs.filters.tree import And, Comparison, Field, Not, Or, Order, Place, Scalar, Text, Tree, bad
from runs.filters.words import ALIASES, KINDS, nearest
from studio.kernel.errors import Invalid

# What ends a word: space, brackets, quotes, operators, comma and semicolon.
_GRAMMAR = r"""
filter: [either]
either: both (_OR both)*
both: _one (_AND? _one)*
_one: negated | "(" either ")" | comparison
negated: NOT _one
comparison: FIELD (OP | LIKE) _value                            -> compared
          | FIELD IN "(" _value ("," _value)* ")"               -> listed
          | FIELD _IS [NOT] _NULL                               -> present
          | (FIELD | WORD | SINGLE | DOUBLE)                    -> said
_value: NUMBER | LENGTH | DATE | SINGLE | DOUBLE | FIELD | WORD
order: FIELD [DIRECTION]

FIELD.1: /(`[^`]+`|"[^"]+"|[A-Za-z_]\w*)(\.(`[^`]+`|"[^"]+"|[\w.\/:\-]+))?(?![^\s()'"`=<>!~,;])/
WORD: /[^\s()'"`=<>!~,;]+/
OP: "!=" | ">=" | "<=" | "=" | ">" | "<" | "!~" | "~"
NUMBER.3: /[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?(?![^\s()'"`=<>!~,;])/
LENGTH.3: /[+-]?(\d+(\.\d*)?|\.\d+)[smhdw](?![^\s()'"`=<>!~,;])/
DATE.4: /\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:?\d\d)?)?(?![^\s()'"`=<>!~,;])/
SINGLE: /'([^']|'')*'/
DOUBLE: /"[^"]*"/
LIKE.3: /(not\s+)?i?like(?![\w.])/i
IN.3: /(not\s+)?in(?=[\s(])/i
NOT.2: /not(?![\w.])/i
_OR.2: /or(?![\w.])/i
_AND.2: /and(?![\w.])/i
_IS.2: /is(?=\s)/i
_NULL.2: /null(?![\w.])/i
DIRECTION.2: /(asc|desc)(?![\w.])/i
%ignore /\s+/
"""


def read(text: str, start: str) -> Any:
    """What a `filter` (Tree or None) or an `order` (Order) says. Raises Invalid `bad_filter` with the place."""
    try:
        return _parser(start).parse(text)
    except UnexpectedInput as error:
        token = getattr(error, "token", None)
        at = error.pos_in_stream
        # The end of the text has the place of the last word.
        if at is None or isinstance(error, UnexpectedEOF) or (token is not None and token.type == "$END"):
            raise bad(gettext("The filter ends where something must follow."), Place(len(text), 0)) from None
        found = re.match(r"\w+|.", text[at:], re.DOTALL)
        place = Place(at, len(found[0]) if found else 0)
        if text[at] in "'\"`":
            raise bad(
                gettext("The quote at character %(at)s is not closed, or stands where none can.") % {"at": at + 1},
                place,
            ) from None
        raise bad(
            gettext("The filter cannot be read at character %(at)s: %(text)s.")
            % {"at": at + 1, "text": repr(text[at : at + 30])},
            place,
        ) from None
    except VisitError as error:
        if isinstance(error.orig_exc, Invalid):
            raise error.orig_exc from None
        raise


@cache
def _parser(start: str) -> Lark:
    return Lark(_GRAMMAR, parser="lalr", start=start, transformer=_Reader())


class _Reader(Transformer[Token, Any]):
    """From the tree of the parser to values."""

    def filter(self, found: list[Any]) -> Tree | None:
        return found[0] if found else None

    def either(self, parts: list[Any]) -> Tree:
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self, parts: list[Any]) -> Tree:
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negated(self, parts: list[Any]) -> Tree:
        return Not(parts[1])

    def compared(self, parts: list[Token]) -> Comparison:
        op = " ".join(parts[1].upper().split())
        return Comparison(_field(parts[0]), op, _value(parts[2]), _place(parts[2]))

    def listed(self, parts: list[Token]) -> Comparison:
        op = " ".join(parts[1].upper().split())
        span = Place(parts[2].start_pos or 0, (parts[-1].end_pos or 0) - (parts[2].start_pos or 0))
        return Comparison(_field(parts[0]), op, tuple(map(_value, parts[2:])), span)

    def present(self, parts: list[Any]) -> Comparison:
        return Comparison(_field(parts[0]), "IS NOT NULL" if parts[1] else "IS NULL", None, _place(parts[0]))

    def said(self, parts: list[Token]) -> Text:
        token = parts[0]
        before, dot, _ = token.partition(".")
        if token.type == "FIELD" and dot and KINDS.get(before.lower(), "attribute") != "attribute":
            raise bad(
                gettext("What %(token)s is compared with is missing.") % {"token": token[:60]},
                Place(token.end_pos or 0, 0),
            )
        return Text(_unquoted(token), _place(token))

    def order(self, parts: list[Any]) -> Order:
        return Order(_field(parts[0]), bool(parts[1]) and str(parts[1]).upper() == "DESC")


def _place(token: Token) -> Place:
    return Place(token.start_pos or 0, len(token))


def _field(token: Token) -> Field:
    found = re.fullmatch(r"(`[^`]+`|\"[^\"]+\"|\w+)(?:\.(.+))?", token, re.DOTALL)
    first, rest = (_plain(found[1]), found[2]) if found else (str(token), None)
    if rest is None:
        return Field("attribute", ALIASES.get(first, first), _place(token))
    kind = KINDS.get(first.lower())
    if kind is None:
        message = gettext("%(first)s is none of metrics, params, tags and attributes.") % {"first": repr(first[:40])}
        raise bad(message, Place(token.start_pos or 0, len(first)), meant=nearest(first, KINDS))
    key = _plain(rest)
    return Field(kind, ALIASES.get(key, key) if kind == "attribute" else key, _place(token))


def _value(token: Token) -> Scalar:
    return float(token) if token.type == "NUMBER" else _unquoted(token)


def _unquoted(token: Token) -> str:
    if token[0] == "'":
        return str(token[1:-1]).replace("''", "'")
    return _plain(str(token)) if len(token) > 1 else str(token)


def _plain(name: str) -> str:
    return name[1:-1] if name[0] in '`"' and name[-1] == name[0] else name
