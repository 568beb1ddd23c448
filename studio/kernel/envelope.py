"""What people entrust to the studio: encrypted under a key of its own, which is encrypted under a key of the ring.

Each value gets a random 256-bit data key and is sealed with AES-256-GCM; the data key is wrapped the same way under a
key of the ring (`studio/kernel/keyring.py`). Both are bound to a context that names the row, so that nobody who can
write to the database can move one value into another's place. Changing the ring wraps data keys anew and touches no
value.
"""

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from studio.kernel import keyring
from studio.kernel.errors import Unavailable

NONCE_BYTES = 12
KEY_BYTES = 32


class Hidden(str):
    """A value that was opened. It does not show itself where values are written down by `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as a row keeps it. `wrapped` and `content` are a nonce followed by what AES-GCM made."""

    kek_id: str
    wrapped: bytes
    content: bytes


def seal(value: str, *, context: str) -> Sealed:
    """Encrypt `value` under a new data key and the ring's active key. Raises Unavailable when the ring has none."""
    ring = keyring.ring()
    data_key = AESGCM.generate_key(KEY_BYTES * 8)
    wrapped = _encrypt(ring.key(ring.active), data_key, _wrapping(ring.active, context))
    return Sealed(ring.active, wrapped, _encrypt(data_key, value.encode(), context))


def unseal(sealed: Sealed, *, context: str) -> Hidden:
    """What was sealed. Raises Unavailable when the ring lacks its key, or the value does not belong to the context."""
    data_key = _unwrap(sealed, context)
    try:
        return Hidden(_decrypt(data_key, sealed.content, context).decode())
    except InvalidTag:
        raise Unavailable("A stored secret was damaged, or moved from another row.", code="damaged_secret") from None


def rewrap(sealed: Sealed, *, to: str, context: str) -> Sealed:
    """The same value with its data key under the key `to`. Raises Unavailable."""
    wrapped = _encrypt(keyring.ring().key(to), _unwrap(sealed, context), _wrapping(to, context))
    return Sealed(to, wrapped, sealed.content)


def opens(sealed: Sealed, *, context: str) -> bool:
    """Whether the ring's key of this name is the one that wrapped it: another key may have been given the name."""
    try:
        _unwrap(sealed, context)
    except Unavailable:
        return False
    return True


def _unwrap(sealed: Sealed, context: str) -> bytes:
    key = keyring.ring().key(sealed.kek_id)
    try:
        return _decrypt(key, sealed.wrapped, _wrapping(sealed.kek_id, context))
    except InvalidTag:
        raise Unavailable(
            f"The key {sealed.kek_id!r} of the studio's ring is not the one that this secret was encrypted with.",
            code="wrong_key",
            hint="The operator has to give the ring its old key back, under this name.",
        ) from None


def _wrapping(kek_id: str, context: str) -> str:
    return f"data key\0{kek_id}\0{context}"


def _encrypt(key: bytes, value: bytes, context: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, context.encode())


def _decrypt(key: bytes, raw: bytes, context: str) -> bytes:
    return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode())
