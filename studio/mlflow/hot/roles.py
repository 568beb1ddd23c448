"""…/mlflow/roles/…: the four roles of a workspace, which are what they are, and who has which."""

from typing import Any

import msgspec

from studio.kernel import db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, ZaffreError
from studio.mlflow import rights, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.hot.people import role_in
from workspace import services
from workspace.access import get_workspace
from workspace.models import Membership
from workspace.queries import get_person, list_members


class OfRole(msgspec.Struct):
    role_id: int | None = None
    username: str | None = None
    workspace: str | None = None


async def _asked(request: hot.Request) -> OfRole:
    return (await wire.read(request, OfRole))[0]


async def _role(request: hot.Request, ws: str, actor: Actor) -> str:
    """The role of the number that is asked for. Raises NotFound, also for a stranger."""
    number = wire.needed((await _asked(request)).role_id, "role_id")
    await db.run(get_workspace, ws, actor=actor, action="workspace.read")
    return rights.role_of(number)


def _assignment(member: Membership) -> dict[str, Any]:
    return {"id": member.pk, "user_id": member.user_id, "role_id": rights.number_of(member.role)}


@door
async def get(request: hot.Request, ws: str) -> hot.Response:
    """GET roles/get?role_id= → {role}"""
    role = await _role(request, ws, await actor_of(request))
    return hot.json({"role": rights.role_out(role, ws)})


@door
async def list_permissions(request: hot.Request, ws: str) -> hot.Response:
    """GET roles/permissions/list?role_id= → {role_permissions}"""
    role = await _role(request, ws, await actor_of(request))
    return hot.json({"role_permissions": rights.grants(role)})


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET roles/list?workspace= → {roles}: those of the workspace of this address"""
    actor = await actor_of(request)
    named = (await _asked(request)).workspace
    await db.run(get_workspace, ws, actor=actor, action="workspace.read")
    if named not in {None, ws}:
        raise ZaffreError(
            f"This address is that of the workspace {ws!r}: another one has an address of its own.", code="no_workspace"
        )
    return hot.json({"roles": [rights.role_out(one, ws) for one in rights.ROLES]})


@door
async def change(request: hot.Request, ws: str) -> hot.Response:
    """POST roles/create and all that would change a role: refused"""
    actor = await actor_of(request)
    await request.body()
    await db.run(get_workspace, ws, actor=actor, action="workspace.read")
    raise ZaffreError(
        f"The roles of a workspace are {', '.join(rights.ROLES)}, in every workspace the same.",
        code="fixed",
        hint="Give people one of them with roles/assign.",
    )


@door
async def assign(request: hot.Request, ws: str) -> hot.Response:
    """POST roles/assign {username, role_id} → {assignment}: who has another role keeps it, and it is told"""
    actor = await actor_of(request)
    asked = await _asked(request)
    username, number = wire.needed(asked.username, "username"), wire.needed(asked.role_id, "role_id")

    def give() -> dict[str, Any]:
        get_workspace(ws, actor=actor, action="member.change")
        role = rights.role_of(number)
        try:
            return _assignment(services.add_member(ws, actor=actor, username=username, role=role))
        except Conflict as taken:
            hint = "Nobody has two roles: take the present one away first, with roles/unassign."
            raise Conflict(taken.message, code="taken", hint=hint) from None

    return hot.json({"assignment": await db.run(give)})


@door
async def unassign(request: hot.Request, ws: str) -> hot.Response:
    """DELETE roles/unassign {username, role_id} → {}: the person is no member any more"""
    actor = await actor_of(request)
    asked = await _asked(request)
    username, number = wire.needed(asked.username, "username"), wire.needed(asked.role_id, "role_id")

    def take() -> None:
        get_workspace(ws, actor=actor, action="member.change")
        services.remove_member(ws, actor=actor, username=username, role=rights.role_of(number))

    await db.run(take)
    return hot.json({})


@door
async def of_user(request: hot.Request, ws: str) -> hot.Response:
    """GET users/roles/list?username= → {roles}: one or none"""
    actor = await actor_of(request)
    username = wire.needed((await _asked(request)).username, "username")
    role = role_in(await db.run(get_person, ws, username, actor=actor))
    return hot.json({"roles": [rights.role_out(role, ws)] if role else []})


@door
async def users_of(request: hot.Request, ws: str) -> hot.Response:
    """GET roles/users/list?role_id= → {assignments}"""
    actor = await actor_of(request)
    role = await _role(request, ws, actor)

    def look() -> list[dict[str, Any]]:
        found = list_members(ws, actor=actor).filter(role=role, user__is_active=True)
        return [_assignment(one) for one in found]

    return hot.json({"assignments": await db.run(look)})
