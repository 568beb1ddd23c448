"""Pages whose head and frame are sent before their content is known.

A browser that has the head fetches scripts and styles, and with the frame it lays it out and paints, while the studio
still asks the database. What decides the status of the answer (rights, a mistake in the filter) and its cookies has to
be settled before.
"""

import gzip
import io
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.messages import get_messages
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone, translation

from studio.kernel.api import as_zaffre_error

log = logging.getLogger(__name__)
Part = TypeVar("Part")
#: What a page extends for its head alone, and what it or its frame extends when nothing around it is wanted.
BASE, BARE = "base.html", "bare.html"
#: As many characters at most are added at random, as Django's own compression does: a guess cannot be told by the size.
MOST_RANDOM = 100


def render_late(
    request: HttpRequest, template: str, known: dict[str, Any], late: Callable[[], dict[str, Any]]
) -> HttpResponseBase:
    """The page of `known` and what `late()` returns, in three parts: its head, the frame, what is in its block `main`.

    The head is out before anything is asked for the frame, and the frame before `late` is called. The template extends
    `layout|default:"app.html"`. What fails after the head becomes a card in the page: the status is out.
    """
    if not isinstance(request, ASGIRequest):
        return render(request, template, known | late())
    # What the frame would otherwise settle when the answer's headers are out: its cookies.
    get_token(request)
    iter(get_messages(request))

    def around(**layout: str) -> tuple[str, str]:
        """What stands before and after the part that is still to come."""
        mark = secrets.token_hex(16)
        before, _, after = render_to_string(template, known | layout | {"early": mark}, request).partition(mark)
        return before, after

    def content() -> str:
        return render_to_string(template, known | late() | {"layout": BARE}, request)

    def failed(error: Exception) -> str:
        said = as_zaffre_error(error)
        if said is None:
            log.error("%s after its head was sent", request.path, exc_info=error)
        return render_to_string("errors/late.html", {"error": said}, request)

    head, end = around(layout=BASE)
    language, zone = translation.get_language(), timezone.get_current_timezone()

    @sync_to_async
    def asked(part: Callable[..., Part], **said: Any) -> Part:
        with translation.override(language), timezone.override(zone):
            return part(**said)

    async def parts() -> AsyncIterator[str]:
        yield head
        after = ""
        try:
            before, after = await asked(around, outer=BARE)
            yield before
            yield await asked(content)
        except Exception as error:
            yield await asked(failed, error=error)
        yield after + end

    return StreamingHttpResponse(parts())


async def compressed(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """One gzip stream in which every part can be read as soon as it is there.

    Django's middleware makes a stream of its own of each part, and browsers read only the first.
    """
    held = io.BytesIO()
    name = "a" * secrets.randbelow(MOST_RANDOM)
    with gzip.GzipFile(filename=name, mode="wb", compresslevel=6, fileobj=held, mtime=0) as stream:
        async for part in parts:
            stream.write(part)
            stream.flush()
            yield _taken(held)
    yield _taken(held)


def _taken(held: io.BytesIO) -> bytes:
    data = held.getvalue()
    held.seek(0)
    held.truncate()
    return data
