"""Who calls: `Authorization: Bearer <token>`, or Basic with a token or an account's password as the password.

MLflow's client sends Basic with every request, and proving a password is slow on purpose. A proof is therefore kept
in this process under a keyed digest and looked at again every second: it ends with the password or the account.
"""

import asyncio
import base64
import binascii
import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

from studio.kernel import belief, credentials, db, hot
from studio.kernel.actors import Actor
from studio.kernel.errors import Unauthenticated
from workspace.accounts import queries, services
from workspace.accounts.services import Proof
from zaffre.protocol import TOKEN_PREFIX

_MOST = 10_000
_KEY = secrets.token_bytes(32)


@dataclass
class _Held:
    proof: Proof
    actor: Actor
    seen: float


_held: OrderedDict[bytes, _Held] = OrderedDict()
#: Proofs under way: a client that begins with many requests at once counts as one try.
_proving: "dict[bytes, asyncio.Task[_Held]]" = {}


async def actor_of(request: hot.Request) -> Actor:
    """The actor behind a request. Raises Unauthenticated, and TooMany as a log-in does."""
    header = request.headers.get("authorization", "")
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return await request.actor()
    username, password = _split(value)
    if password.startswith(f"{TOKEN_PREFIX}_"):
        bearer = {"authorization": f"Bearer {password}"}
        return await credentials.actor_of(request.scope, bearer)
    address = (request.scope.get("client") or ("",))[0] or ""
    return await _by_password(username, password, address)


def _split(value: str) -> tuple[str, str]:
    try:
        pair = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthenticated("The Authorization header is not valid: Basic takes base64 of user:password.") from None
    username, colon, password = pair.partition(":")
    if not colon:
        raise Unauthenticated("The Authorization header is not valid: Basic takes base64 of user:password.")
    return username, password


async def _by_password(username: str, password: str, address: str) -> Actor:
    given = "\0".join((username, password, address)).encode()
    key = hashlib.blake2b(given, key=_KEY, digest_size=32).digest()
    held = _held.get(key)
    if held is None:
        held = await _proven(key, username, password, address)
    elif time.monotonic() - held.seen >= belief.BELIEVED:
        try:
            held.actor = await db.run(queries.actor_of_proof, held.proof.user_id, held.proof.stamp, address=address)
        except Unauthenticated:
            _held.pop(key, None)
            raise
        held.seen = time.monotonic()
    return held.actor


async def _proven(key: bytes, username: str, password: str, address: str) -> _Held:
    task = _proving.get(key)
    if task is None:
        task = _proving[key] = asyncio.create_task(_prove(key, username, password, address))
        task.add_done_callback(lambda _: _proving.pop(key, None))
    return await asyncio.shield(task)


async def _prove(key: bytes, username: str, password: str, address: str) -> _Held:
    proof = await db.run(services.prove, username, password, address=address)
    actor = await db.run(queries.actor_of_proof, proof.user_id, proof.stamp, address=address)
    held = _held[key] = _Held(proof, actor, time.monotonic())
    while len(_held) > _MOST:
        _held.popitem(last=False)
    return held
