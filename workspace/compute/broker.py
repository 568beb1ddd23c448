"""A pool's place in Redis: its own queue under its own prefix, and a user who can reach nothing else.

What is in the queue are hints. Whoever reads or forges them can make a node ask the studio, and no more.
"""

import hashlib
import logging
from functools import cache
from urllib.parse import quote, urlsplit, urlunsplit

import redis
from celery import Celery
from django.conf import settings
from kombu import Connection, Producer, Queue
from kombu.exceptions import OperationalError

from studio.kernel import crypto, events
from workspace.compute.models import ComputeTarget

log = logging.getLogger(__name__)

QUEUE = "hints"
#: Hints that wait for a pool without nodes. The relay repeats them, so only the newest are worth keeping.
MOST_WAITING = 100
#: Pools whose connections are kept.
MOST_LINES = 32

#: All that Celery's consumer needs, found by running one. Nothing here lists keys, reads another's value by
#: GET, runs a script, or changes the server; and every key must be the pool's own.
COMMANDS = (
    "ping",
    "select",
    "client|setinfo",
    "client|setname",
    "multi",
    "exec",
    "discard",
    "watch",
    "unwatch",
    "brpop",
    "rpop",
    "lpush",
    "rpush",
    "llen",
    "sadd",
    "srem",
    "smembers",
    "hset",
    "hget",
    "hdel",
    "zadd",
    "zrem",
    "zrange",
    "set",
)

#: The digest of the accounts that this process had the server write to its file.
_saved = ""


def pool_prefix(target_id: int) -> str:
    """What all keys of the target's pool begin with."""
    return f"zaffre:pool:{target_id}:"


def pool_user(target_id: int) -> str:
    """The name of the pool's user in Redis."""
    return f"pool-{target_id}"


def seal_password(target_id: int, password: str) -> str:
    """The password as the target's row keeps it."""
    return crypto.seal(password, bound_to=_place(target_id))


def _place(target_id: int) -> str:
    return f"compute target {target_id}"


def _password(target: ComputeTarget) -> str:
    return crypto.unseal(target.broker_secret, bound_to=_place(target.pk))


def ensure_users(target_id: int | None = None) -> int:
    """Make the users of all pools, or of one, be what they should; returns how many. Repeating it is harmless.

    Redis may have been emptied or replaced since the last time. Raises redis.RedisError when it is away.
    """
    rows = ComputeTarget.objects.filter(deleted__isnull=True).exclude(broker_secret="")
    targets = list(rows if target_id is None else rows.filter(pk=target_id))
    if not targets:
        return 0
    client = events.client()
    known = hashlib.sha256()
    with client.pipeline(transaction=False) as batch:
        for target in targets:
            prefix, password = pool_prefix(target.pk), _password(target)
            known.update(f"{target.pk}:{password}\n".encode())
            # Held for ever: Celery's consumer takes this lock to put unacknowledged messages back, and gives it
            # back by a script, which the user may not run. Hints are acknowledged at once; nothing is put back.
            batch.set(f"{prefix}unacked_mutex", "the studio")
            batch.acl_setuser(
                pool_user(target.pk),
                enabled=True,
                reset=True,
                passwords=[f"+{password}"],
                keys=[f"{prefix}*"],
                channels=[f"{prefix}*"],
                categories=["-@all"],
                commands=[f"+{command}" for command in COMMANDS],
            )
        batch.execute()
    if target_id is None:
        _save(client, known.hexdigest())
    return len(targets)


def drop_user(target_id: int) -> None:
    """Forget the pool's user, its connections and what waits in its queue. Raises redis.RedisError."""
    client = events.client()
    client.acl_deluser(pool_user(target_id))
    prefix = pool_prefix(target_id)
    client.delete(f"{prefix}{QUEUE}", f"{prefix}unacked_mutex")


def _save(client: redis.Redis, known: str) -> None:
    global _saved
    if known == _saved:
        return
    try:
        client.acl_save()
    except redis.ResponseError as error:
        # A server without a file of users: then they are made anew after its restart, by the next call.
        log.debug("the users of the pools stay in memory: %s", error)
    _saved = known


def url_for(target: ComputeTarget) -> str:
    """The address of the queue as the pool's nodes need it: the studio's own server, with the pool's user.

    A unix socket is written as Celery does. A node on another machine cannot reach it, and asks for work by itself.
    """
    parts = urlsplit(settings.REDIS_URL)
    who = f"{pool_user(target.pk)}:{quote(_password(target), safe='')}"
    if parts.scheme == "unix":
        return f"{_spelt(settings.REDIS_URL, who)}"
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{who}@{place}", parts.path, parts.query, ""))


def _spelt(url: str, who: str = "") -> str:
    """A unix address in Celery's words: unix:///x.sock?db=2 is redis+socket:///x.sock?virtual_host=2."""
    parts = urlsplit(url)
    query = parts.query.replace("db=", "virtual_host=", 1) if parts.query.startswith("db=") else parts.query
    known = who or parts.netloc.rpartition("@")[0]
    return f"redis+socket://{known}{'@' if known else ''}{parts.path}{'?' if query else ''}{query}"


@cache
def _app() -> Celery:
    app = Celery("zaffre-hints", set_as_current=False, fixups=[])
    app.conf.update(task_ignore_result=True, task_serializer="json", accept_content=["json"])
    return app


#: Kept connections, the one used last at the end. Making one costs more than a message.
_lines: dict[tuple[str, int], Producer] = {}


def _line(target_id: int) -> Producer:
    key = (settings.REDIS_URL, target_id)
    line = _lines.pop(key, None)
    if line is None:
        options = {"global_keyprefix": pool_prefix(target_id), "socket_timeout": 2, "socket_connect_timeout": 2}
        address = _spelt(key[0]) if urlsplit(key[0]).scheme == "unix" else key[0]
        line = Connection(address, transport_options=options, connect_timeout=2).Producer()
    _lines[key] = line
    while len(_lines) > MOST_LINES:
        _hang_up(next(iter(_lines)))
    return line


def _hang_up(key: tuple[str, int]) -> None:
    line = _lines.pop(key, None)
    if line is not None and line.connection is not None:
        line.connection.release()


def send_hint(target_id: int, task: str, args: list[object]) -> None:
    """Put a message into the pool's queue. Raises kombu's or Redis' error when the server is away."""
    key = (settings.REDIS_URL, target_id)
    kept = key in _lines
    try:
        _send(target_id, task, args)
    except (OperationalError, redis.RedisError, OSError):
        _hang_up(key)
        if not kept:
            raise
        _send(target_id, task, args)  # the kept connection may have been dead, and the server is there


def _send(target_id: int, task: str, args: list[object]) -> None:
    _app().send_task(
        task,
        args=args,
        queue=Queue(QUEUE, durable=True),  # type: ignore[arg-type]  # the stubs know names only
        producer=_line(target_id),
        retry=False,
        ignore_result=True,
    )
    events.client().ltrim(f"{pool_prefix(target_id)}{QUEUE}", 0, MOST_WAITING - 1)
