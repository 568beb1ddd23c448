"""…/mlflow/runs/…, but for what is logged."""

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from runs import queries, search, services
from runs.fencing import takes_more
from runs.models import Run
from runs.services import Words
from studio.kernel import db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Forbidden, NotFound
from studio.mlflow import filters, pages, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.hot import experiments, telemetry
from studio.mlflow.shapes import ENDS, NAME_TAG, PARENT_TAG, moment, run_info, run_out, status_word

MOST = 50_000


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/create {experiment_id, run_name?, tags?, start_time?, user_id?} → {run}: an interactive run"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.CreateRun)
    tags = wire.tags_of(asked.tags)
    name = asked.run_name or tags.get(NAME_TAG, "")
    tags.pop(NAME_TAG, None)
    number, above = asked.experiment_id or experiments.DEFAULT_ID, tags.get(PARENT_TAG, "")
    if actor.kind == "run":
        told = {"name": name, "tags": tags}
        made = await db.run(lambda: run_out(_begin_below(ws, number, _parent(ws, above, actor), told, actor)))
        return hot.json({"run": made})
    words = Words(name, tags, "", moment(asked.start_time, "start_time"), asked.user_id or "")
    known = number != experiments.DEFAULT_ID and number.isascii() and number.isdigit() and not above
    line = services.begin_at_once(ws, int(number[:18]), words, actor=actor) if known else None
    if line is None:
        line = await db.run(_begin, ws, number, above, words, actor)
    # Shielded: a caller that goes away has begun its run all the same.
    return hot.json({"run": run_out(await asyncio.shield(asyncio.wrap_future(line)))})


def _begin(ws: str, number: str, above: str, words: Words, actor: Actor) -> "Future[Run]":
    group = experiments.find(ws, number, actor=actor)
    return services.begin_soon(ws, group.pk, replace(words, parent=_parent(ws, above, actor)), actor=actor)


def _begin_below(ws: str, number: str, parent: str, told: dict[str, Any], actor: Actor) -> Run:
    """Code begins runs below its own, in the experiment of that one."""
    above = queries.get_run(ws, parent or actor.run_id or "", actor=actor)
    if number not in (experiments.DEFAULT_ID, str(above.experiment_id)):
        raise Forbidden("The code of a run begins runs in its own experiment only.")
    made = services.create_children(above.pk, actor=actor, children=[told], workspace=ws)
    return queries.get_run_as_told(ws, made[0].pk, actor=actor)


def _parent(ws: str, run_id: str, actor: Actor) -> str:
    """The id if it names a run: MLflow takes any text for a parent, and it stays a mere tag then."""
    try:
        return queries.get_run_briefly(ws, run_id, actor=actor).pk if run_id else ""
    except NotFound:
        return ""


@door
async def get(request: hot.Request, ws: str) -> hot.Response:
    """GET runs/get?run_id= → {run}"""
    actor = await actor_of(request)
    run_id = wire.run_id_of(wire.from_query(request, wire.OfRun))

    return hot.Response(body=await db.run(pages.single, ws, run_id, actor=actor))


