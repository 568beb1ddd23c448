"""What the gateway itself answers: the same error body as on every door of the studio."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Refused(Exception):
    """An answer that no replica gave."""

    def __init__(
        self, status: int, code: str, message: str, *, hint: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint = status, code, message, hint
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        told: dict[str, Any] = {"code": self.code, "message": self.message, "hint": self.hint, "details": {}}
        return msgspec.json.encode({"error": told})


def unauthenticated() -> Refused:
    """The same for a wrong key and for an endpoint that there is not: strangers learn no names."""
    return Refused(
        401,
        "unauthenticated",
        "This address needs a key of its endpoint: Authorization: Bearer <key>.",
        hint="Owners and contributors of the workspace see the keys on the endpoint's page.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def unavailable(message: str) -> Refused:
    return Refused(503, "not_ready", message, hint="Try again in a few seconds.", headers={"Retry-After": "2"})
