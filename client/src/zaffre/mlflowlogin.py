"""How MLflow's client logs in to a studio whose tracking URI a script asked for: a plugin that it finds by its name.

Scripts of the Azure ML SDK v1 say `mlflow.set_tracking_uri(ws.get_mlflow_tracking_uri())` and nothing more. A token in
the environment would be sent to whatever server the script names next, so this one is sent to its studio only.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict
from urllib.parse import urlsplit

NAME = "zaffre"
_CHOICE = "MLFLOW_TRACKING_AUTH"
#: Where somebody has told MLflow how to log in, such as the node of a run, that counts.
_OTHERS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", _CHOICE)
_TOKENS: Dict[str, str] = {}


def remember(url: str, token: str) -> None:
    """Have MLflow's client of this process log in to the studio at `url`."""
    _TOKENS[_origin(url)] = token
    if not any(os.environ.get(name) for name in _OTHERS):
        os.environ[_CHOICE] = NAME


class StudioLogin:
    """The provider of MLflow's `mlflow.request_auth_provider`."""

    def get_name(self) -> str:
        return NAME

    def get_auth(self) -> Callable[[Any], Any]:
        return with_token


def with_token(request: Any) -> Any:
    """The request of MLflow's client, with the token if it goes to a studio that is known."""
    token = _TOKENS.get(_origin(request.url))
    if token:
        request.headers["Authorization"] = f"Bearer {token}"
    return request


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
