"""Mistakes in filters, as pages show them."""

from typing import Any

from studio.kernel.errors import Invalid

#: Characters of a filter that are shown around a mistake.
AROUND = 120


def marked(error: Invalid, text: str) -> dict[str, Any]:
    """The mistake with the text around it, for the page to mark. Raises anew what is none of the filter."""
    if error.code != "bad_filter":
        raise error
    at = error.details.get("position", 0)
    # The end of the text is marked, too.
    end = at + (error.details.get("length") or 1)
    part = text[at:end] or "\u00a0"
    before = text[max(0, at - AROUND) : at]
    return {
        "message": error.message,
        "position": at,
        "length": end - at,
        "before": ("…" if at > AROUND else "") + before,
        "part": part[:AROUND],
        "after": text[end : end + AROUND],
    }
