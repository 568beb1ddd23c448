"""What notebooks show of an object."""

from __future__ import annotations

from html import escape
from typing import Sequence, Tuple


def as_table(rows: Sequence[Tuple[str, str, str]]) -> str:
    """One row below heads, as HTML: each of `rows` is (head, text, the address that the text leads to or nothing)."""
    heads = "".join(f"<th>{escape(head)}</th>" for head, _, _ in rows)
    cells = "".join(f"<td>{link(text, url)}</td>" for _, text, url in rows)
    return f'<table style="width:100%"><tr>{heads}</tr><tr>{cells}</tr></table>'


def link(text: str, url: str = "") -> str:
    """A text that leads to an address, if that is one of the web."""
    if not url.startswith(("http://", "https://")):
        return escape(text)
    return f'<a href="{escape(url)}" target="_blank" rel="noopener">{escape(text)}</a>'
