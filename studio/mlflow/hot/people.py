"""…/mlflow/users/…: accounts, and what people may do, in the words of MLflow's add-on for people.

A password is in the body of two calls, and nowhere else: not in an answer, a refusal, the log or the audit trail.
"""

from typing import Any

import msgspec

from registry import queries as models
from registry.loggedmodels import queries as logged_models
from runs import queries as runs
from studio.kernel import db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, Invalid, NotFound, ZaffreError
from studio.mlflow import rights, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from workspace.access import can, get_workspace
from workspace.accounts import queries, services
from workspace.accounts.models import User
from workspace.queries import Person, get_person, list_people


class Account(msgspec.Struct):
    username: str | None = None
    password: str | None = None
    current_password: str | None = None
    is_admin: bool | None = None


class OnThing(msgspec.Struct):
    username: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    experiment_id: str | None = None
    name: str | None = None


def user_out(user: User) -> dict[str, Any]:
    """The lists of grants on single things, which older clients want, are empty: rights are of the workspace."""
    told = {"id": user.pk, "username": user.username, "is_admin": user.is_superuser}
    return told | {"experiment_permissions": [], "registered_model_permissions": []}


def role_in(person: Person) -> str | None:
    return person.member.role if person.member else None


def not_by_thing(ws: str, *, actor: Actor) -> ZaffreError:
    """The refusal of rights on single things; raises instead for who may not see the workspace."""
    get_workspace(ws, actor=actor, action="workspace.read")
    return ZaffreError(
        f"Rights in this studio are those of a role in the whole workspace {ws}, and not of single things.",
        code="fixed",
        hint="Give the person a role with roles/assign or on the page of the workspace's members.",
    )


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST users/create {username, password} → {user}: an account of the site, not yet a member of a workspace"""
    actor = await actor_of(request)
    asked = await _account(request)
    username, password = wire.needed(asked.username, "username"), wire.needed(asked.password, "password")

    def make() -> dict[str, Any]:
        get_workspace(ws, actor=actor, action="workspace.read")
        return user_out(services.create_user(actor=actor, username=username, password=password))

    return hot.json({"user": await db.run(make)})


@door
async def update_password(request: hot.Request, ws: str) -> hot.Response:
    """PATCH users/update-password {username, password, current_password} → {}: one's own"""
    actor = await actor_of(request)
    asked = await _account(request)
    username, new = wire.needed(asked.username, "username"), wire.needed(asked.password, "password")

    def change() -> None:
        get_workspace(ws, actor=actor, action="workspace.read")
        if not actor.is_user or username != actor.name:
            raise Forbidden(
                "A password is its owner's own: nobody else sets it from here.",
                hint="Whoever runs the studio can, with: manage.py changepassword <user name>.",
            )
        services.change_password(
            None, actor=actor, old=wire.needed(asked.current_password, "current_password"), new=new
        )

    await db.run(change)
    return hot.json({})


@door
async def update_admin(request: hot.Request, ws: str) -> hot.Response:
    """PATCH users/update-admin {username, is_admin} → {}: whether somebody is a site administrator"""
    actor = await actor_of(request)
    asked = await _account(request)
    username, is_admin = wire.needed(asked.username, "username"), wire.needed(asked.is_admin, "is_admin")

    def change() -> None:
        get_workspace(ws, actor=actor, action="workspace.read")
        services.set_site_admin(username, actor=actor, is_admin=is_admin)

    await db.run(change)
    return hot.json({})


@door
async def delete(request: hot.Request, ws: str) -> hot.Response:
    """DELETE users/delete {username} → {}: the account is closed, and what the person made stays"""
    actor = await actor_of(request)
    username = wire.needed((await _account(request)).username, "username")

    def close() -> None:
        get_workspace(ws, actor=actor, action="workspace.read")
        if not queries.get_user(username, actor=actor).is_active:
            raise NotFound(f"The account of {username} is closed already.")
        services.deactivate_user(username, actor=actor)

    await db.run(close)
    return hot.json({})


async def _account(request: hot.Request) -> Account:
    """What is asked; a refusal never tells a value, which might be the password."""
    return (await wire.read(request, Account, silent=True))[0]


