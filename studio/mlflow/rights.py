"""Our roles in the words of MLflow's add-on for people: permissions on kinds of things, read from the rule book."""

from typing import Any

from studio.kernel.errors import Invalid, NotFound
from workspace.access import ACTIONS
from workspace.models import Role

NONE = "NO_PERMISSIONS"
#: From the most to the least; in MLflow's words each holds those after it.
_OF_RUNS = (("MANAGE", "run.delete_any"), ("EDIT", "run.edit"), ("READ", "run.read"))
_OF_MODELS = (("MANAGE", "model.delete"), ("EDIT", "model.edit"), ("READ", "model.read"))
#: Kinds of things, and which of our actions stands for a permission on all of them.
LEVELS: dict[str, tuple[tuple[str, str], ...]] = {
    "workspace": (("MANAGE", "member.change"), ("USE", "run.submit"), ("READ", "run.read")),
    "experiment": _OF_RUNS,
    "run": _OF_RUNS,
    "logged_model": _OF_MODELS,
    "registered_model": _OF_MODELS,
    "registered_model_version": _OF_MODELS,
    "prompt": _OF_MODELS,
    "prompt_version": _OF_MODELS,
}
#: What MLflow has besides: nobody has a right on it, because there is none here.
ABSENT = {
    *("trace", "assessment", "review_queue", "scorer", "scorer_version", "mcp_server", "mcp_server_version"),
    *("gateway_secret", "gateway_endpoint", "gateway_model_definition"),
}
#: The number of a role is its place here, from 1, in every workspace.
ROLES = tuple(Role.values)
_SAID = {
    "owner": "Everything, with the people of the workspace and what others made.",
    "contributor": "Reads everything, makes experiments, runs and models, and changes what is shared.",
    "reader": "Reads everything.",
    "labeler": "Labels data; reads no runs and models.",
}


def permission(role: str | None, kind: str) -> str:
    """What a role may do with all things of a kind. Raises Invalid for a kind that MLflow does not have."""
    if kind not in LEVELS and kind not in ABSENT:
        raise Invalid(f"Invalid resource type {kind[:40]!r}: it is one of {', '.join(sorted({*LEVELS, *ABSENT}))}.")
    found = (word for word, action in LEVELS.get(kind, ()) if role in ACTIONS[action])
    return next(found, NONE)


def role_out(role: str, ws: str) -> dict[str, Any]:
    """A role of a workspace as MLflow's client reads it, with what it may do with each kind of things."""
    at = number_of(role)
    return {"id": at, "name": role, "workspace": ws, "description": _SAID[role], "permissions": grants(role)}


def grants(role: str) -> list[dict[str, Any]]:
    """The permissions of a role as rows; each has a number of its own."""
    at, kinds = number_of(role), list(LEVELS)
    found = [(place, kind, permission(role, kind)) for place, kind in enumerate(kinds, 1)]
    return [
        {"id": at * 100 + place, "role_id": at, "resource_type": kind, "resource_pattern": "*", "permission": word}
        for place, kind, word in found
        if word != NONE
    ]


def number_of(role: str) -> int:
    """The number by which MLflow's client names a role."""
    return ROLES.index(role) + 1


def role_of(number: int) -> str:
    """Raises NotFound when no role has the number."""
    if not 1 <= number <= len(ROLES):
        raise NotFound(f"There is no role {number}: they are {', '.join(f'{number_of(one)} {one}' for one in ROLES)}.")
    return ROLES[number - 1]
