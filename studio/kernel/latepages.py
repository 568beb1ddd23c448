"""Pages whose frame is sent before their content is known.

A browser that has the frame fetches scripts and styles, lays it out and paints while the studio still asks the
database. What decides the status of the answer (rights, a mistake in the filter) has to be settled before.
"""

import gzip
import io
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone, translation

from studio.kernel.api import as_zaffre_error

log = logging.getLogger(__name__)
#: What a page extends when only its content is wanted.
BARE = "bare.html"
#: As many characters at most are added at random, as Django's own compression does: a guess cannot be told by the size.
MOST_RANDOM = 100


def render_late(
    request: HttpRequest, template: str, known: dict[str, Any], late: Callable[[], dict[str, Any]]
) -> HttpResponseBase:
    """The page of `known` and what `late()` returns; the frame around its block `main` is out before `late` is called.

    The template extends `layout|default:"app.html"`. An error of `late` becomes a card in the page: the status is out.
    """
    if not isinstance(request, ASGIRequest):
        return render(request, template, known | late())
    mark = secrets.token_hex(16)
    before, _, after = render_to_string(template, known | {"early": mark}, request).partition(mark)
    language, zone = translation.get_language(), timezone.get_current_timezone()

    def content() -> str:
        with translation.override(language), timezone.override(zone):
            try:
                return render_to_string(template, known | late() | {"layout": BARE}, request)
            except Exception as error:
                said = as_zaffre_error(error)
                if said is None:
                    log.exception("%s after its frame was sent", request.path)
                return render_to_string("errors/late.html", {"error": said}, request)

    async def parts() -> AsyncIterator[str]:
        yield before
        yield await sync_to_async(content)()
        yield after

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
