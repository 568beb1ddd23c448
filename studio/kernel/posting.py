"""Forms of pages: do the work, say what happened, and go to a page that can be reloaded."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from studio.kernel.errors import Conflict, Invalid, TooLarge, TooMany, Unavailable


def post(
    request: HttpRequest, work: Callable[[], Any], *, said: str, to: str | Callable[[Any], str], back: str = ""
) -> HttpResponse:
    """Call `work`; go `to` with the sentence `said`, or `back` with what was refused and what to do about it.

    `said` is empty where the page that follows shows it by itself.

    Only what a person can put right comes back as a sentence; who may not do it at all gets the error's page.
    """
    try:
        made = work()
    except (Invalid, Conflict, TooLarge, TooMany, Unavailable) as refused:
        told = " ".join(filter(None, [refused.message, refused.hint]))
        # Which field it is goes along, so that the dialog opens again at that one.
        messages.error(request, told, extra_tags=str(refused.details.get("field") or ""))
        return redirect(back or (to if isinstance(to, str) else request.path))
    if said:
        messages.success(request, said)
    return redirect(to if isinstance(to, str) else to(made))
