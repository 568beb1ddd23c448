"""`make up`: from installed packages to a studio that answers, and from there to a scored model."""

import asyncio
import contextlib
import fcntl
import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from studio.stack import demo
from studio.stack import plan as plans
from studio.stack.engines import engine_home, prepare_postgres, prepare_valkey, private_folder, socket_folder
from studio.stack.plan import ROOT, Plan
from studio.stack.processes import Supervisor
from studio.stack.programs import StackError
from studio.stack.report import elapsed, say, step
from studio.stack.steps import run_to_end


def main(*, reload: bool = False) -> int:
    """Run the studio until SIGINT or SIGTERM; the exit code: 0 after an orderly stop, 1 when it could not start."""
    try:
        plan = plans.read_plan(reload=reload)
        plan.var.mkdir(parents=True, exist_ok=True)
        private_folder(plan.run)
        with only_one(plan):
            plans.require_free_ports(plan)
            return asyncio.run(_run(plan))
    except StackError as problem:
        sys.stdout.flush()
        print(f"\nThe studio could not start: {problem}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def only_one(plan: Plan) -> Iterator[None]:
    """Hold the lock of this folder; the kernel frees it however we end. Raises StackError when it is held."""
    with (plan.run / "stack.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "an unknown process"
            raise StackError(
                f"a studio already runs on {plan.var} ({holder}). Use it, stop it with Ctrl-C or `kill`, "
                "or start a second one on another folder: make up ZAFFRE_VAR=/some/folder PORT=8100"
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"process {os.getpid()}, {plan.url}")
        lock.flush()
        yield


async def _run(plan: Plan) -> int:
    supervisor = Supervisor(plan.logs, plan.run / "processes.json", say)
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(sig, asked_to_stop.set)
    starting = asyncio.create_task(_start(plan, supervisor))
    stopping = asyncio.create_task(asked_to_stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting  # raises what went wrong
            await stopping
        else:
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
    finally:
        print(flush=True)
        with step("Stop everything"):
            await supervisor.stop()
    return 0


async def _start(plan: Plan, supervisor: Supervisor) -> None:
    plans.secret_key(plan)
    plans.key_ring(plan)
    env = await _engines(plan, supervisor)
    # The gateway needs no database: it starts while the database is brought up to date.
    await supervisor.start(plans.gateway(plan, env))
    made = await _bootstrap(plan, env)
    with step("Start web, worker and relay"):
        for program in (plans.web(plan, env), plans.relay(plan, env), plans.worker(plan, env)):
            await supervisor.start(program)
        await supervisor.ready("web", lambda: _answers(plan, plan.port, "/readyz"), seconds=240)
        await supervisor.ready("gateway", lambda: _answers(plan, plan.gateway_port, "/healthz"), seconds=120)
    await supervisor.start(plans.machines(plan, env))
    if plan.node:
        with step("Start a node for the compute target local"):
            await supervisor.start(plans.node(plan))
            await supervisor.ready("node", lambda: _node_joined(plan), seconds=240)
    answer = await demo.run_once(plan) if plan.demo else None
    _summary(plan, made, answer)


async def _engines(plan: Plan, supervisor: Supervisor) -> dict[str, str]:
    """Start the engines that no URL names; return the environment of the servers."""
    database_url, redis_url = os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", "")
    if not database_url:
        with step("Start PostgreSQL"):
            cluster = await asyncio.to_thread(prepare_postgres, engine_home(plan.var))
            await supervisor.start(cluster.program())
            await supervisor.ready("postgres", cluster.answers, seconds=60)
            await asyncio.to_thread(cluster.make_database)
        database_url = cluster.url()
    if not redis_url:
        with step("Start Valkey"):
            server = prepare_valkey(plan.var / "valkey", socket_folder(plan.var))
            await supervisor.start(server.program())
            await supervisor.ready("valkey", server.answers, seconds=60)
        redis_url = server.url
    return plans.server_environment(plan, database_url=database_url, redis_url=redis_url)


async def _bootstrap(plan: Plan, env: dict[str, str]) -> dict[str, str]:
    """Bring database and files up to date; return what was made (the admin's password, on the first start)."""
    with step("Bring the database and the pages' files up to date"):
        words = ["bootstrap", "--migrate", "--collect", "--json"]
        out = await run_to_end([sys.executable, str(ROOT / "manage.py"), *words], env=env, cwd=ROOT)
    made: dict[str, str] = json.loads(out.splitlines()[-1])
    return made


def _answers(plan: Plan, port: int, path: str) -> bool:
    return _get(plan, port, path) is not None


def _get(plan: Plan, port: int, path: str, token: str = "") -> bytes | None:
    """The body of a 200 answer from our own server, None for anything else."""
    connection = http.client.HTTPConnection(plan.near_host, port, timeout=5)
    headers = {"Host": urlsplit(plan.url).netloc} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        return body if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _node_joined(plan: Plan) -> bool:
    known = json.loads((plan.var / "studio.json").read_text())
    body = _get(plan, plan.port, f"/api/v1/workspaces/{known['workspace']}/compute/local", known["token"])
    return body is not None and any(node.get("online") for node in json.loads(body).get("nodes", []))


def _summary(plan: Plan, made: dict[str, str], answer: "demo.Answer | None") -> None:
    known = json.loads((plan.var / "studio.json").read_text())
    print()
    if answer is not None:
        print(f"  The endpoint answered: {answer.text}")
        print(f"  The run:      {answer.run_url}")
    print(f"  The studio:   {plan.url}/w/{known['workspace']}/")
    kept = plan.var / "studio.json"
    password = f"{made['password']} (shown once; kept in {kept})" if made.get("password") else f"the one in {kept}"
    print(f"  Log in as:    {known['admin']}, password {password}")
    print(f"  Logs:         {plan.logs}")
    print("  Stop with:    Ctrl-C")
    print(f"ready after {elapsed():.1f} s: {plan.url}", flush=True)
