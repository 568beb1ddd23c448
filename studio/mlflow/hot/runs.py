"""…/mlflow/runs/…, but for what is logged."""

import re
from typing import Any

from runs import queries, search, services
from runs.models import Run
from studio.kernel import db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Conflict, Invalid, NotFound
from studio.mlflow import filters, wire
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from studio.mlflow.hot import experiments
from studio.mlflow.shapes import ENDS, NAME_TAG, PARENT_TAG, run_info, run_out, status_word
from zaffre.protocol import RUN_ID_PATTERN

MOST = 50_000


@door
async def create(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/create {experiment_id, run_name?, tags?} → {run}: an interactive run of the caller"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.CreateRun)
    return hot.json({"run": run_out(await db.run(_begin, ws, asked, actor))})


def _begin(ws: str, asked: wire.CreateRun, actor: Actor) -> Run:
    tags = wire.tags_of(asked.tags)
    name = asked.run_name or tags.get(NAME_TAG, "")
    tags.pop(NAME_TAG, None)
    number = asked.experiment_id or experiments.DEFAULT_ID
    try:
        group = experiments.find(ws, number, actor=actor)
    except NotFound:
        if number != experiments.DEFAULT_ID:
            raise
        title = experiments.DEFAULT_NAME
    else:
        if group.archived:
            raise Invalid(f"The experiment {number} must be in the 'active' state. Current state is deleted.")
        title = group.name
    parent = _parent(ws, tags.get(PARENT_TAG, ""), actor)
    made = services.start_interactive(ws, actor=actor, experiment=title, name=name, tags=tags, parent=parent)
    return queries.get_run(ws, made.pk, actor=actor)


def _parent(ws: str, run_id: str, actor: Actor) -> str:
    """The id if it names a run: MLflow takes any text for a parent, and it stays a mere tag then."""
    try:
        return queries.get_run(ws, run_id, actor=actor).pk if run_id else ""
    except NotFound:
        return ""


@door
async def get(request: hot.Request, ws: str) -> hot.Response:
    """GET runs/get?run_id= → {run}"""
    actor = await actor_of(request)
    run_id = wire.run_id_of(wire.from_query(request, wire.OfRun))
    return hot.json({"run": run_out(await db.run(queries.get_run, ws, run_id, actor=actor, deleted=True))})


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
    """POST runs/update {run_id, status?, run_name?} → {run_info}

    A run that the studio started ends with its script, whatever the script says before; its own code may say it.
    """
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.UpdateRun)
    word = None if asked.status is None else status_word(asked.status)
    run_id = wire.run_id_of(asked)
    return hot.json({"run_info": run_info(await db.run(_change, ws, run_id, word, asked.run_name or "", actor))})


def _change(ws: str, run_id: str, word: str | None, name: str, actor: Actor) -> Run:
    run = queries.get_run(ws, run_id, actor=actor, action="run.edit")
    if name and name != run.name:
        run = services.edit_run(ws, run_id, actor=actor, name=name)
    if word in ENDS:
        own_end = actor.kind == "run" and run.kind != Run.Kind.INTERACTIVE
        if not own_end and run.status != ENDS[word]:
            run = services.end_interactive(ws, run_id, actor=actor, status=ENDS[word])
    elif word and run.is_final:
        raise Conflict(f"The run has ended ({run.status}) and is not opened again.", code="final")
    return run


@door
async def find_many(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/search {experiment_ids, filter?, order_by?, …} → {runs, next_page_token?}, the newest first"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.SearchRuns)
    limit = wire.page(asked.max_results, default=1000, most=MOST)
    where, order = filters.of_runs(asked.filter), filters.order_of_runs(asked.order_by)
    archived = wire.archived(asked.run_view_type)
    place = _place(asked.page_token, ordered=bool(order))

    def look() -> tuple[list[dict[str, Any]], str]:
        chosen = _numbers(ws, asked.experiment_ids or [], actor)
        found = search.search_runs(
            ws,
            actor=actor,
            experiments=chosen,
            where=where,
            order=order,
            archived=archived,
            limit=limit + 1,
            **place,
        )
        shown = found[:limit]
        token = f"s{place.get('skip', 0) + limit}" if order else f"a{shown[-1].pk}" if shown else ""
        return [run_out(run) for run in shown], token if len(found) > limit else ""

    runs, token = await db.run(look)
    return hot.json({"runs": runs, **({"next_page_token": token} if token else {})})


def _place(token: str | None, *, ordered: bool) -> dict[str, Any]:
    """Where the page begins. Raises Invalid for a token of another search."""
    if not token or ordered:
        return {"skip": wire.skipped(token)}
    if not re.fullmatch("a" + RUN_ID_PATTERN, token):
        raise Invalid(f"Invalid page token {token[:40]!r}.")
    return {"after": token[1:]}


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
    asked, _ = await wire.read(request, wire.LogPair)
    run_id, key, value = wire.run_id_of(asked), wire.needed(asked.key, "key"), asked.value or ""
    if key == NAME_TAG:
        await db.run(services.edit_run, ws, run_id, actor=actor, name=value)
    else:
        await db.run(services.edit_run, ws, run_id, actor=actor, tags={key: value[:8000]})
    return hot.json({})


@door
async def delete_tag(request: hot.Request, ws: str) -> hot.Response:
    """POST runs/delete-tag {run_id, key} → {}"""
    actor = await actor_of(request)
    asked, _ = await wire.read(request, wire.LogPair)
    run_id, key = wire.run_id_of(asked), wire.needed(asked.key, "key")

    def take_away() -> None:
        if key not in queries.get_run(ws, run_id, actor=actor, action="run.edit").tags:
            raise NotFound(f"No tag with name: {key[:250]} in run with id {run_id[:40]}")
        services.edit_run(ws, run_id, actor=actor, tags={key: None})

    await db.run(take_away)
    return hot.json({})
