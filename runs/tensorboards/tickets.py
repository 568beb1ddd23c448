"""The right to look through one board, as a part of its address.

TensorBoard is shown in a frame without an origin of its own, so that nothing in it can act on the studio; such a frame
sends no cookies. So the page that shows it puts a ticket into the frame's address: the viewer's session, sealed, for
this board only and for a while. At each request the session is asked again whose it is, and the rule book whether
that person may look: who logs out, or leaves the workspace, sees nothing more within a second. The node never sees it.
"""

import base64
import binascii
import json
import time

from django.utils.translation import gettext as _

from studio.kernel import credentials, crypto
from studio.kernel.actors import Actor
from studio.kernel.belief import Believed
from studio.kernel.errors import Unauthenticated, Unavailable

#: Seconds for which a page may stay open.
LASTS = 12 * 3600.0
#: In the place of a ticket: the caller sends a token in its Authorization header.
BEARER = "-"

_known: Believed[tuple[str, str], Actor] = Believed()


def issue(board: str, *, session: str) -> str:
    """A ticket for whoever has this session."""
    sealed = crypto.seal(json.dumps({"session": session, "until": time.time() + LASTS}), bound_to=f"board {board}")
    return base64.urlsafe_b64encode(base64.b64decode(sealed)).decode().rstrip("=")


def actor_of(board: str, ticket: str, *, address: str = "") -> Actor:
    """Who looks. Raises Unauthenticated for a ticket that is none, or whose time or session has ended."""
    actor = _known.get((board, ticket))
    if actor is None:
        asked = time.monotonic()
        actor = _ask(board, ticket, address)
        _known.keep((board, ticket), actor, asked=asked)
    return actor


def _ask(board: str, ticket: str, address: str) -> Actor:
    again = Unauthenticated(_("This address has expired."), hint=_("Open TensorBoard on the page of the run."))
    try:
        raw = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
        told = json.loads(crypto.unseal(base64.b64encode(raw).decode(), bound_to=f"board {board}"))
    except (ValueError, binascii.Error, Unavailable):
        raise again from None
    actor = credentials.actor_of_session(str(told["session"]), address=address) if time.time() < told["until"] else None
    if actor is None:
        raise again
    return actor
