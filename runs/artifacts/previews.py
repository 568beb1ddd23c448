"""What a page shows of a file: rows of a table, Markdown, and what may hold code in a frame that is shut off."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from runs.artifacts.counting import codec_of, narrow
from runs.artifacts.queries import get_artifact
from studio.kernel import addresses, blobs, markdown
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, Invalid, TooLarge
from workspace.accounts.queries import actor_of_proof, actor_of_token_id, stamp_of

#: Addresses of frames: not below /api/, and no cookie is looked at.
PLACE = "/content"
USE = "preview of a file"
SECONDS = 60.0
MOST_BYTES = 50 * 1024 * 1024

#: By the end of a name, and never by what lies inside: all else is saved and not shown.
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
}
_SHUT = "default-src 'none'; img-src data: blob:; media-src data: blob:; font-src data:; style-src 'unsafe-inline'"
_FRAMED = "base-uri 'none'; form-action 'none'"
#: A world of its own (an opaque origin): neither the studio's cookies nor its pages, and nothing to load.
STILL = f"sandbox; {_SHUT}; {_FRAMED}"
SCRIPTS = f"sandbox allow-scripts; {_SHUT}; script-src 'unsafe-inline' 'unsafe-eval'; worker-src blob:; {_FRAMED}"
#: The browser's own reader has a process of its own, and does not open what is sandboxed.
PDF = f"default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; {_FRAMED}"

MARKDOWN = {".md", ".markdown"}
#: Rows of one answer, the bytes that are read for it, and what is shown of a row.
MOST_ROWS = 200
MOST_TEXT = 1024 * 1024
MOST_COLUMNS = 300
MOST_OF_A_CELL = 1000
DELIMITERS = ",\t;|"


@dataclass(frozen=True)
class Shown:
    """A file that a frame shows."""

    name: str
    sha256: str
    size: int
    kind: str
    policy: str


def address_of(slug: str, run_id: str, path: str, *, actor: Actor, scripts: bool = False) -> str:
    """An address that shows the file for a minute, to whoever was let in when he uses it.

    Raises Invalid for a kind that is not shown in a frame, TooLarge, and as `get_artifact` does.
    """
    found = get_artifact(slug, run_id, path, actor=actor)
    if _ending(found.path) not in KINDS:
        raise Invalid(_("Files of this kind are not shown in a frame."), code="no_preview", hint=_("Download it."))
    if found.size > MOST_BYTES:
        raise TooLarge(
            _("The file has %(size)s bytes, and at most %(most)s are shown.")
            % {"size": found.size, "most": MOST_BYTES},
            hint=_("Download it."),
        )
    if not actor.is_user:
        raise Forbidden(_("Frames are for people."))
    who = {"token": actor.token_id} if actor.token_id else {"user": actor.user_id, "stamp": stamp_of(actor=actor)}
    claims = {"ws": slug, "run": run_id, "path": found.path, "scripts": scripts, **who}
    return f"{settings.CONTENT_URL}{PLACE}/{addresses.seal_claims(claims, use=USE, seconds=SECONDS)}"


def open_address(sealed: str, *, address: str = "") -> Shown:
    """What lies behind an address. Raises Forbidden for a wrong or old one, and as `get_artifact` does."""
    claims = addresses.open_claims(sealed, use=USE)
    if "token" in claims:
        actor = actor_of_token_id(claims["token"])
    else:
        actor = actor_of_proof(claims["user"], claims["stamp"], address=address)
    found = get_artifact(claims["ws"], claims["run"], claims["path"], actor=actor)
    ending = _ending(found.path)
    policy = PDF if ending == ".pdf" else SCRIPTS if claims["scripts"] else STILL
    # The page that frames it is elsewhere when there is a second origin.
    policy += f"; frame-ancestors 'self' {settings.PUBLIC_URL if settings.CONTENT_URL else ''}".rstrip()
    return Shown(PurePosixPath(found.path).name, found.sha256, found.size, KINDS[ending], policy)


def rendered(slug: str, run_id: str, path: str, *, actor: Actor) -> dict[str, Any]:
    """A file in Markdown as HTML that has no tag of its writer's; `cut` when only its beginning is in it.

    Raises Invalid for another kind of file, and as `get_artifact` does.
    """
    found = get_artifact(slug, run_id, path, actor=actor)
    if _ending(found.path) not in MARKDOWN:
        raise Invalid(_("Files of this kind are not shown as Markdown."), code="no_preview", hint=_("Read it as text."))
    # A character has four bytes at most.
    data = b"".join(blobs.read_part(found.sha256, 0, min(found.size, 4 * markdown.MOST)))
    codec = codec_of(data)
    text = (narrow(data, codec, first=True) if codec else data).decode("utf-8", "replace").removeprefix("\ufeff")
    return {"html": markdown.render(text), "cut": len(text) > markdown.MOST or len(data) < found.size}


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def read_rows(
    slug: str, run_id: str, path: str, *, actor: Actor, start: int = 0, delimiter: str = ""
) -> dict[str, Any]:
    """Some rows of a table of text (CSV and the like) from byte `start`, where a row begins.

    `next` is where the following ones begin, None at the end. Raises Invalid `bad_table`, and as `get_artifact` does.
    """
    found = get_artifact(slug, run_id, path, actor=actor)
    data = b"".join(blobs.read_part(found.sha256, min(start, found.size), min(start + MOST_TEXT, found.size)))
    whole = start + len(data) >= found.size
    codec = codec_of(b"".join(blobs.read_part(found.sha256, 0, 2)))
    text = narrow(data, codec, first=start == 0) if codec else data
    if delimiter not in tuple(DELIMITERS):
        delimiter = _delimiter(found.path, text)
    rows, used = _rows(text, delimiter, whole=whole)
    if not rows and text:
        raise Invalid(
            _("A row is longer than %(most)s bytes: this is no table.") % {"most": MOST_TEXT},
            code="bad_table",
        )
    if codec:
        used = (0 if start else 2) + len(text[:used].decode().encode(codec))
    after = start + used
    return {
        "rows": rows,
        "next": after if after < found.size else None,
        "size": found.size,
        "delimiter": delimiter,
    }


def _delimiter(path: str, data: bytes) -> str:
    if _ending(path) in {".tsv", ".tab"}:
        return "\t"
    first = data.split(b"\n", 1)[0]
    return max(DELIMITERS, key=lambda one: first.count(one.encode()))


def _rows(data: bytes, delimiter: str, *, whole: bool) -> tuple[list[list[str]], int]:
    """Whole rows, and how many bytes they take. A quoted cell may have ends of lines in it."""
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        for line in data.splitlines(keepends=True):
            taken += len(line)
            yield line.decode("utf-8", "replace").removeprefix("\ufeff").replace("\0", "\ufffd")

    rows: list[list[str]] = []
    used = 0
    try:
        for row in csv.reader(lines(), delimiter=delimiter):
            if taken == len(data) and not whole:
                break  # it may go on behind what was read
            rows.append([cell[:MOST_OF_A_CELL] for cell in row[:MOST_COLUMNS]])
            used = taken
            if len(rows) == MOST_ROWS:
                break
    except csv.Error as error:
        if not rows:
            raise Invalid(
                _("This cannot be read as a table: %(error)s.") % {"error": error}, code="bad_table"
            ) from None
    return rows, used
