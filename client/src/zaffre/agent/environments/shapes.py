"""What environments are on a node: what one is asked for with, and what comes out of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

from zaffre.agent.environments.installer import EnvironmentFailed, Say, Until
from zaffre.agent.notes import Said, in_english


@dataclass(frozen=True)
class Container:
    """An image, and the engine that runs code in it (environments/containers.py)."""

    #: The path of its command.
    engine: str
    image: str
    #: Whose the files are that the code writes, as the engine calls them.
    user: str
    #: Containers stay among the processes that start them, and in their groups.
    inside: bool

    @property
    def called(self) -> str:
        return os.path.basename(self.engine)

    @property
    def is_podman(self) -> bool:
        return self.called == "podman"


@dataclass(frozen=True)
class Lock:
    """Exact packages with the hashes of their files. `platform` is `any` when it counts for every machine."""

    python: str
    platform: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def packages(self) -> List[str]:
        """One `name==version` for each package, without hashes and markers."""
        lines = (line.split(" ;")[0].rstrip(" \\") for line in self.text.splitlines())
        return [line for line in lines if line and not line.startswith((" ", "#"))]


@dataclass(frozen=True)
class Environment:
    """A ready environment: its interpreter, the first folder for PATH, whether it was built, and what is said of it."""

    python: str
    bin: str
    built: bool
    said: Said
    #: The exact versions in it, one a line; empty where nobody knows them.
    lock: str = ""
    #: What is other than it was asked for, for people.
    warnings: Tuple[str, ...] = ()
    #: Of what was built just now: seconds, size in bytes, packages, digest.
    facts: Mapping[str, object] = field(default_factory=dict)
    #: Variables that belong to it.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The image that code runs in; None for code that runs on the node itself.
    container: Optional[Container] = None

    @property
    def note(self) -> str:
        return in_english(self.said)


@dataclass(frozen=True)
class Order:
    """One wish for an environment: what it is made of, its version in the studio and the locks of that, who waits."""

    spec: Mapping[str, object]
    version: object
    locks: Sequence[Mapping[str, str]]
    until: Until
    say: Say
    #: A folder that is there for as long as the environment is used; None when nobody will.
    owner: Optional[Path] = None
    #: Built anew where nothing uses it.
    again: bool = False


def check_requirements(found: object) -> List[str]:
    """The requirement lines of a specification. Raises EnvironmentFailed for what is no plain requirement.

    Options of installers and paths of this machine are refused: they would read files of the node.
    """
    if not isinstance(found, (list, tuple)):
        raise EnvironmentFailed("The requirements of this environment are no list.")
    lines = []
    for line in found:
        text = str(line).strip()
        odd = text.startswith(("-", ".", "/", "~")) or "\n" in text or "\r" in text or "file:" in text.lower()
        if odd:
            raise EnvironmentFailed(
                f"{text[:80]!r} is no package requirement. Write a name with a version, like numpy==2.1.0."
            )
        if text and not text.startswith("#"):
            lines.append(text)
    return lines
