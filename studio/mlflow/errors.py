"""Refusals as MLflow's client reads them: {"error_code", "message"} and a status that it does not take for a fault.

The client repeats 408, 429 and 5xx for minutes, so nothing that will not change by itself is told with those.
"""

import functools
import re

from studio.kernel import hot
from studio.kernel.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RangeGap,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unavailable,
    ZaffreError,
)

_BY_CLASS: list[tuple[type[ZaffreError], int, str]] = [
    (Unauthenticated, 401, "UNAUTHENTICATED"),
    (Forbidden, 403, "PERMISSION_DENIED"),
    (NotFound, 404, "RESOURCE_DOES_NOT_EXIST"),
    (Conflict, 409, "RESOURCE_CONFLICT"),
    (TooLarge, 400, "INVALID_PARAMETER_VALUE"),
    (RangeGap, 400, "INVALID_PARAMETER_VALUE"),
    (Invalid, 400, "INVALID_PARAMETER_VALUE"),
    (TooMany, 429, "REQUEST_LIMIT_EXCEEDED"),
    (Unavailable, 503, "TEMPORARILY_UNAVAILABLE"),
]
#: Conflicts that MLflow's client knows by another name.
_BY_CODE = {
    "taken": (400, "RESOURCE_ALREADY_EXISTS"),
    "param_changed": (400, "INVALID_PARAMETER_VALUE"),
    "no_endpoint": (404, "ENDPOINT_NOT_FOUND"),
    "no_workspace": (404, "RESOURCE_DOES_NOT_EXIST"),
    "deleted": (400, "INVALID_PARAMETER_VALUE"),
    "fixed": (501, "NOT_IMPLEMENTED"),
}


def told(error: ZaffreError) -> hot.Response:
    """The answer for an error."""
    by_alias = isinstance(error, NotFound) and "alias" in error.details  # as MLflow's own server has it
    status, code = _BY_CODE.get("deleted" if by_alias else error.code) or next(
        ((status, code) for kind, status, code in _BY_CLASS if isinstance(error, kind)),
        (error.status if error.status in {408, 507} else 500, "INTERNAL_ERROR"),
    )
    answer = hot.json({"error_code": code, "message": _message(error)}, status)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if status in {429, 503}:
        wait = re.sub(r"\D", "", str(error.details.get("retry_after", "")))
        answer.headers["Retry-After"] = wait or "2"
    if isinstance(error, (TooLarge, TooSlow)):
        answer.headers["Connection"] = "close"
    return answer


def _message(error: ZaffreError) -> str:
    run = error.details.get("run")
    if error.code == "deleted":
        return f"The run {run} must be in the 'active' state. Current state is deleted."
    if isinstance(error, NotFound) and run is not None:
        return f"Run with id={run} not found"
    if isinstance(error, NotFound) and "experiment" in error.details:
        return f"No Experiment with id={error.details['experiment']} exists"
    if isinstance(error, NotFound) and "version" in error.details:
        return f"Model Version (name={error.details['model']}, version={error.details['version']}) not found"
    if isinstance(error, NotFound) and "model" in error.details:
        return f"Registered Model with name={error.details['model']} not found"
    if isinstance(error, NotFound) and "alias" in error.details:
        return f"Registered model alias {error.details['alias']} not found."
    if error.code == "param_changed":
        key, was, wanted = (error.details.get(name) for name in ("key", "was", "wanted"))
        return (
            f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{was}' for "
            f"run ID='{error.details.get('of_run', '')}'. Attempted logging new value '{wanted}'."
        )
    if error.code == "unsafe_path":
        return "Invalid path"
    return f"{error.message} {error.hint}" if error.hint else error.message


def door(handler: hot.Handler) -> hot.Handler:
    """A hot function whose errors are told in MLflow's words."""

    @functools.wraps(handler)
    async def wrapper(request: hot.Request, **names: str) -> hot.Response:
        try:
            _refuse_other_workspace(request, names["ws"])
            return await handler(request, **names)
        except hot.Gone:
            raise
        except Exception as error:
            answer = told(hot.as_refusal(error))
            await request.drain()
            return answer

    return wrapper


def _refuse_other_workspace(request: hot.Request, ws: str) -> None:
    """The address names the workspace; what MLFLOW_WORKSPACE says besides must not be another one."""
    named = request.headers.get("x-mlflow-workspace", "").strip()
    if named and named != ws:
        raise Invalid(
            f"The address is that of the workspace {ws!r}, and the header X-MLFLOW-WORKSPACE names {named[:40]!r}.",
            hint="Put the workspace into MLFLOW_TRACKING_URI, and leave MLFLOW_WORKSPACE away.",
        )


def missing(what: str) -> Invalid:
    """A parameter without which the call means nothing, in the words of MLflow's server."""
    return Invalid(f"Missing value for required parameter '{what}'.")
