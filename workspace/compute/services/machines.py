"""Making the machines of nodes be what their rows say: `manage.py nodes` calls `Manager.round` again and again.

Rows come first: a node has its id, and is counted, before anything is started for it. So a manager that dies between
two lines leaves a row without a machine, which the next round starts, or a machine with a row, which it finds.
"""

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from studio.kernel import tokens
from studio.kernel.actors import Actor
from studio.kernel.ids import ulid
from workspace.access import authorize
from workspace.compute import words
from workspace.compute.models import Enrolment, Node
from workspace.compute.providers import Machine, Order, Provider, ProviderError
from workspace.compute.services.happenings import happened

log = logging.getLogger(__name__)

#: Starts without a word from the agent until a node is given up; a machine that lived for HEALTHY begins anew.
MOST_STARTS = 4
HEALTHY = timedelta(seconds=60)
#: Seconds between asking an agent to go and killing it: it ends its runs first, each with its grace.
STOP_SECONDS = 30.0
TAIL_LINES = 25


class Manager:
    """The machines of one provider. Its memory holds only when something was asked: nothing is lost with it."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._asked: dict[str, float] = {}

    def round(self, *, actor: Actor) -> None:
        """Start what is wanted and not there, stop what is there and not wanted. Raises ProviderError."""
        rows = {node.pk: node for node in _rows(self.provider.name, actor=actor)}
        try:
            real = self.provider.list()
        except ProviderError as error:
            coming = [key for key, node in rows.items() if node.wanted and node.state == Node.State.PREPARING]
            _note(coming, str(error), error.why, state=Node.State.PREPARING)
            raise
        for key, node in rows.items():
            try:
                self._step(node, real.get(key))
            except ProviderError as error:
                log.warning("node %s (%s): %s", node.name, key, error)
                _note([key], str(error), error.why)
        for key, machine in real.items():
            if key not in rows:
                self._drop(key, machine)

    def stop_all(self) -> None:
        """Ask every machine to go, and wait until it has; the rows stay as they are, for the next start."""
        deadline = time.monotonic() + STOP_SECONDS
        while alive := [key for key, machine in self.provider.list().items() if machine.alive]:
            late = time.monotonic() > deadline
            for key in alive:
                if late or key not in self._asked:
                    self._asked[key] = time.monotonic()
                    self.provider.stop(key, kill=late)
            time.sleep(0.1)
            if time.monotonic() > deadline + 5:
                log.error("these nodes do not go: %s", ", ".join(alive))
                return

    # --- one node ------------------------------------------------------------------------------------------

    def _step(self, node: Node, machine: Machine | None) -> None:
        alive = machine is not None and machine.alive
        if node.wanted and machine is not None and machine.preempted:
            _end(node, Node.State.PREEMPTED, {"code": words.TAKEN}, machine.reason, code="preempted")
        elif node.wanted and not alive:
            self._start(node, machine)
        elif not node.wanted and alive:
            self._stop(node.pk)
        elif not node.wanted and node.ended is None:
            self._asked.pop(node.pk, None)
            _gone(node, self._said(node.pk))
        elif alive and machine is not None and node.handle.get("machine") != dict(machine.handle):
            Node.objects.filter(pk=node.pk).update(handle={**node.handle, "machine": dict(machine.handle)})
        if machine is not None and machine.preparing:
            _wait_on(node)
        elif alive and machine is not None and node.wanted and node.state == Node.State.PREPARING:
            _note([node.pk], machine.reason, machine.why, state=Node.State.PREPARING)

    def _start(self, node: Node, machine: Machine | None) -> None:
        starts = 0 if _lived(node) else int(node.handle.get("starts", 0))
        if starts >= MOST_STARTS:
            ended, why = (machine.reason, dict(machine.why)) if machine else ("", {})
            why = why or ({} if ended else {"code": words.MUTE, "starts": starts})
            _end(node, Node.State.UNUSABLE, why, ended, code="unusable", said=self._said(node.pk))
            return
        if starts and time.time() - float(node.handle.get("at", 0)) < 2**starts:
            return
        told = {**node.handle, "starts": starts + 1, "at": time.time()}
        # Whoever did not want it any more meanwhile was faster.
        if Node.objects.filter(pk=node.pk, wanted=True, removed__isnull=True).update(handle=told):
            handle = self.provider.start(_order(node))
            Node.objects.filter(pk=node.pk).update(handle={**told, "machine": handle})
            log.info("started node %s (%s) of %s", node.name, node.pk, node.target.name)

    def _stop(self, key: str) -> None:
        asked = self._asked.get(key)
        if asked is None:
            self._asked[key] = time.monotonic()
            self.provider.stop(key)
        elif time.monotonic() - asked > STOP_SECONDS:
            self.provider.stop(key, kill=True)

    def _drop(self, key: str, machine: Machine) -> None:
        """A machine whose node is gone: removed, deleted with its target, or of a database that is no more."""
        if machine.alive:
            self._stop(key)
        else:
            self._asked.pop(key, None)
            self.provider.stop(key, forget=True)

    def _said(self, key: str) -> str:
        return "\n".join(self.provider.tail(key).splitlines()[-TAIL_LINES:])


def _rows(provider: str, *, actor: Actor) -> list[Node]:
    rows = Node.objects.filter(provider=provider, removed__isnull=True).select_related("target__workspace")
    found = list(rows.order_by("pk"))
    for node in found[:1]:
        authorize(node.target.workspace, actor=actor, action="compute.change")
    return found


def _lived(node: Node) -> bool:
    """Whether its last machine worked for a while: then what ended it is not what keeps it from starting."""
    begun = float(node.handle.get("at", 0))
    return bool(node.epoch) and node.last_seen.timestamp() - begun > HEALTHY.total_seconds()


def _order(node: Node) -> Order:
    size: Mapping[str, Any] = node.target.settings.get("node") or {}
    return Order(
        node=node.pk,
        name=node.name,
        target=node.target.name,
        url=settings.PUBLIC_URL,
        token=lambda: admit(node),
        slots=int(size.get("slots") or 1),
        cpus=float(size.get("cpus") or 0),
        memory_gb=float(size.get("memory_gb") or 0),
        priority=str(node.target.settings.get("priority") or "dedicated"),
        handle=node.handle.get("machine") or {},
    )


@transaction.atomic
def admit(node: Node) -> str:
    """The text of an enrolment that lets this node in, and no other; earlier ones of it end."""
    Enrolment.objects.filter(node=node, revoked__isnull=True).update(revoked=Now())
    enrolment_id = ulid()
    text, kept = tokens.new("reg", enrolment_id)
    Enrolment.objects.create(
        id=enrolment_id,
        target=node.target,
        node=node,
        secret_hash=kept,
        expires=timezone.now() + timedelta(seconds=settings.NODE_SECONDS),
    )
    return text


def _note(keys: list[str], text: str, why: Mapping[str, Any], **only: Any) -> None:
    """Keep with nodes what is in their way: {code, …} for words.py, and what their machines say; else the text."""
    note = "" if why.get("code") in words.WHOLE else text[:2000]
    rows = Node.objects.filter(pk__in=keys, **only)
    if text or why:
        rows.exclude(note=note, why=dict(why)).update(note=note, why=dict(why))


def _wait_on(node: Node) -> None:
    """Something is installed on its machine first: the time to register begins when that is done."""
    if node.since is None or timezone.now() - node.since > timedelta(seconds=settings.NODE_SECONDS / 10):
        Node.objects.filter(pk=node.pk, state=Node.State.PREPARING).update(since=Now())


@transaction.atomic
def _end(node: Node, state: str, why: dict[str, Any], told: str, *, code: str, said: str = "") -> None:
    """`why` for words.py, or what its machine `told`; then what its agent said."""
    note = f"{told}\n{said}".strip()[-4000:]
    rows = Node.objects.filter(pk=node.pk, wanted=True, removed__isnull=True)
    if rows.update(state=state, wanted=False, draining=Now(), why=why, note=note, since=Now()):
        happened(node.target, code, node=node.name, text=told, why=why)


@transaction.atomic
def _gone(node: Node, said: str) -> None:
    """The machine is no more. One that left is removed; what failed stays for a while, with what it said."""
    changes: dict[str, Any] = {"ended": Now(), "handle": {}, "epoch": ""}
    if node.state == Node.State.LEAVING:
        changes["removed"] = Now()
    elif node.state == Node.State.UNUSABLE and said and said not in node.note:
        changes["note"] = f"{node.note}\n{said}".strip()[-4000:]
    if Node.objects.filter(pk=node.pk, wanted=False, ended__isnull=True).update(**changes):
        happened(node.target, "node_gone", node=node.name)
