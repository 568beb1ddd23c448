"""Counting failed log-ins, so that guessing a password takes for ever and a typing error takes nothing.

Redis holds the counts, so that all web processes share them. When Redis is away, each process counts for
itself: less exact, never open. A refused try is not counted, so nobody can keep another person out
for longer than the longest pause after his own last try.
"""

import hashlib
import time
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import redis
from django.utils.translation import gettext

from studio.kernel import events
from studio.kernel.errors import TooMany

WINDOW = 15 * 60.0
FIRST_PAUSE = 30.0
LONGEST_PAUSE = WINDOW
PREFIX = "zaffre:login:"
#: Keys that one process counts while Redis is away; the oldest are forgotten first.
MOST_LOCAL_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    kind: str
    failures: int


ACCOUNT = Limit("account", 5)
ADDRESS = Limit("address", 20)

_local: OrderedDict[str, list[float]] = OrderedDict()
_lock = Lock()


def pause_after(failures: int, limit: Limit) -> float:
    """Seconds to wait after the last of so many failures: none below the limit, then doubling."""
    over = failures - limit.failures
    return 0.0 if over < 0 else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(over, 10))


def begin(*, username: str, address: str) -> None:
    """Count a try before its password is checked, so that many at once do not slip through.

    Raises TooMany (details: `retry_after`, in whole seconds) while the account or the address has to pause.
    """
    now = time.time()
    keys = _keys(username, address)
    waits = [_try(key, limit, now) for key, limit in keys]
    wait = max(waits)
    if wait <= 0:
        return
    for (key, _), own in zip(keys, waits, strict=True):
        if own <= 0:
            _forget_try(key, now)
    seconds = int(wait) + 1
    raise TooMany(
        gettext("Too many failed log-ins. Try again in %(seconds)s.") % {"seconds": _in_words(seconds)},
        code="too_many_logins",
        hint=gettext("If you forgot your password, ask a site administrator."),
        retry_after=seconds,
    )


def succeeded(*, username: str, address: str) -> None:
    """Forget the account's failures, and this try at the address (its earlier failures stay)."""
    account, *addresses = _keys(username, address)
    _drop(account[0])
    for key, _ in addresses:
        _forget_last(key)


def _in_words(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} seconds"
    return f"{(seconds + 59) // 60} minutes"


def _keys(username: str, address: str) -> list[tuple[str, Limit]]:
    folded = unicodedata.normalize("NFKC", username).casefold()
    keys = [(_key(ACCOUNT, folded), ACCOUNT)]
    if address:
        keys.append((_key(ADDRESS, address), ADDRESS))
    return keys


def _key(limit: Limit, name: str) -> str:
    # A digest, because a name from outside may be anything, and the store is no place for a list of names.
    return f"{PREFIX}{limit.kind}:{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


# KEYS[1] sorted set of tries by time; ARGV: now, window, allowed failures, first pause, longest pause.
# Returns the seconds to wait as text; 0 means that the try was counted and may go on.
_TRY = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[2])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if over >= 0 then
  local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
  local pause = math.min(tonumber(ARGV[5]), tonumber(ARGV[4]) * 2 ^ math.min(over, 10))
  local wait = last + pause - ARGV[1]
  if wait > 0 then return tostring(wait) end
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[1] .. ':' .. redis.call('ZCARD', KEYS[1]))
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[2]))
return '0'
"""


def _try(key: str, limit: Limit, now: float) -> float:
    try:
        answer = events.client().eval(_TRY, 1, key, now, WINDOW, limit.failures, FIRST_PAUSE, LONGEST_PAUSE)
        return float(answer)
    except redis.RedisError:
        return _try_locally(key, limit, now)


def _try_locally(key: str, limit: Limit, now: float) -> float:
    with _lock:
        tries = [then for then in _local.pop(key, []) if then > now - WINDOW]
        wait = (tries[-1] + pause_after(len(tries), limit) - now) if tries else 0.0
        if wait <= 0:
            tries.append(now)
        _local[key] = tries
        while len(_local) > MOST_LOCAL_KEYS:
            _local.popitem(last=False)
        return wait


def _forget_try(key: str, now: float) -> None:
    try:
        events.client().zremrangebyscore(key, now, now)
    except redis.RedisError:
        _forget_last_locally(key)


def _forget_last(key: str) -> None:
    try:
        events.client().zpopmax(key)
    except redis.RedisError:
        _forget_last_locally(key)


def _forget_last_locally(key: str) -> None:
    with _lock:
        if _local.get(key):
            _local[key].pop()


def _drop(key: str) -> None:
    try:
        events.client().delete(key)
    except redis.RedisError:
        with _lock:
            _local.pop(key, None)
