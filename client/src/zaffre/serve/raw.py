"""Requests and answers as whole HTTP messages, for scripts that want them so."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Mapping, Optional, TypeVar, Union
from urllib.parse import parse_qs

_MARK = "_zaffre_rawhttp"
Function = TypeVar("Function", bound=Callable[..., Any])


def rawhttp(function: Function) -> Function:
    """Let `run` receive an AMLRequest instead of the body's text."""
    setattr(function, _MARK, True)
    return function


def wants_raw(function: Callable[..., Any]) -> bool:
    """True for a `run` that was decorated with `rawhttp`."""
    return bool(getattr(function, _MARK, False))


class AMLRequest:
    """One HTTP request: method, path, headers (lower-case names), query and body."""

    def __init__(self, method: str, path: str, query_string: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers: Dict[str, str] = dict(headers)
        self.args = {key: values[-1] for key, values in parse_qs(query_string, keep_blank_values=True).items()}
        self._body = body

    def get_data(self, as_text: bool = False) -> Union[bytes, str]:
        """The body as bytes, or decoded as UTF-8."""
        return self._body.decode("utf-8") if as_text else self._body

    @property
    def data(self) -> bytes:
        return self._body

    def get_json(self) -> Any:
        """The decoded body. Raises ValueError when it is no JSON."""
        return json.loads(self._body)


class AMLResponse:
    """An answer with its own status and headers. A `message` that is no text or bytes becomes JSON."""

    def __init__(
        self,
        message: Any,
        status_code: int = 200,
        response_headers: Optional[Mapping[str, str]] = None,
        json_str: bool = False,
    ) -> None:
        self.message = message
        self.status_code = status_code
        self.response_headers: Dict[str, str] = dict(response_headers or {})
        self.json_str = json_str

    def add_header(self, name: str, value: str) -> None:
        """Add or replace a header of the answer."""
        self.response_headers[name] = value
