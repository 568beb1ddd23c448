"""Addresses that are a right in themselves: sealed, for one use, for a while.

Whoever holds one needs no credential. What it is for lies inside, encrypted and authenticated under the studio's
key, so that it can be neither read nor changed nor used for anything else.
"""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any

from studio.kernel.crypto import seal, unseal
from studio.kernel.errors import Forbidden, Unavailable

#: The log filter of studio.kernel.tokens knows it: an address in a log line would be a leak.
PREFIX = "zaf_url_"
#: A path of 1,024 characters of four bytes each, and what stands beside it, encoded.
MOST = 8192


def seal_claims(claims: Mapping[str, Any], *, use: str, seconds: float) -> str:
    """The last part of an address: good for `use` only, and for so many seconds."""
    text = json.dumps({**claims, "until": time.time() + seconds}, separators=(",", ":"), ensure_ascii=False)
    raw = base64.b64decode(seal(text, bound_to=f"address:{use}"))
    return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def open_claims(text: str, *, use: str) -> dict[str, Any]:
    """What was sealed for this use. Raises Forbidden when it was not, was changed, or is over."""
    wrong = Forbidden("This address is not valid: it was made for something else, or changed.", code="bad_address")
    if not text.startswith(PREFIX) or len(text) > MOST:
        raise wrong
    body = text.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        claims = json.loads(unseal(base64.b64encode(raw).decode(), bound_to=f"address:{use}"))
    except (binascii.Error, ValueError, Unavailable):
        raise wrong from None
    if claims.pop("until") < time.time():
        raise Forbidden("This address has expired.", code="address_expired", hint="Ask for a new one.")
    return dict(claims)
