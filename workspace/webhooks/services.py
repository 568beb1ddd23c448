"""Making webhooks, and telling them what happened.

A message is a row in the transaction of what it tells, so that neither is there without the other. A task sends it;
what was not taken is tried again by the relay, with growing pauses. The receiver may get it twice, with the same id.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from studio.kernel import crypto, outgoing
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, Unavailable
from studio.kernel.ids import ulid
from studio.kernel.jobs import enqueue
from workspace.access import get_workspace
from workspace.audit.services import record
from workspace.forms import clean_description
from workspace.models import Workspace
from workspace.webhooks import events, forms
from workspace.webhooks.models import Delivery, Webhook
from workspace.webhooks.queries import get_webhook

#: Webhooks that a workspace may have.
MOST = 50
KEPT = timedelta(days=7)
#: For so long the task that has a message is left alone; a worker that died in it costs no more than that.
HELD = timedelta(seconds=60)
SHOWN_BODY = 2000
_TASK = "webhooks.deliver"


@dataclass(frozen=True, slots=True)
class Tried:
    """How a test went: what the receiver answered, or why it did not."""

    status: int | None
    body: str
    error: str

    @property
    def succeeded(self) -> bool:
        return self.status is not None and events.is_taken(self.status)


@transaction.atomic
def create_webhook(
    slug: str,
    *,
    actor: Actor,
    name: str,
    url: str,
    events: Iterable[str],
    description: str = "",
    secret: str = "",
    active: bool = True,
) -> Webhook:
    """Tell `url` of these events from now on. Raises Invalid, Conflict `too_many`."""
    workspace = get_workspace(slug, actor=actor, action="webhook.manage")
    if Webhook.objects.filter(workspace=workspace).count() >= MOST:
        raise Conflict(
            gettext("A workspace has at most %(most)s webhooks.") % {"most": MOST},
            code="too_many",
            hint=gettext("Delete one first."),
        )
    webhook_id = ulid()
    made = Webhook.objects.create(
        id=webhook_id,
        workspace=workspace,
        name=forms.clean_name(name),
        description=clean_description(description),
        url=outgoing.clean_url(url, noun="webhook URL"),
        sealed_secret=_sealed(webhook_id, secret),
        events=forms.clean_events(events),
        active=active,
        created_by_id=actor.user_id,
    )
    record(actor=actor, workspace=workspace, action="webhook.create", target=made.name, fields={"events": made.events})
    return made


def _sealed(webhook_id: str, secret: str) -> str:
    secret = forms.clean_secret(secret)
    return crypto.seal(secret, bound_to=f"webhook {webhook_id}") if secret else ""


@transaction.atomic
def change_webhook(
    slug: str,
    webhook_id: str,
    *,
    actor: Actor,
    name: str | None = None,
    url: str | None = None,
    events: Iterable[str] | None = None,
    description: str | None = None,
    secret: str | None = None,
    active: bool | None = None,
) -> Webhook:
    """Change what is given; None leaves a field as it is, no secret ends the signing. Raises NotFound, Invalid."""
    found = get_webhook(slug, webhook_id, actor=actor)
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = forms.clean_name(name)
    if url is not None:
        changes["url"] = outgoing.clean_url(url, noun="webhook URL")
    if events is not None:
        changes["events"] = forms.clean_events(events)
    if description is not None:
        changes["description"] = clean_description(description)
    if secret is not None:
        changes["sealed_secret"] = _sealed(found.pk, secret)
    if active is not None:
        changes["active"] = active
    if changes:
        Webhook.objects.filter(pk=found.pk).update(**changes, updated=Now())
        record(
            actor=actor, workspace=found.workspace, action="webhook.change", target=found.name, fields=sorted(changes)
        )
    return get_webhook(slug, webhook_id, actor=actor)


@transaction.atomic
def delete_webhook(slug: str, webhook_id: str, *, actor: Actor) -> None:
    """Tell it nothing more; messages that wait are dropped. Raises NotFound."""
    found = get_webhook(slug, webhook_id, actor=actor)
    record(actor=actor, workspace=found.workspace, action="webhook.delete", target=found.name)
    found.delete()


def try_webhook(slug: str, webhook_id: str, *, actor: Actor, event: str = "") -> Tried:
    """Send an example of `event`, or of its first one, now, and say what was answered. Raises NotFound, Invalid."""
    found = get_webhook(slug, webhook_id, actor=actor)
    chosen = forms.clean_events([event])[0] if event else found.events[0]
    try:
        answer = _send(found, ulid(), _body(found.workspace.slug, chosen, events.EVENTS[chosen]))
    except outgoing.Undelivered as error:
        return Tried(None, "", str(error))
    return Tried(answer.status, answer.body.decode("utf-8", "replace")[:SHOWN_BODY], "")


def notify(workspace: Workspace, *, actor: Actor, event: str, data: Mapping[str, Any]) -> None:
    """Have the workspace's webhooks of this event told of it once this transaction commits.

    `actor` did what is told, and was allowed to. One query when nobody listens.
    """
    if event not in events.EVENTS:
        raise AssertionError(f"{event} is missing among the events")
    for webhook in Webhook.objects.filter(workspace=workspace, active=True, events__contains=[event]):
        made = Delivery.objects.create(
            id=ulid(),
            webhook=webhook,
            event=event,
            body=_body(workspace.slug, event, data),
            due=timezone.now() + HELD,
        )
        enqueue(_TASK, made.pk)


def _body(slug: str, event: str, data: Mapping[str, Any]) -> str:
    entity, _, action = event.partition(".")
    moment = timezone.now().isoformat()
    return json.dumps({"entity": entity, "action": action, "timestamp": moment, "workspace": slug, "data": dict(data)})


def deliver(delivery_id: str, *, actor: Actor) -> None:
    """Send one message, and note what became of it. For the studio's own hand; doing it twice sends it twice."""
    if actor.kind != "system":
        raise Forbidden(gettext("Only the studio itself delivers messages."))
    found = Delivery.objects.select_related("webhook").filter(pk=delivery_id, due__isnull=False).first()
    if found is None:
        return
    if not found.webhook.active:
        Delivery.objects.filter(pk=found.pk).update(due=None, error="The webhook was switched off.")
        return
    status, error = None, ""
    try:
        status = _send(found.webhook, found.pk, found.body).status
    except (outgoing.Undelivered, Unavailable) as problem:
        error = str(problem)
    Delivery.objects.filter(pk=found.pk).update(
        status=status, error=error, tries=found.tries + 1, **_next(found, status)
    )


