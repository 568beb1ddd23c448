"""Step launch: a supervisor takes the lease, prepares the run's quarters and, when all is told, starts the code."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any, Dict, Optional

from zaffre.agent import cord, gpus, ranks, sandbox, supervisors
from zaffre.agent.config import interpreter
from zaffre.agent.disk import try_lock
from zaffre.agent.environments import Container, containers
from zaffre.agent.job import Dropped, Job, StepFailed
from zaffre.agent.quarters import view_of_run
from zaffre.agent.rundir import socket_path
from zaffre.agent.script import command, environment, may_be_forked
from zaffre.agent.steps.step import Step
from zaffre.protocol import ENV_ATTEMPT, ENV_RUN_ID, ENV_SPOOL

log = logging.getLogger("zaffre.agent")

_START_SECONDS = 60.0
#: How long a warm parent may take to fork.
_FORK_SECONDS = 30.0
_LOOK_SECONDS = 0.02


class Launch(Step):
    state = "preparing"

    def start(self) -> None:
        job = self.job
        if job.resumed:
            job.launched = True
            job.gpus = tuple((job.place.launch or {}).get("gpus") or ())
            if (job.spec.get("limits") or {}).get("gpus"):
                job.shop.shelf.keep(job.gpus, job.key)
            self._catch_up()
            return
        job.check()
        self._take_gpus()
        job.place.keep_launch(self._launch())
        parent = self._ask_parent()
        if not parent:
            self._spawn()
        self._tell()  # the run's quarters are prepared meanwhile
        if parent and not self._is_ready(parent):
            parent = ""
            self._spawn_after_fork()
        if not parent:
            self._await_ready()
        job.launched = True
        self._catch_up()
        if job.cord is not None:
            job.cord.say(cord.GO)

    def _tell(self) -> None:
        """The studio knows of the start before it happens, and gives the lease that the code begins on.

        Without that, a node that is lost in this moment would be believed never to have executed anything.
        """
        self.job.teller.note("running", name="running", state="running", note="", seconds=0)
        self.job.teller.now()

    def _ask_parent(self) -> str:
        """Have a warm parent fork a supervisor: that of the run's own environment if it has one, else of the node's.

        Returns the parent's interpreter, nothing where there is none.
        """
        job, parents = self.job, self.job.shop.parents
        python = job.python if (job.place.launch or {}).get("in_place") else interpreter()
        parent = parents.find(python)
        if parent is None:
            return ""
        job.cord, theirs = cord.pair()
        with theirs:
            if parent.ask(job.place.path, theirs):
                return python
        self._without(python)
        return ""

    def _is_ready(self, python: str) -> bool:
        """Until the fork has taken the attempt and prepared all; False when there is none."""
        job = self.job
        assert job.cord is not None, "a parent was just asked"
        heard = job.cord.hear(_FORK_SECONDS)
        if heard or (heard is None and job.place.begun) or job.place.result is not None:
            return True
        self._without(python)
        return False

    def _without(self, python: str) -> None:
        if self.job.cord is not None:
            self.job.cord.close()
        self.job.shop.parents.drop(python)
        log.warning("the warm parent of %s failed; run %s is started without it", python, self.job.run)

    def _spawn(self, lock: Optional[int] = None) -> None:
        job = self.job
        job.cord, theirs = cord.pair()
        with theirs:
            job.child = supervisors.spawn(job.place, theirs, lock)

    def _spawn_after_fork(self) -> None:
        """In the place of a fork that may yet come, and whose cord is cut: if it has the attempt it gives it back, and
        it cannot get it later, because the lock is handed on."""
        place, end = self.job.place, time.monotonic() + _START_SECONDS
        while (lock := try_lock(place.lock)) is None:
            if time.monotonic() > end:
                raise StepFailed("launch_failed", "The supervisor of the run did not begin, and did not give it up.")
            self.job.check()
            time.sleep(_LOOK_SECONDS)
        try:
            place.give_back()
            place.keep_launch(self._launch())
            self._spawn(lock)
        finally:
            os.close(lock)

    def _launch(self) -> Dict[str, Any]:
        """All that a supervisor needs to know."""
        job, shop = self.job, self.job.shop
        config = job.spec.get("config") or {}
        env = environment(job)
        launch: Dict[str, Any] = {
            "run": job.run,
            "attempt": job.attempt,
            "argv": ranks.command_of(job, command(job), env["PATH"]),
            "env": env,
            "cwd": str(job.place.work),
            "log": job.spec.get("log"),
            "grace": shop.identity.grace,
            "renewed": job.renewed_at,
            "valid_for": job.valid_for,
            "socket": str(socket_path(job.place.path.parent.parent, job.run, job.attempt)),
            "limits": {**(job.spec.get("limits") or {}), "processes": shop.max_processes},
            "max_seconds": config.get("max_duration_seconds"),
            "gpus": list(job.gpus),
            # What must not stand in the log, whoever prints it.
            "secrets": [job.spec["token"], *(job.spec.get("secrets") or {}).values()],
        }
        launch["sdk"] = shop.sdk
        if shop.machine.groups is not None:
            launch["groups"] = shop.machine.groups.told()
        if job.container is not None:  # it keeps the run to itself, and needs the engine's own sockets
            launch.update(_in_container(job, job.container, env, launch["limits"]))
        elif shop.machine.isolation == "bubblewrap":
            shared = [Path(shop.sdk), *job.prefixes]
            launch["bwrap"] = sandbox.binary()
            launch["view"] = view_of_run(job.place, shared=shared, gpus=job.gpus).told()
        launch["in_place"] = bool(launch.get("groups") or launch.get("bwrap")) and may_be_forked(job, launch["argv"])
        return launch

    def _take_gpus(self) -> None:
        """GPUs of its own; a run that says nothing of them sees those that are nobody's."""
        job, shelf = self.job, self.job.shop.shelf
        asked = (job.spec.get("limits") or {}).get("gpus")
        taken = tuple(shelf.free()) if asked is None else shelf.take(int(asked), job.key)
        if taken is None:
            raise StepFailed("launch_failed", gpus.too_few(int(asked or 0), shelf))
        job.gpus = taken

    def _await_ready(self) -> None:
        """Until a supervisor of its own process has taken the attempt and prepared all, or has said why it cannot."""
        job, end = self.job, time.monotonic() + _START_SECONDS
        assert job.cord is not None and job.child is not None, "the supervisor was just spawned"
        heard = job.cord.hear(end - time.monotonic())
        if heard == b"" and job.place.result is None:
            code = job.child.wait(_START_SECONDS)
            said = (job.place.path / "supervisor.log").read_text(errors="replace")[-600:]
            raise StepFailed("launch_failed", f"The supervisor of the run ended with {code}. {said}")
        if heard is None:
            raise StepFailed("launch_failed", f"The supervisor of the run did not answer for {_START_SECONDS:g} s.")

    def _catch_up(self) -> None:
        """Hand over what came in between: a renewal, a cancel, a drop."""
        job = self.job
        supervisors.renew(job.place, sent=job.renewed_at, valid_for=job.valid_for)
        if job.dropped.is_set():
            supervisors.kill(job.place, reason="dropped")
            raise Dropped
        if job.stopping.is_set():
            supervisors.stop(job.place, reason=job.stop_reason or "canceled")

    def stop(self) -> None:
        job = self.job
        if job.place.launch is not None and job.place.result is None:
            supervisors.kill(job.place, reason="dropped")
        if job.cord is not None:
            job.cord.close()
        job.shop.shelf.give_back(job.key)


def _in_container(job: Job, container: Container, env: Dict[str, str], limits: Dict[str, Any]) -> Dict[str, Any]:
    """What is other in the launch of code that runs in an image. Raises StepFailed."""
    try:
        variables, certificates = containers.keep_variables(job.place, env)
    except ValueError as error:
        raise StepFailed("launch_failed", str(error)) from None
    view = view_of_run(job.place, shared=[Path(job.shop.sdk), *certificates], gpus=job.gpus)
    inside = container.inside
    told = {"engine": container.engine, "name": f"zaffre-{job.run.lower()}-{job.attempt}", "image": container.image}
    own = containers.surroundings()
    argv = containers.words(
        container,
        command(job),
        name=told["name"],
        variables=variables,
        folders=(view.own, view.shared),
        limits=limits,
        cwd=str(job.place.work),
    )
    marks = {name: env[name] for name in (ENV_RUN_ID, ENV_ATTEMPT, ENV_SPOOL)}
    return {"argv": argv, "env": {**own, **marks}, "container": {**told, "env": own, "inside": inside}}
