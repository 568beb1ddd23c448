"""What stands at the cursor of a filter that is being typed: a field, an operator, a value or what joins comparisons.

The text is mostly unfinished, so it is read word by word and not by the grammar.
"""

import re
from dataclasses import dataclass

from runs.filters.words import ALIASES, KINDS

_WORD = re.compile(
    r"""(?P<text>'(?:[^']|'')*'?)
      | (?P<op>!=|>=|<=|!~|=|<|>|~)
      | (?P<sign>[(),;])
      | (?P<word>(?:`[^`]*`?|"[^"]*"?|[^\s()'"`=<>!~,;])+|!)""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[\w./:\-]+")


@dataclass(frozen=True)
class Cursor:
    """`typed` is the word before the cursor that begins at `start`; `wanted` is what it should be.

    `wanted`: field, operator, null, open, value, or join. `kind` and `key` are of the field that is being compared.
    """

    start: int
    typed: str
    wanted: str
    kind: str = ""
    key: str = ""


def at_cursor(text: str, cursor: int) -> Cursor:
    """What is being typed at `cursor`, a count of characters."""
    before = text[: max(0, cursor)]
    wanted, kind, key, inside = "field", "", "", False
    for found in _WORD.finditer(before):
        word = found[0]
        if found.end() == len(before) and found.lastgroup != "sign" and not _ended(found):
            return Cursor(found.start(), word, wanted, kind, key)
        if found.lastgroup == "op":
            wanted = "value"
        elif word in "(,":
            wanted = "value" if word == "(" and wanted == "open" else ("value" if inside and word == "," else "field")
            inside = inside or (word == "(" and wanted == "value")
        elif word == ")":
            wanted, inside = "join", False
        else:
            wanted, kind, key = _next(word, wanted, kind, key)
    return Cursor(len(before), "", wanted, kind, key)


def _ended(found: re.Match[str]) -> bool:
    """A closed quote and an operator want nothing more."""
    word = found[0]
    closed = found.lastgroup == "text" and len(word) > 1 and word.endswith("'")
    return closed or (found.lastgroup == "op" and word not in "!<>")


def _next(word: str, wanted: str, kind: str, key: str) -> tuple[str, str, str]:
    """What is wanted after a word, and the field that it is of."""
    small = word.lower()
    if wanted in ("operator", "null", "join"):
        after = {"not": "operator" if wanted == "operator" else "null", "in": "open", "is": "null", "null": "join"}
        if wanted != "join" and small in after:
            return after[small], kind, key
        if wanted == "operator" and small in ("like", "ilike"):
            return "value", kind, key
    if wanted == "value":
        return "join", kind, key
    if small in ("and", "or", "not"):
        return "field", "", ""
    return ("operator", *field_of(word))


def field_of(word: str) -> tuple[str, str]:
    """Kind and key of a field, which may be half typed: `metrics.` has no key yet."""
    first, dot, rest = word.partition(".")
    kind = KINDS.get(first.strip('`"').lower())
    if not dot or kind is None:
        plain = word.strip('`"')
        return "attribute", ALIASES.get(plain, plain)
    return kind, rest.strip('`"')


def quoted_key(key: str) -> str | None:
    """The key as a filter names it, None when it cannot be named."""
    if _PLAIN.fullmatch(key):
        return key
    return f"`{key}`" if "`" not in key else f'"{key}"' if '"' not in key else None


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def pieces(text: str) -> list[str]:
    """The parts of a filter that `and` joins, as they were written; the whole where it has an `or` at the top."""
    depth, begin, found = 0, 0, []
    for one in _WORD.finditer(text):
        depth += {"(": 1, ")": -1}.get(one[0], 0)
        if depth == 0 and one.lastgroup == "word" and one[0].lower() == "or":
            return [text.strip()]
        if depth == 0 and one.lastgroup == "word" and one[0].lower() == "and":
            found.append(text[begin : one.start()].strip())
            begin = one.end()
    return [piece for piece in [*found, text[begin:].strip()] if piece]
