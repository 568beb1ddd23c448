"""The second origin, where there is one: what is shown of users' files that may hold code, and nothing else."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

#: What is answered there, and nowhere else once it is set.
PATHS = ("/tb/", "/content/")


def is_out_of_place(scope: dict[str, Any]) -> bool:
    """Whether this request came to the wrong one of two origins."""
    if not settings.CONTENT_URL:
        return False
    told = next((value for key, value in scope["headers"] if key == b"host"), b"")
    there = told.decode("latin-1").lower() == urlsplit(settings.CONTENT_URL).netloc.lower()
    return there != scope["path"].startswith(PATHS)