@door
async def get(request: hot.Request, ws: str) -> hot.Response:
    """GET users/get?username= → {user}"""
    actor = await actor_of(request)
    username = wire.needed(wire.from_query(request, OnThing).username, "username")
    return hot.json({"user": user_out((await db.run(get_person, ws, username, actor=actor)).user)})


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET users/list → {users}: the members, and for a site administrator everybody, with their roles here"""
    actor = await actor_of(request)

    def shown(person: Person) -> dict[str, Any]:
        role = role_in(person)
        return user_out(person.user) | {"roles": [rights.role_out(role, ws)] if role else []}

    return hot.json({"users": await db.run(lambda: [shown(one) for one in list_people(ws, actor=actor)])})


@door
async def current(request: hot.Request, ws: str) -> hot.Response:
    """GET users/current → {user, is_basic_auth}"""
    actor = await actor_of(request)

    def look() -> User:
        get_workspace(ws, actor=actor, action="workspace.read")
        return queries.user_of(actor)

    return hot.json({"user": user_out(await db.run(look)), "is_basic_auth": True})


@door
async def current_permissions(request: hot.Request, ws: str) -> hot.Response:
    """GET users/current/permissions → {is_admin, permissions}"""
    actor = await actor_of(request)
    return hot.json(await db.run(_permissions, ws, None, actor=actor))


@door
async def list_permissions(request: hot.Request, ws: str) -> hot.Response:
    """GET users/permissions/list?username= → {is_admin, permissions}"""
    actor = await actor_of(request)
    username = wire.needed(wire.from_query(request, OnThing).username, "username")
    return hot.json(await db.run(_permissions, ws, username, actor=actor))


def _permissions(ws: str, username: str | None, *, actor: Actor) -> dict[str, Any]:
    if username is None:
        get_workspace(ws, actor=actor, action="workspace.read")
        username = queries.user_of(actor).username
    person = get_person(ws, username, actor=actor)
    role = role_in(person)
    rows = [{"role_name": role, "workspace": ws, **one} for one in (rights.grants(role) if role else ())]
    return {"is_admin": person.user.is_superuser, "permissions": rows}


@door
async def get_permission(request: hot.Request, ws: str) -> hot.Response:
    """GET users/permissions/get?username=&resource_type=&resource_id= → {allowed, permission}"""
    actor = await actor_of(request)
    asked = wire.from_query(request, OnThing)
    username, kind = wire.needed(asked.username, "username"), wire.needed(asked.resource_type, "resource_type")
    thing = wire.needed(asked.resource_id, "resource_id")
    word = await db.run(_permission, ws, username, kind, thing, actor=actor)
    return hot.json({"allowed": word in {"MANAGE", "EDIT", "USE"}, "permission": word})


def _permission(ws: str, username: str, kind: str, thing: str, *, actor: Actor) -> str:
    role = role_in(get_person(ws, username, actor=actor))
    found = rights.permission(role, kind)
    return found if found == rights.NONE or _is_there(ws, kind, thing, actor=actor) else rights.NONE


def _is_there(ws: str, kind: str, thing: str, *, actor: Actor) -> bool:
    """Whether the workspace has such a thing, as far as the actor may know: for others all things are alike."""
    workspace = get_workspace(ws, actor=actor, action="workspace.read")
    if thing == "*" or not can(workspace, actor=actor, action="run.read"):
        return True
    try:
        if kind == "experiment":
            number = int(thing) if thing.isascii() and thing.isdigit() and len(thing) <= 18 else -1
            runs.get_experiment_by_id(ws, number, actor=actor)
        elif kind == "run":
            runs.get_run_briefly(ws, thing, actor=actor)
        elif kind == "logged_model":
            logged_models.get_logged_model(ws, thing, actor=actor)
        elif kind in {"registered_model", "prompt"}:
            models.get_model(ws, thing, actor=actor)
        elif kind == "workspace":
            return thing == ws
        else:
            raise Invalid(f"The resource_id of a {kind} is '*', and not {thing[:40]!r}.")
    except NotFound:
        return False
    return True


@door
async def grant(request: hot.Request, ws: str) -> hot.Response:
    """POST users/permissions/grant and revoke, and what older clients have for single things: refused"""
    actor = await actor_of(request)
    await wire.read(request, OnThing)
    raise await db.run(not_by_thing, ws, actor=actor)


@door
async def of_experiment(request: hot.Request, ws: str) -> hot.Response:
    """GET experiments/permissions/get?experiment_id=&username= → {experiment_permission}, for clients before 3.14"""
    actor = await actor_of(request)
    asked = wire.from_query(request, OnThing)
    number = wire.needed(asked.experiment_id, "experiment_id")
    found = await db.run(_older, ws, asked.username, "experiment", number, actor=actor)
    return hot.json({"experiment_permission": {"experiment_id": number, **found}})


@door
async def of_model(request: hot.Request, ws: str) -> hot.Response:
    """GET registered-models/permissions/get?name=&username= → {registered_model_permission}, for older clients"""
    actor = await actor_of(request)
    asked = wire.from_query(request, OnThing)
    name = wire.needed(asked.name, "name")
    found = await db.run(_older, ws, asked.username, "registered_model", name, actor=actor)
    return hot.json({"registered_model_permission": {"name": name, **found}})


def _older(ws: str, username: str | None, kind: str, thing: str, *, actor: Actor) -> dict[str, Any]:
    person = get_person(ws, wire.needed(username, "username"), actor=actor)
    word = _permission(ws, person.user.username, kind, thing, actor=actor)
    if word == rights.NONE:
        raise NotFound(f"{person.user.username} has no permission on the {kind} {thing[:100]!r}.")
    return {"user_id": person.user.pk, "permission": word}
