"""What doors and keepers say of a machine to each other, without the means to reach it."""

import base64
import hashlib
from dataclasses import dataclass, field


class Trouble(Exception):
    """Why a machine is not ready, as a word of workspace/attached/words.py. `again`: it may go away by itself."""

    def __init__(self, code: str, about: str = "", *, again: bool = False) -> None:
        super().__init__(code)
        self.code, self.about, self.again = code, about, again


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine is and how to log in; secrets do not show themselves."""

    host: str
    port: int
    username: str
    password: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)


def fingerprint(key: str) -> str:
    """`SHA256:…` of a public key in OpenSSH's text, as `ssh-keygen -lf` prints it; empty for none."""
    if not key:
        return ""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
