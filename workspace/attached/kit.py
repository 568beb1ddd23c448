"""The client as it is put on machines: a wheel, and the wheels that the operator sends along."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from workspace.attached.places import Trouble

WHEELS = Path(settings.BASE_DIR) / "client" / "dist"


@dataclass(frozen=True, slots=True)
class Kit:
    """The wheel's name, its SHA-256, and all files by their paths in the folder of a machine."""

    wheel: str
    digest: str
    files: Mapping[str, bytes]

    def mark(self, found: Mapping[str, Any]) -> str:
        """What is written down when it is installed for the Python that was found."""
        return f"{self.digest} {found['python']} {found['version']}"


async def pack() -> Kit:
    """Read the newest client from the disk. Raises Trouble `no_wheel`."""
    return await asyncio.to_thread(_read)


def _read() -> Kit:
    wheel = next(iter(sorted(WHEELS.glob("zaffre-*.whl"))), None)
    if wheel is None:
        raise Trouble("no_wheel")
    content = wheel.read_bytes()
    files = {wheel.name: content}
    if settings.SSH_WHEELS:
        # For machines without a package index.
        more = sorted(Path(settings.SSH_WHEELS).glob("*.whl"))
        files |= {f"wheels/{one.name}": one.read_bytes() for one in more}
    return Kit(wheel.name, hashlib.sha256(content).hexdigest(), files)


def mark_of(*words: object) -> str:
    """The name of a folder of ours on a machine: another studio, or another target, has another one."""
    text = "\0".join(str(word) for word in (settings.SECRET_KEY, *words))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
