"""Sealing values that must be shown again, such as endpoint keys: AES-256-GCM under the studio's key."""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from studio.kernel.errors import Unavailable

NONCE_BYTES = 12


def _key() -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"zaffre sealed values").derive(settings.SECRET_KEY.encode())


def shared_secret(*, bound_to: str) -> str:
    """The secret of those who may know of `bound_to`: always the same, and kept nowhere."""
    info = b"zaffre shared secrets\0" + bound_to.encode()
    return HKDF(SHA256(), 32, salt=None, info=info).derive(settings.SECRET_KEY.encode()).hex()


def seal(value: str, *, bound_to: str) -> str:
    """Encrypt `value`; it opens only with the same `bound_to` (name the row, so that it cannot be moved)."""
    nonce = os.urandom(NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(_key()).encrypt(nonce, value.encode(), bound_to.encode())).decode()


def unseal(sealed: str, *, bound_to: str) -> str:
    """Decrypt what `seal` made. Raises Unavailable when the studio's key is another one now."""
    raw = base64.b64decode(sealed)
    try:
        return AESGCM(_key()).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to.encode()).decode()
    except InvalidTag:
        raise Unavailable(
            "A stored secret does not open with this studio's SECRET_KEY.",
            hint="Start the studio with the key it had, or make the secret anew.",
        ) from None