def _next(found: Delivery, status: int | None) -> dict[str, Any]:
    if status is not None and events.is_taken(status):
        return {"due": None, "delivered": Now()}
    if (status is not None and events.is_final(status)) or found.tries >= len(events.PAUSES):
        return {"due": None}
    return {"due": timezone.now() + events.PAUSES[found.tries]}


def _send(webhook: Webhook, delivery: str, body: str) -> outgoing.Answer:
    moment = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "zaffre-webhooks",
        events.DELIVERY_HEADER: delivery,
        events.TIMESTAMP_HEADER: moment,
    }
    if webhook.sealed_secret:
        secret = crypto.unseal(webhook.sealed_secret, bound_to=f"webhook {webhook.pk}")
        headers[events.SIGNATURE_HEADER] = events.sign(secret, delivery=delivery, moment=moment, body=body)
    return outgoing.post(webhook.url, body.encode(), headers)


def redeliver(*, actor: Actor) -> int:
    """Have the messages sent whose time has come, and forget old ones; return how many. The relay's part."""
    if actor.kind != "system":
        raise Forbidden(gettext("Only the studio itself delivers messages."))
    with transaction.atomic():
        due = list(
            Delivery.objects.select_for_update(skip_locked=True, no_key=True)
            .filter(due__lt=Now())
            .order_by("due")
            .values_list("pk", flat=True)[:100]
        )
        Delivery.objects.filter(pk__in=due).update(due=timezone.now() + HELD)
        for pk in due:
            enqueue(_TASK, pk)
        Delivery.objects.filter(due__isnull=True, created__lt=timezone.now() - KEPT).delete()
    return len(due)
