"""What the first visitor after a start would wait for, made beforehand: addresses, languages, templates."""

import logging
from pathlib import Path

from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse
from django.utils import translation

from studio.shell.words import words

log = logging.getLogger(__name__)
TEMPLATES = Path(settings.BASE_DIR) / "templates"
#: The frame of all pages, and the pages on which people spend their day. The others cost more than they are missed.
FOLDERS = (".", "cotton", "runs")


def warm() -> None:
    """For a thread beside the start. What goes wrong is met again by who asks for the page."""
    try:
        reverse("home")
        for language, _ in settings.LANGUAGES:
            with translation.override(language):
                words()
        for folder in FOLDERS:
            for found in sorted((TEMPLATES / folder).glob("*.html")):
                get_template(str(found.relative_to(TEMPLATES)))
    except Exception:
        log.exception("the pages could not be made ready")
