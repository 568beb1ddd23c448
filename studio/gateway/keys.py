"""Who may score: the caller's key against the hashes of an endpoint's keys."""

import hmac

from studio.gateway import wire

#: No key has more characters; a longer header is not hashed.
LONGEST = 200
_NOBODY = ("0" * 64, "0" * 64)


def key_of(header: str) -> str:
    """The key in an Authorization header, empty when there is none."""
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" and len(value) <= LONGEST else ""


def opens(key: str, endpoint: wire.Endpoint | None) -> bool:
    """Say whether the key is one of the endpoint's. It takes as long for an endpoint that there is not."""
    given = wire.key_hash(key)
    found = False
    for kept in endpoint.keys if endpoint is not None else _NOBODY:
        found |= hmac.compare_digest(given, kept)
    return found and endpoint is not None and bool(key)
