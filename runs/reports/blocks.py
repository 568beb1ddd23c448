"""What a report is made of: checking blocks that somebody wrote. No database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from runs.compare import choice
from studio.kernel.errors import Invalid

TEXT, COMPARISON = "text", "comparison"
MOST_BLOCKS, MOST_TEXT, MOST_TITLE = 40, 60_000, 200
#: Characters of all texts of a report.
MOST_ALL = 400_000
MOST_QUERY = 16_000


def clean_title(title: str) -> str:
    """Raises Invalid."""
    line = " ".join(title.split())
    if not line or len(line) > MOST_TITLE or not line.isprintable():
        raise Invalid(_("A title has 1 to %(most)s characters on one line.") % {"most": MOST_TITLE}, field="title")
    return line


def clean(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The blocks without empty ones, a comparison as its query string. Raises Invalid that says which is wrong."""
    found = []
    for number, block in enumerate(blocks, start=1):
        kind = block.get("kind")
        if kind == TEXT:
            cleaned = _text(block.get("text", ""), number)
        elif kind == COMPARISON:
            cleaned = _comparison(block.get("query", ""), number)
        else:
            raise Invalid(
                _("Block %(number)s is a %(text)s or a %(comparison)s, not %(kind)s.")
                % {"number": number, "text": TEXT, "comparison": COMPARISON, "kind": repr(str(kind)[:40])},
                field="blocks",
            )
        if cleaned:
            found.append(cleaned)
    if len(found) > MOST_BLOCKS:
        raise Invalid(
            _("A report has at most %(most)s blocks, and this one has %(found)s.")
            % {"most": MOST_BLOCKS, "found": len(found)},
            field="blocks",
        )
    if sum(len(block.get("text", "")) for block in found) > MOST_ALL:
        raise Invalid(
            _("The texts of a report have at most %(most)s characters together.") % {"most": MOST_ALL},
            field="blocks",
        )
    return found


def _text(text: Any, number: int) -> dict[str, Any] | None:
    if not isinstance(text, str) or "\0" in text:
        raise Invalid(
            _("Block %(number)s has something that cannot be stored as text.") % {"number": number}, field="blocks"
        )
    text = text.replace("\r\n", "\n").strip("\n")
    if len(text) > MOST_TEXT:
        raise Invalid(
            _("Block %(number)s has %(text)s characters, and at most %(most)s are allowed.")
            % {"number": number, "text": len(text), "most": MOST_TEXT},
            field="blocks",
        )
    return {"kind": TEXT, "text": text} if text.strip() else None


def _comparison(query: Any, number: int) -> dict[str, Any] | None:
    if not isinstance(query, str) or len(query) > MOST_QUERY:
        raise Invalid(_("Block %(number)s is not the address of a comparison.") % {"number": number}, field="blocks")
    if not query.strip():
        return None
    chosen = choice.parse_address(query)
    if not chosen.runs:
        raise Invalid(
            _("Block %(number)s names no runs.") % {"number": number},
            hint=_("Copy the address of a page of comparison into it, with its ?run=…&run=…"),
            field="blocks",
        )
    return {"kind": COMPARISON, "query": chosen.query()}


def with_names(blocks: Sequence[dict[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The blocks with what their runs are called, so that one that is deleted later still has a name."""
    told = []
    for block in blocks:
        if block["kind"] == COMPARISON:
            runs = choice.parse_address(block["query"]).runs
            block = {**block, "names": {run: names[run] for run in runs if run in names}}
        told.append(block)
    return told


def runs_of(blocks: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of all runs that the blocks name, each once."""
    named = [choice.parse_address(block["query"]).runs for block in blocks if block["kind"] == COMPARISON]
    return list(dict.fromkeys(run for some in named for run in some))


def from_form(kinds: Sequence[str], values: Sequence[str]) -> list[dict[str, Any]]:
    """Blocks as a page's form sends them: as many kinds as contents, in their order. Raises Invalid."""
    if len(kinds) != len(values):
        raise Invalid(_("The form came incomplete. Send it again."), field="blocks")
    return [
        {"kind": kind, "query": value} if kind == COMPARISON else {"kind": kind, "text": value}
        for kind, value in zip(kinds, values, strict=True)
    ]
