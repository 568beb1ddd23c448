"""The routes as they travel: rooms publish them through Redis, gateways read them. Both sides import this module."""

import hashlib

import msgspec

#: A hash in Redis with the fields `version` and `body`, set together.
ROUTES_KEY = "zaffre:routes"
#: Rung after the hash changed; a gateway that misses it looks by itself every two seconds.
ROUTES_BELL = "zaffre:routes:changed"


class Replica(msgspec.Struct, frozen=True):
    """A process that answers: unix:/path or http://host:port."""

    id: str
    address: str


class Deployment(msgspec.Struct, frozen=True):
    number: int
    #: Its share of the requests, in percent.
    weight: int
    replicas: tuple[Replica, ...]


class Endpoint(msgspec.Struct, frozen=True):
    #: `key_hash` of each key that opens it.
    keys: tuple[str, ...]
    deployments: tuple[Deployment, ...]
    #: Why nothing answers, in a sentence for whoever holds a key.
    note: str = ""


class Routes(msgspec.Struct, frozen=True):
    """Everything a gateway knows. The version is a hash of the content: equal routes have equal versions."""

    version: str
    endpoints: dict[str, Endpoint]  # by "<workspace>/<endpoint>"


def make(endpoints: dict[str, Endpoint]) -> Routes:
    content = msgspec.json.encode(endpoints, order="sorted")
    return Routes(hashlib.sha256(content).hexdigest()[:32], endpoints)


def encode(routes: Routes) -> bytes:
    return msgspec.json.encode(routes)


def decode(body: bytes) -> Routes:
    """Raises msgspec.DecodeError for anything that is not whole."""
    return msgspec.json.decode(body, type=Routes)


def key_hash(key: str) -> str:
    """What is kept of a key. Its 256 random bits make one plain SHA-256 enough."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
