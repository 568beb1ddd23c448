"""…/mlflow/webhooks: our webhooks in MLflow's words."""

from typing import Any

import msgspec

from studio.kernel import db, hot
from studio.kernel.errors import Invalid
from studio.mlflow import wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.shapes import milliseconds
from workspace.webhooks import queries, services
from workspace.webhooks.models import Webhook

MOST = 100
_ACTIVE = {"ACTIVE": True, "DISABLED": False, 1: True, 2: False}


class Event(msgspec.Struct):
    entity: str | None = None
    action: str | None = None


class Given(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    url: str | None = None
    events: list[Event] | None = None
    secret: str | None = None
    status: str | int | None = None


class Asked(msgspec.Struct):
    max_results: int | None = None
    page_token: str | None = None


class Tested(msgspec.Struct):
    event: Event | None = None


def webhook_out(webhook: Webhook) -> dict[str, Any]:
    """The secret is not told to anybody."""
    pairs = [one.split(".") for one in webhook.events]
    return {
        "webhook_id": webhook.pk,
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.url,
        "events": [{"entity": entity.upper(), "action": action.upper()} for entity, action in pairs],
        "status": "ACTIVE" if webhook.active else "DISABLED",
        "creation_timestamp": milliseconds(webhook.created),
        "last_updated_timestamp": milliseconds(webhook.updated),
    }


def _named(event: Event) -> str:
    return f"{(event.entity or '').lower()}.{(event.action or '').lower()}"


def _facts(given: Given) -> dict[str, Any]:
    """What is given, by our names. Raises Invalid for a status that there is not."""
    facts: dict[str, Any] = {"name": given.name, "description": given.description, "url": given.url}
    facts["secret"] = given.secret
    facts["events"] = [_named(one) for one in given.events] if given.events else None
    if given.status is not None:
        if given.status not in _ACTIVE:
            raise Invalid(f"Invalid value {str(given.status)[:40]!r} for parameter 'status' supplied.")
        facts["active"] = _ACTIVE[given.status]
    return {key: value for key, value in facts.items() if value is not None}


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST webhooks {name, url, events, description?, secret?, status?} → {webhook}"""
    actor = await actor_of(request)
    given, _ = await wire.read(request, Given, silent=True)
    wire.needed(given.name, "name")
    wire.needed(given.url, "url")
    facts = {"events": [], **_facts(given)}
    made = await db.run(lambda: services.create_webhook(ws, actor=actor, **facts))
    return hot.json({"webhook": webhook_out(made)})


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """GET webhooks?max_results=&page_token= → {webhooks, next_page_token?}, the oldest first"""
    actor = await actor_of(request)
    asked = wire.from_query(request, Asked)
    limit, skip = wire.page(asked.max_results, default=MOST, most=MOST), wire.skipped(asked.page_token)
    found = await db.run(lambda: list(queries.list_webhooks(ws, actor=actor)[skip : skip + limit + 1]))
    more = {"next_page_token": f"s{skip + limit}"} if len(found) > limit else {}
    return hot.json({"webhooks": [webhook_out(one) for one in found[:limit]], **more})


@door
async def get(request: hot.Request, ws: str, webhook: str) -> hot.Response:
    """GET webhooks/<id> → {webhook}"""
    actor = await actor_of(request)
    return hot.json({"webhook": webhook_out(await db.run(queries.get_webhook, ws, webhook, actor=actor))})


@door
async def update(request: hot.Request, ws: str, webhook: str) -> hot.Response:
    """PATCH webhooks/<id> {name?, url?, events?, description?, secret?, status?} → {webhook}"""
    actor = await actor_of(request)
    given, _ = await wire.read(request, Given, silent=True)
    facts = _facts(given)
    return hot.json({"webhook": webhook_out(await db.run(services.change_webhook, ws, webhook, actor=actor, **facts))})


@door
async def delete(request: hot.Request, ws: str, webhook: str) -> hot.Response:
    """DELETE webhooks/<id> → {}"""
    actor = await actor_of(request)
    await request.body()
    await db.run(services.delete_webhook, ws, webhook, actor=actor)
    return hot.json({})


@door
async def test(request: hot.Request, ws: str, webhook: str) -> hot.Response:
    """POST webhooks/<id>/test {event?} → {result}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, Tested)
    event = _named(asked.event) if asked.event else ""
    tried = await db.run(services.try_webhook, ws, webhook, actor=actor, event=event)
    result: dict[str, Any] = {"success": tried.succeeded}
    if tried.status is None:
        result["error_message"] = tried.error
    else:
        result |= {"response_status": tried.status, "response_body": tried.body}
    return hot.json({"result": result})
