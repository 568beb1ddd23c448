"""Everything the studio refuses, as one tree.

ZaffreError
├── Unauthenticated        401  no credential, or one that is unknown, expired or revoked
├── Forbidden              403  a member whose role does not suffice
├── NotFound               404  missing, or hidden from a stranger: the two look alike
├── TooSlow                408  a body that does not come
├── Conflict               409  the state of the thing does not allow it (`code` says which)
├── TooLarge               413
├── RangeGap               416  a log piece that does not continue what is held
├── Invalid                422  a body or a field that cannot be meant
├── OtherProtocol          426  a client or a node of a version that cannot be served
├── TooMany                429  a rate or a quota
└── Unavailable            503  something behind us is away; try again

Raise the one that fits with a sentence a person can act on. A door turns it into its own language.
"""

from typing import Any


class ZaffreError(Exception):
    status = 500
    code = "error"

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        if code:
            self.code = code

    def body(self) -> dict[str, Any]:
        """The answer's JSON, the same on every door."""
        return {
            "error": {"code": self.code, "message": self.message, "hint": self.hint, "details": self.details},
        }


class Unauthenticated(ZaffreError):
    status = 401
    code = "unauthenticated"


class Forbidden(ZaffreError):
    status = 403
    code = "forbidden"


class NotFound(ZaffreError):
    status = 404
    code = "not_found"


class TooSlow(ZaffreError):
    status = 408
    code = "too_slow"


class Conflict(ZaffreError):
    status = 409
    code = "conflict"


class TooLarge(ZaffreError):
    status = 413
    code = "too_large"


class RangeGap(ZaffreError):
    status = 416
    code = "gap"


class Invalid(ZaffreError):
    status = 422
    code = "invalid"


class Malformed(Invalid):
    """What the protocol itself does not allow, such as a header that cannot be read."""

    status = 400


class OtherProtocol(ZaffreError):
    status = 426
    code = "protocol"


class TooMany(ZaffreError):
    status = 429
    code = "too_many"


class Unavailable(ZaffreError):
    status = 503
    code = "unavailable"
