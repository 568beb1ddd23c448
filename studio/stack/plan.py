"""Which programs make a studio, and where this one keeps its things."""

import base64
import json
import os
import secrets
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from studio.env import SERVER_SECRETS
from studio.stack.programs import Program, StackError, environment, without

ROOT = Path(__file__).resolve().parent.parent.parent
ENGINES, SERVERS, NODES = 0, 1, 2
#: What the gateway needs of them.
_OF_THE_GATEWAY = {"REDIS_URL"}


@dataclass(frozen=True)
class Plan:
    """The choices of one start, read from the environment."""

    var: Path
    host: str
    port: int
    #: Whether this host serves the compute target `local` itself.
    node: bool
    demo: bool
    reload: bool
    url: str

    @property
    def run(self) -> Path:
        return self.var / "run"

    @property
    def logs(self) -> Path:
        return self.var / "log"

    @property
    def near_host(self) -> str:
        """Where this host reaches its own servers: a wildcard address cannot be called."""
        return "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104

    @property
    def gateway_port(self) -> int:
        return self.port + 1

    @property
    def node_config(self) -> Path:
        return self.var / "node" / "node.json"


def read_plan(*, reload: bool) -> Plan:
    """Read ZAFFRE_VAR, HOST, PORT, ZAFFRE_URL, NODE and DEMO. Raises StackError for values that cannot be meant."""
    raw = os.environ.get("PORT") or "8000"
    if not raw.isdigit() or not 1024 <= int(raw) <= 65534:
        raise StackError(f"PORT={raw} cannot be used: give a number from 1024 to 65534 (the next one is used as well).")
    node = _yes_or_no("NODE")
    return Plan(
        var=Path(os.environ.get("ZAFFRE_VAR") or ROOT / "var").resolve(),
        host=os.environ.get("HOST") or "127.0.0.1",
        port=int(raw),
        node=node,
        demo=_yes_or_no("DEMO") and node and not reload,
        reload=reload,
        url=os.environ.get("ZAFFRE_URL") or f"http://localhost:{raw}",
    )


def _yes_or_no(name: str) -> bool:
    raw = os.environ.get(name) or "1"
    if raw not in {"0", "1"}:
        raise StackError(f"{name}={raw} is neither 0 nor 1.")
    return raw == "1"


def require_free_ports(plan: Plan) -> None:
    """Raises StackError naming the port that somebody else holds."""
    for port in (plan.port, plan.gateway_port):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((plan.host, port))
            except OSError as problem:
                role = "the studio's pages" if port == plan.port else "the gateway (always the port after PORT)"
                raise StackError(
                    f"Port {port}, wanted for {role}, cannot be used on {plan.host}: {problem.strerror}. "
                    f"Stop the program that holds it, or choose another one: make up PORT={plan.port + 80}"
                ) from None


def secret_key(plan: Plan) -> None:
    """Make the file of the signing key once; every later start and every process reads it."""
    file = plan.var / "secret_key"
    if os.environ.get("SECRET_KEY") or os.environ.get("SECRET_KEY_FILE") or file.exists():
        return
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(secrets.token_urlsafe(48))


def key_ring(plan: Plan) -> None:
    """Make the ring of keys that encrypt secrets once, outside of the database, unless the environment gives one."""
    file = plan.var / "keyring.json"
    given = any(name.startswith("ZAFFRE_KEK_") and text for name, text in os.environ.items())
    if given or os.environ.get("ZAFFRE_KEY_RING") or file.exists():
        return
    name = f"k{time.strftime('%Y%m%d', time.gmtime())}"
    ring = {"active": name, "keys": {name: base64.b64encode(secrets.token_bytes(32)).decode()}}
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(ring, out, indent=1)


def server_environment(plan: Plan, *, database_url: str, redis_url: str) -> dict[str, str]:
    """What web, worker, relay and `manage.py` need to know."""
    return environment(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "ZAFFRE_VAR": str(plan.var),
            "ZAFFRE_URL": plan.url,
            "PORT": str(plan.port),
            "DJANGO_SETTINGS_MODULE": "studio.settings",
            "PYTHONUNBUFFERED": "1",
            # With reload the pages' files come from the source tree, as they are at the moment.
            **({"DEBUG": "1"} if plan.reload else {"STATIC_ROOT": str(plan.var / "static")}),
        }
    )


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, *words)


def _reloading(plan: Plan, words: tuple[str, ...]) -> tuple[str, ...]:
    """The same command, started again whenever the code changes, when the plan asks for it."""
    if not plan.reload:
        return words
    places = [str(ROOT / name) for name in ("studio", "workspace", "runs", "registry")]
    return _python("-m", "watchfiles", "--filter", "python", "--target-type", "command", " ".join(words), *places)


def gateway(plan: Plan, env: dict[str, str]) -> Program:
    words = _uvicorn("studio.gateway.app:app", plan.host, plan.gateway_port, plan)
    allowed = without(env, [name for name in SERVER_SECRETS if name not in _OF_THE_GATEWAY])
    return Program("gateway", words, env=allowed, cwd=ROOT, tier=SERVERS)


def web(plan: Plan, env: dict[str, str]) -> Program:
    return Program(
        "web", _uvicorn("studio.asgi:application", plan.host, plan.port, plan), env=env, cwd=ROOT, tier=SERVERS
    )


def _uvicorn(app: str, host: str, port: int, plan: Plan) -> tuple[str, ...]:
    words = ("-m", "uvicorn", app, "--host", host, "--port", str(port), "--no-access-log", "--log-level", "info")
    # Each socket would compress each frame anew: a frame is short and goes to many, and the reader is near.
    quick = ("--timeout-graceful-shutdown", "5", "--ws-per-message-deflate", "false")
    watch = ("--reload", "--reload-dir", str(ROOT), "--reload-exclude", "var/*") if plan.reload else ()
    return _python(*words, *quick, *watch)


def worker(plan: Plan, env: dict[str, str]) -> Program:
    # Threads: control tasks wait for the database, and a pool of processes costs 115 MB each.
    words = _python(
        *[
            "-m",
            "celery",
            "-A",
            "studio.celery",
            "worker",
            "--pool",
            "threads",
            "--concurrency",
            "4",
            "--loglevel",
            "INFO",
        ]
    )
    words += ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return Program("worker", _reloading(plan, words), env=env, cwd=ROOT, tier=SERVERS)


def relay(plan: Plan, env: dict[str, str]) -> Program:
    words = _python(str(ROOT / "manage.py"), "relay")
    return Program("relay", _reloading(plan, words), env=env, cwd=ROOT, tier=SERVERS)


def machines(plan: Plan, env: dict[str, str]) -> Program:
    """What starts and stops the nodes of clusters and instances, which live on when it dies and end when it is told.

    It reaches machines over SSH as well: apart from the rest, because it reads what they answer.
    """
    words = _python(str(ROOT / "manage.py"), "nodes")
    return Program("nodes", _reloading(plan, words), env=env, cwd=ROOT, tier=NODES, patience=45)


def node(plan: Plan) -> Program:
    """The one node of this host. Its environment holds none of the servers' secrets."""
    env = environment(
        {"ZAFFRE_URL": plan.url, "ZAFFRE_VAR": str(plan.var), "PYTHONUNBUFFERED": "1"}, hidden=SERVER_SECRETS
    )
    command = Path(sys.executable).parent / "zaffre"
    words = (str(command), "node", "start", "--config", str(plan.node_config))
    return Program("node", words, env=env, cwd=plan.node_config.parent, tier=NODES, patience=40)
