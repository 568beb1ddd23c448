"""The ring of key-encryption keys: one is active and encrypts, the others still read. Kept outside of the database.

Keys come from variables `ZAFFRE_KEK_<id>` and from a file, which is looked at again whenever it has changed: a key can
be added and made active while every process of the studio goes on. One more key, derived from SECRET_KEY, always reads,
and encrypts where no other is given. It is named by its fingerprint, so that another SECRET_KEY is seen as a missing
key and not as damage.
"""

import base64
import binascii
import hashlib
import json
import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from studio.kernel.errors import Unavailable

KEY_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}\Z")


class BadRing(Exception):
    """The ring cannot be read as it was given; the text says what to put right."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by their ids, and which of them encrypts."""

    active: str
    keys: dict[str, bytes] = field(repr=False)

    def key(self, kek_id: str) -> bytes:
        """Raises Unavailable that names the key that is missing."""
        found = self.keys.get(kek_id)
        if found is None:
            raise Unavailable(
                f"The studio's key ring has no key {kek_id!r}, which this secret was encrypted with.",
                code="missing_key",
                hint="The operator has to give it back: ZAFFRE_KEK_<id>, or the file of ZAFFRE_KEY_RING.",
            )
        return found


_lock = threading.Lock()
_known: tuple[object, KeyRing] | None = None


def ring() -> KeyRing:
    """The ring as it is now. Raises Unavailable when it cannot be read."""
    try:
        return read()
    except BadRing as problem:
        raise Unavailable(f"The studio's key ring cannot be used: {problem}", code="bad_key_ring") from None


def read() -> KeyRing:
    """The same for operators. Raises BadRing."""
    global _known
    given, path = dict(settings.KEKS), Path(settings.KEY_RING)
    try:
        facts = path.stat()
        state: object = (given, settings.ACTIVE_KEK, settings.SECRET_KEY, facts.st_mtime_ns, facts.st_ino, str(path))
    except FileNotFoundError:
        state = (given, settings.ACTIVE_KEK, settings.SECRET_KEY, str(path))
    except OSError as error:
        raise BadRing(f"{path}: {error.strerror}.") from None
    with _lock:
        if _known is None or _known[0] != state:
            _known = (state, _build(given, path))
        return _known[1]


def _build(given: dict[str, str], path: Path) -> KeyRing:
    told = load(path)
    keys = {name: _decode(name, text) for name, text in {**told.keys, **given}.items()}
    own = _derived()
    derived = "derived-" + hashlib.sha256(own).hexdigest()[:8]
    active = settings.ACTIVE_KEK or told.active or (next(iter(keys)) if len(keys) == 1 else "")
    if not keys and not active:
        active = derived
    keys[derived] = own
    if active not in keys:
        names = ", ".join(sorted(keys))
        raise BadRing(f"ZAFFRE_ACTIVE_KEK names the key that encrypts, one of {names}; it is {active or 'not set'!r}.")
    return KeyRing(active, keys)


@dataclass(frozen=True, slots=True)
class RingFile:
    """What the file holds: keys in base64 by their ids, and which of them encrypts."""

    active: str = ""
    keys: dict[str, str] = field(default_factory=dict, repr=False)


def load(path: Path) -> RingFile:
    """The file {active, keys: {id: key}}; empty when there is none. Raises BadRing."""
    try:
        told = json.loads(path.read_text())
    except FileNotFoundError:
        return RingFile()
    except (OSError, ValueError) as error:
        raise BadRing(f"{path} cannot be read: {error}") from None
    if not isinstance(told, dict) or not isinstance(told.get("keys"), dict):
        raise BadRing(f'{path} holds {{"active": id, "keys": {{id: 32 bytes in base64}}}}.')
    return RingFile(str(told.get("active") or ""), {str(name): str(text) for name, text in told["keys"].items()})


def _decode(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not NAME.match(name) or len(key) != KEY_BYTES:
        raise BadRing(f"the key {name[:40]!r} is not {KEY_BYTES} bytes in base64 (openssl rand -base64 {KEY_BYTES}).")
    return key


def _derived() -> bytes:
    made = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"zaffre key-encryption key")
    return made.derive(settings.SECRET_KEY.encode())


def add(name: str) -> None:
    """Put a new random key into the file, to be made active later. Raises BadRing for a name that is taken, or none."""
    if not NAME.match(name):
        raise BadRing(f"{name[:40]!r} cannot be the id of a key: 1 to 40 letters, digits and hyphens.")
    current = read()
    if name in current.keys:
        raise BadRing(f"the ring has a key {name!r} already.")
    path = Path(settings.KEY_RING)
    told = load(path)
    made = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    write(path, RingFile(told.active or current.active, {**told.keys, name: made}))


def activate(name: str) -> bool:
    """Let the key encrypt from now on; False where ZAFFRE_ACTIVE_KEK says which one does, and says another one.

    Raises BadRing when there is no such key.
    """
    current = read()
    if name not in current.keys:
        raise BadRing(f"the ring has no key {name!r}; it has {', '.join(sorted(current.keys))}.")
    if current.active == name:
        return True
    if settings.ACTIVE_KEK:
        return False
    path = Path(settings.KEY_RING)
    write(path, RingFile(name, load(path).keys))
    return True


def write(path: Path, told: RingFile) -> None:
    """Replace the file at once, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump({"active": told.active, "keys": told.keys}, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)
