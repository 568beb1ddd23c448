"""Text that people wrote in Markdown as HTML that a page may show.

CommonMark with tables, raw HTML off. Links lead to http, https and mailto, or to this studio (`/w/…`, `#…`). Pictures
from elsewhere become links: the page's policy would not load them, and loading them would tell who reads.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

#: Characters that are rendered; a longer text is cut.
MOST = 100_000
_ELSEWHERE = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_HERE = re.compile(r"(?:/(?![/\\])|[#?])")


def render(text: str) -> SafeString:
    """The HTML of a text. Whatever the text is: no tag in it comes from its writer."""
    # What the renderer returns is made of its own tags and of escaped text; raw HTML is text to it.
    return mark_safe(_renderer().render(text[:MOST].replace("\0", "\ufffd")))  # noqa: S308


def may_lead_to(address: str) -> bool:
    """Whether a link may have this address."""
    plain = re.sub(r"[\x00-\x20]", "", address)
    return bool(_ELSEWHERE.match(plain) or _HERE.match(plain))


@cache
def _renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    made.validateLink = may_lead_to  # type: ignore[method-assign, assignment]
    made.add_render_rule("link_open", _link)
    made.add_render_rule("image", _image)
    for name in ("th_open", "td_open"):
        made.add_render_rule(name, _cell)
    return made


def _cell(self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any) -> str:
    # Its renderer would align a column by an inline style, which the page's policy refuses.
    if "right" in str(tokens[at].attrs.pop("style", "")):
        tokens[at].attrSet("class", "n")
    return self.renderToken(tokens, at, options, env)


def _link(self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any) -> str:
    token = tokens[at]
    if _ELSEWHERE.match(str(token.attrs.get("href", ""))):
        token.attrSet("rel", "noopener noreferrer nofollow")
    return self.renderToken(tokens, at, options, env)


def _image(self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any) -> str:
    token = tokens[at]
    words = self.renderInlineAsText(token.children or [], options, env)
    source = str(token.attrs.get("src", ""))
    if _HERE.match(source):
        token.attrSet("alt", words)
        token.attrSet("loading", "lazy")
        return self.renderToken(tokens, at, options, env)
    named = Token("link_open", "a", 1, attrs={"href": source, "rel": "noopener noreferrer nofollow"})
    return f"{self.renderToken([named], 0, options, env)}{_escaped(words or source)}</a>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
