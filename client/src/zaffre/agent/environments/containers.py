"""Environments that are container images: got or built by the node's engine, and run by it around the code."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Mapping, Sequence

from zaffre.agent.environments import installer
from zaffre.agent.environments.installer import EnvironmentFailed
from zaffre.agent.environments.shapes import Container, Environment, Order

ENGINES = ("podman", "docker", "nerdctl")
_SECONDS = 60
#: What belongs to the image and not to this machine.
_OF_THE_IMAGE = {"PATH", "LD_LIBRARY_PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "USER"}


def words(
    container: Container,
    argv: Sequence[str],
    *,
    name: str,
    env: Mapping[str, str],
    own: Sequence[Path],
    shared: Sequence[Path],
    cwd: str,
) -> List[str]:
    """The engine's command around `argv`. Variables are passed by name: their values are in nobody's list of
    processes. `own` folders may be written, `shared` ones read, each at its own path."""
    found = [container.engine, "run", "--rm", "--init", "--name", name, "--network", "host", "--workdir", cwd]
    if os.path.basename(container.engine) == "podman":
        found += ["--userns", "keep-id"]
    else:
        found += ["--user", f"{os.getuid()}:{os.getgid()}"]
    for folder in own:
        found += ["--volume", f"{folder}:{folder}"]
    for folder in shared:
        found += ["--volume", f"{folder}:{folder}:ro"]
    for variable in sorted(env):
        if variable not in _OF_THE_IMAGE:
            found += ["--env", variable]
    return [*found, "--entrypoint", argv[0], container.image, *argv[1:]]


def end(container: Container, name: str) -> None:
    """Have the container gone: an engine's daemon keeps it when its command is killed."""
    words = [container.engine, "rm", "--force", name]
    subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)


def engine() -> str:
    """The container engine of this node. Raises EnvironmentFailed."""
    found = next((place for place in map(shutil.which, ENGINES) if place), None)
    if found is None:
        raise EnvironmentFailed(
            f"This environment is a container image, and this node has none of {', '.join(ENGINES)} to run it."
        )
    return found


def provide(order: Order) -> Environment:
    """The image of a specification, got or built where it is not here. Raises EnvironmentFailed, Stopped."""
    binary = engine()
    python = str(order.spec.get("interpreter") or "python")
    dockerfile = str(order.spec.get("dockerfile") or "")
    if dockerfile:
        image = f"localhost/zaffre:{hashlib.sha256(dockerfile.encode()).hexdigest()[:24]}"
        words = [binary, "build", "--tag", image, "-"]
    else:
        image = str(order.spec.get("image") or "")
        words = [binary, "pull", image]
    built = order.again or not _has(binary, image)
    if built:
        order.say(f"{'Building' if dockerfile else 'Getting'} the image {image} with {os.path.basename(binary)}.\n")
        try:
            order.say(installer.install(words, until=order.until, say=order.say, text=dockerfile or None))
        except EnvironmentFailed as error:
            last = [line.strip() for line in error.output.splitlines() if line.strip()][-1:]
            why = last[0][:300] if last else "the engine said nothing"
            raise EnvironmentFailed(f"The image {image} could not be had: {why}", error.output) from None
    note = f"the image {image}" if built else f"the image {image}, which is on this node"
    return Environment(python, "", built, note, container=Container(binary, image))


def _has(binary: str, image: str) -> bool:
    asked = [binary, "image", "inspect", image]
    return subprocess.run(asked, capture_output=True, timeout=_SECONDS, check=False).returncode == 0
