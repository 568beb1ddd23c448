"""Beginning interactive runs: what each is, and many of them in one transaction.

A client that begins runs in a loop, and a sweep with many of them, wait for the commit and for the counter of their
experiment: whoever waits shares both.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from runs import forms
from runs.models import Experiment, Run, Status
from runs.queries import get_run_briefly
from runs.services.telling import tell
from studio.kernel.actors import Actor
from studio.kernel.belief import Believed
from studio.kernel.errors import Invalid, NotFound
from studio.kernel.groupcommit import GroupCommit
from studio.kernel.ids import pet_name, ulid
from workspace.access import get_workspace
from workspace.accounts.models import User
from workspace.audit.services import Deed, record_all
from workspace.forms import clean_tags

# The locks are taken in the order of ids, so that two processes do not wait for each other.
_NUMBERED = """
WITH held AS MATERIALIZED (
    SELECT id FROM runs_experiment WHERE id = ANY(%s) AND archived IS NULL ORDER BY id FOR NO KEY UPDATE
)
UPDATE runs_experiment SET run_counter = run_counter + new.count
FROM held JOIN unnest(%s, %s) AS new(id, count) USING (id) WHERE runs_experiment.id = held.id
RETURNING runs_experiment.id, run_counter
"""


@dataclass(frozen=True)
class Words:
    """What a client says of a run that it begins. `started` and `client_user` may be those of one that took place."""

    name: str = ""
    tags: Mapping[str, str] | None = None
    parent: str = ""
    started: datetime | None = None
    client_user: str = ""


@dataclass(frozen=True)
class Beginning:
    """A run that is no row yet. Without a name it gets one with its number."""

    actor: Actor
    run: Run


def prepared(group: Experiment, words: Words, *, actor: Actor) -> Beginning:
    """The run that `begin_all` adds to the experiment, whose workspace is loaded. Raises Invalid, NotFound."""
    moment = timezone.now()
    run = Run(
        id=ulid(),
        workspace=group.workspace,
        experiment=group,
        name=forms.clean_run_name(words.name) if words.name else "",
        kind=Run.Kind.INTERACTIVE,
        parent=get_run_briefly(group.workspace.slug, words.parent, actor=actor) if words.parent else None,
        status=Status.RUNNING,
        tags=clean_tags(words.tags or {}),
        submitted_by=User(pk=actor.user_id, username=actor.name) if actor.user_id else None,
        client_user=forms.clean_text(words.client_user, 256),
        queued_at=moment,
        started=words.started or moment,
    )
    return Beginning(actor, run)


def begin_all(begun: Sequence[tuple[Beginning, int]]) -> None:
    """Add runs with their numbers, in the caller's transaction."""
    for one, number in begun:
        one.run.number = number
        one.run.name = one.run.name or pet_name(number)
    Run.objects.bulk_create([one.run for one, _ in begun])
    record_all(
        Deed(one.actor, one.run.workspace, "run.start", one.run.pk, {"experiment": one.run.experiment.name})
        for one, _ in begun
    )
    for one, _ in begun:
        tell(one.run, Status.RUNNING)


def begin_soon(slug: str, experiment: int, words: Words, *, actor: Actor) -> "Future[Run]":
    """Begin an interactive run in the experiment of this id; the future ends after the commit.

    Raises (here or from the future) NotFound, Forbidden, and Invalid `archived` for an archived experiment.
    """
    asked = time.monotonic()
    workspace = get_workspace(slug, actor=actor, action="run.submit")
    group = next(iter(Experiment.objects.filter(workspace=workspace, pk=experiment)), None)
    if group is None:
        raise NotFound(f"There is no experiment {experiment} in {slug}.", experiment=str(experiment))
    group.workspace = workspace
    _open.keep((actor, slug, experiment), group, asked=asked)
    return _beginner.submit(prepared(group, words, actor=actor))


def begin_at_once(slug: str, experiment: int, words: Words, *, actor: Actor) -> "Future[Run] | None":
    """`begin_soon` where no question to the database is needed first, because this was allowed a moment ago; else None.

    Whether the experiment takes runs is asked again in the transaction.
    """
    group = None if words.parent else _open.get((actor, slug, experiment))
    return None if group is None else _beginner.submit(prepared(group, words, actor=actor))


def _write(sent: Sequence[Beginning]) -> list[Run | Exception]:
    wanted = Counter(one.run.experiment_id for one in sent)
    with connection.cursor() as cursor:
        ids = sorted(wanted)
        cursor.execute(_NUMBERED, [ids, ids, [wanted[id_] for id_ in ids]])
        following = {id_: counter - wanted[id_] + 1 for id_, counter in cursor.fetchall()}
    begun: list[tuple[Beginning, int]] = []
    results: list[Run | Exception] = []
    for one in sent:
        number = following.get(one.run.experiment_id)
        if number is None:
            results.append(_closed(one.run.experiment_id))
            continue
        following[one.run.experiment_id] = number + 1
        begun.append((one, number))
        results.append(one.run)
    if begun:
        begin_all(begun)
    return results


def _closed(experiment: int) -> Invalid:
    return Invalid(
        f"The experiment {experiment} must be in the 'active' state. Current state is deleted.", code="archived"
    )


_beginner: GroupCommit[Beginning, Run] = GroupCommit("runs", _write)
#: (actor, workspace, experiment) whose runs this actor may begin.
_open: Believed[tuple[Actor, str, int], Experiment] = Believed()


def drain() -> None:
    """Write all that is in line and end the commit thread: the server stops."""
    _beginner.close()
