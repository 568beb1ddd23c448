"""Everything the client raises, as one tree.

ZaffreError
├── UserErrorException      what the caller gave cannot be meant; nothing was sent
│   ├── ConfigError         no studio, token or workspace is known
│   └── SnapshotException   a folder cannot become a snapshot
├── Unreachable             no answer, or none that promises anything
├── ActivityFailedException a run or a deployment ended otherwise than hoped
└── Refused                 the studio understood and said no (`status`, `code`, `details`)
    └── Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, TooMany, Outdated

The text of an error is one sentence about what happened; `hint` says what to do about it.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Type


class ZaffreError(Exception):
    """The base of all: catch this to catch every failure of the client."""

    def __init__(self, message: str, *, hint: Optional[str] = None, code: str = "error") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class UserErrorException(ZaffreError):
    """What the caller gave cannot be meant."""


class ConfigError(UserErrorException):
    """No studio, token or workspace is known."""


class SnapshotException(UserErrorException):
    """A folder cannot become a snapshot."""


class Unreachable(ZaffreError):
    """The studio did not answer, or not with a promise."""


class ActivityFailedException(ZaffreError):
    """A run or a deployment did not end well."""


class Refused(ZaffreError):
    """The studio said no."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "error",
        hint: Optional[str] = None,
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status = status
        self.details: Dict[str, Any] = dict(details or {})


class Unauthenticated(Refused):
    """401: no token, or one that is unknown, expired or revoked."""


class Forbidden(Refused):
    """403: a member whose role does not suffice."""


class NotFound(Refused):
    """404: missing, or hidden from you."""


class Conflict(Refused):
    """409: the state of the thing does not allow it."""


class TooLarge(Refused):
    """413: over a limit."""


class Invalid(Refused):
    """400 or 422: a body or a field that cannot be meant."""


class TooMany(Refused):
    """429 that did not pass after waiting."""


class Outdated(Refused):
    """426: this client is too old, or too new, for the studio."""


_BY_STATUS: Dict[int, Type[Refused]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Invalid,
    426: Outdated,
    429: TooMany,
}


def refusal(status: int, found: Mapping[str, Any], what: str, *, unknown: str = "") -> Refused:
    """The exception for the `error` of an answer; `what` names the call when the answer says nothing, `unknown` says
    what to do about a token that does not count."""
    kind = _BY_STATUS.get(status, Refused)
    hint = found.get("hint")
    if status == 401 and unknown:
        hint = f"{hint} {unknown}" if hint else unknown
    details = found.get("details")
    return kind(
        str(found.get("message") or f"{what} was answered with {status}."),
        status=status,
        code=str(found.get("code") or "error"),
        hint=str(hint) if hint else None,
        details=details if isinstance(details, Mapping) else None,
    )