@door
async def delete(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/delete {run_id} → {}: it is hidden, and can be restored"""
    actor = await actor_of(request)
    run_id = wire.run_id_of((await wire.read(request, wire.OfRun))[0])
    await db.run(services.discard_run, ws, run_id, actor=actor)
    return hot.json({})


@door
async def restore(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/restore {run_id} → {}"""
    actor = await actor_of(request)
    run_id = wire.run_id_of((await wire.read(request, wire.OfRun))[0])
    await db.run(services.restore_run, ws, run_id, actor=actor)
    return hot.json({})


@door
async def update(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/update {run_id, status?, end_time?, run_name?} → {run_info}

    A run that the studio started ends with its script, whatever the script says before; its own code may say it.
    """
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.UpdateRun)
    word = None if asked.status is None else status_word(asked.status)
    run_id, ended = wire.run_id_of(asked), moment(asked.end_time, "end_time")

    def change() -> Run:
        if word in ENDS and not asked.run_name and actor.is_user:
            # Nearly every run ends so: looked at once. What is in the way is found out below.
            with suppress(Conflict, Forbidden):
                return services.end_interactive(ws, run_id, actor=actor, status=ENDS[word], ended=ended)
        run = queries.get_run_as_told(ws, run_id, actor=actor, action="run.edit", deleted=False)
        if asked.run_name and asked.run_name != run.name:
            services.edit_run(ws, run_id, actor=actor, name=asked.run_name)
            run = queries.get_run_as_told(ws, run_id, actor=actor)
        return _move(ws, run, word, ended, actor) if word else run

    return hot.json({"run_info": run_info(await db.run(change))})


def _move(ws: str, run: Run, word: str, ended: datetime | None, actor: Actor) -> Run:
    """Take a run to the state that its client tells. An interactive run of a person goes to and fro as with MLflow."""
    wanted = ENDS.get(word)
    by_code = actor.kind == "run"
    if wanted is None:
        if not run.is_final:
            return run
        if by_code:
            raise Conflict(f"The run has ended ({run.status}) and is not opened again.", code="final")
        return services.reopen_interactive(ws, run.pk, actor=actor)
    if run.status == wanted:
        return run
    if by_code:
        own = run.kind != Run.Kind.INTERACTIVE
        return run if own else services.end_child(run.pk, actor=actor, status=wanted)
    if run.is_final and run.kind == Run.Kind.INTERACTIVE and takes_more(run.desired, late=True):
        services.reopen_interactive(ws, run.pk, actor=actor)
    return services.end_interactive(ws, run.pk, actor=actor, status=wanted, ended=ended)


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/search {experiment_ids, filter?, order_by?, …} → {runs, next_page_token?}, what began last first"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.SearchRuns)
    limit = wire.page(asked.max_results, default=1000, most=MOST)
    where, order = filters.of_runs(asked.filter), filters.order_of_runs(asked.order_by)
    archived = wire.archived(asked.run_view_type)

    def look() -> bytes:
        found, more = search.search_runs(
            ws,
            actor=actor,
            experiments=_numbers(ws, asked.experiment_ids or [], actor),
            where=where,
            order=order,
            archived=archived,
            after=asked.page_token or None,
            limit=limit,
        )
        return pages.page(pages.written(ws, found, actor=actor), more)

    return hot.Response(body=await db.run(look))


def _numbers(ws: str, given: list[str], actor: Actor) -> list[int]:
    """The ids as numbers; those that name nothing are left out, as MLflow's server does."""
    numbers = [int(one) for one in given if one.isascii() and one.isdigit() and len(one) <= 18]
    if 0 in numbers:
        try:
            numbers.append(queries.get_experiment(ws, experiments.DEFAULT_NAME, actor=actor).pk)
        except NotFound:
            numbers.remove(0)
    return numbers


@door
async def set_tag(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/set-tag {run_id, key, value} → {}"""
    actor = await actor_of(request)
    asked, raw = await wire.read(request, wire.LogPair)
    run_id, key, value = wire.run_id_of(asked), wire.needed(asked.key, "key"), asked.value or ""
    if key == NAME_TAG:
        await db.run(services.edit_run, ws, run_id, actor=actor, name=value)
        return hot.json({})
    try:
        return await telemetry.log(ws, run_id, raw, actor=actor, tags=[wire.KeyValue(key, value)])
    except (Conflict, Forbidden):
        # Not what its own client says while it may log, but somebody's edit.
        await db.run(services.edit_run, ws, run_id, actor=actor, tags={key: value[: telemetry.LONGEST_TAG]})
    return hot.json({})


@door
async def delete_tag(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/delete-tag {run_id, key} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.LogPair)
    run_id, key = wire.run_id_of(asked), wire.needed(asked.key, "key")

    def take_away() -> None:
        if key not in queries.get_run_as_told(ws, run_id, actor=actor, action="run.edit", deleted=False).tags:
            raise NotFound(f"No tag with name: {key[:250]} in run with id {run_id[:40]}")
        services.edit_run(ws, run_id, actor=actor, tags={key: None})

    await db.run(take_away)
    return hot.json({})
