"""What a report is made of: checking blocks that somebody wrote. No database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
        raise Invalid(f"A title has 1 to {MOST_TITLE} characters on one line.", field="title")
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
            raise Invalid(f"Block {number} is a {TEXT} or a {COMPARISON}, not {str(kind)[:40]!r}.", field="blocks")
        if cleaned:
            found.append(cleaned)
    if len(found) > MOST_BLOCKS:
        raise Invalid(f"A report has at most {MOST_BLOCKS} blocks, and this one has {len(found)}.", field="blocks")
    if sum(len(block.get("text", "")) for block in found) > MOST_ALL:
        raise Invalid(f"The texts of a report have at most {MOST_ALL} characters together.", field="blocks")
    return found


def _text(text: Any, number: int) -> dict[str, Any] | None:
    if not isinstance(text, str) or "\0" in text:
        raise Invalid(f"Block {number} has something that cannot be stored as text.", field="blocks")
    text = text.replace("\r\n", "\n").strip("\n")
    if len(text) > MOST_TEXT:
        raise Invalid(
            f"Block {number} has {len(text)} characters, and at most {MOST_TEXT} are allowed.", field="blocks"
        )
    return {"kind": TEXT, "text": text} if text.strip() else None


def _comparison(query: Any, number: int) -> dict[str, Any] | None:
    if not isinstance(query, str) or len(query) > MOST_QUERY:
        raise Invalid(f"Block {number} is not the address of a comparison.", field="blocks")
    if not query.strip():
        return None
    chosen = choice.parse_address(query)
    if not chosen.runs:
        raise Invalid(
            f"Block {number} names no runs.",
            hint="Copy the address of a page of comparison into it, with its ?run=…&run=…",
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
        raise Invalid("The form came incomplete. Send it again.", field="blocks")
    return [
        {"kind": kind, "query": value} if kind == COMPARISON else {"kind": kind, "text": value}
        for kind, value in zip(kinds, values, strict=True)
    ]
