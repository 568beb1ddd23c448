"""Environments that are container images: got or built by the node's engine, and run by it around the code."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import shutil
import subprocess
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from zaffre.agent import contained
from zaffre.agent.environments import installer
from zaffre.agent.environments.installer import EnvironmentFailed
from zaffre.agent.environments.shapes import Container, Environment, Order
from zaffre.agent.rundir import RunDir

ENGINES = ("podman", "docker", "nerdctl")
_SECONDS = 60
#: What Podman says of a name without a registry where its settings name none.
_NO_REGISTRY = "did not resolve to an alias"
_FROM = re.compile(r"^(\s*FROM\s+(?:--\S+\s+)*)(\S+)(\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)
#: What belongs to the image and not to this machine.
_OF_THE_IMAGE = {"PATH", "LD_LIBRARY_PATH", "LANG", "SSL_CERT_DIR", "USER"}
#: Files by which the node trusts the studio: the code must, too.
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: What an engine goes by. Never a run's own variables: they could make it load what the run has brought along.
_OF_THE_ENGINE = ("PATH", "HOME", "USER", "TMPDIR", "LANG", "DBUS_SESSION_BUS_ADDRESS", "REGISTRY_AUTH_FILE")
_FAMILIES = ("XDG_", "DOCKER_", "CONTAINER", "NERDCTL_")
#: podman gives itself no more, and then may give no more to others.
_MOST_PROCESSES = 32768


def surroundings() -> Dict[str, str]:
    """The variables of every call of the engine: the node's own, so that each finds the same images."""
    return {name: value for name, value in os.environ.items() if name in _OF_THE_ENGINE or name.startswith(_FAMILIES)}


def words(
    container: Container,
    argv: Sequence[str],
    *,
    name: str,
    variables: Path,
    folders: "Tuple[Sequence[Path], Sequence[Path]]",
    limits: Mapping[str, Any],
    cwd: str,
) -> List[str]:
    """The engine's command around `argv`. Of `folders` the first may be written, the others read, each at its own
    path. `variables` is the file that `keep_variables` made."""
    found = [container.engine, "run", "--init", "--name", name, "--network", "host", "--workdir", cwd]
    found += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"]
    found += ["--user", container.user, "--env-file", str(variables)]
    # Data loaders of PyTorch hand batches over in shared memory; it counts as the run's memory.
    memory = int(limits.get("memory_mb") or 0)
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found += ["--shm-size", f"{memory * 2**20 if memory else whole // 2}b"]
    if container.is_podman:
        found += _as_podman_wants()
    if container.is_podman or container.engine.endswith("docker"):
        found += ["--log-driver", "none"]  # the log is the run's, and another copy would fill the disk
    if container.inside:
        found += ["--cgroups", "disabled"]
    else:
        found += ["--memory", f"{memory}m", "--memory-swap", f"{memory}m"] if memory else []
        found += ["--cpus", str(limits["cpus"])] if limits.get("cpus") else []
        found += ["--pids-limit", str(limits["processes"])] if limits.get("processes") else []
    for folder in folders[0]:
        found += ["--volume", f"{folder}:{folder}"]
    for folder in folders[1]:
        found += ["--volume", f"{folder}:{folder}:ro"]
    return [*found, "--entrypoint", argv[0], container.image, *argv[1:]]


def _as_podman_wants() -> List[str]:
    """Limits no higher than this process may give, and the user's own number inside too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    most = _MOST_PROCESSES if most == resource.RLIM_INFINITY else min(most, _MOST_PROCESSES)
    said = ["--ulimit", f"nofile={soft}:{hard}", "--ulimit", f"nproc={most}:{most}"]
    return said if os.getuid() == 0 else [*said, "--userns", "keep-id"]


def keep_variables(place: RunDir, env: Mapping[str, str]) -> "Tuple[Path, List[Path]]":
    """A file of the variables of the code, which no list of processes shows, and what they name on this machine.

    Raises ValueError for a variable that such a file cannot hold.
    """
    kept = {name: value for name, value in env.items() if name not in _OF_THE_IMAGE}
    seen = [Path(kept[name]) for name in _CERTIFICATES if name in kept and kept[name] == os.environ.get(name)]
    lines = []
    for name, value in sorted(kept.items()):
        if "\n" in value or "\r" in value:
            raise ValueError(
                f"The variable {name} has several lines, which container engines cannot pass on. Write it as one line,"
                " in base64 for example, or take an environment of packages."
            )
        lines.append(f"{name}={value}\n")
    file = place.path / "variables"
    with open(os.open(str(file), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.writelines(lines)
    return file, sorted({path for path in seen if path.is_file()})


def engine() -> Container:
    """The first engine of this node that answers, without an image. Raises EnvironmentFailed."""
    for name in ENGINES:
        place = shutil.which(name)
        if place:
            with suppress(OSError, subprocess.SubprocessError):
                return _asked(place)
    raise EnvironmentFailed(
        f"This environment is a container image, and this node has none of {', '.join(ENGINES)} that could run it."
    )


@lru_cache(maxsize=None)
def _asked(place: str) -> Container:
    """What kind of engine it is. Raises OSError, SubprocessError when it does not answer."""
    podman = os.path.basename(place) == "podman"
    about = "{{.Host.OCIRuntime.Name}} {{.Host.ServiceIsRemote}}" if podman else "{{json .SecurityOptions}}"
    said = _call([place, "info", "--format", about])
    # Of a daemon that belongs to a user, this user is called root inside.
    user = "0:0" if "rootless" in said else f"{os.getuid()}:{os.getgid()}"
    return Container(place, "", user=user, inside=said.split() == ["crun", "false"])


def provide(order: Order) -> Environment:
    """The image of a specification, got or built where it is not here. Raises EnvironmentFailed, Stopped."""
    found = engine()
    python = str(order.spec.get("interpreter") or "python")
    dockerfile, image = str(order.spec.get("dockerfile") or ""), str(order.spec.get("image") or "")
    if dockerfile:
        image = f"localhost/zaffre:{hashlib.sha256(dockerfile.encode()).hexdigest()[:24]}"
        wishes = [(image, dockerfile), (image, with_registries(dockerfile))]
    else:
        wishes = [(image, ""), (whole_name(image), "")]
    wishes = list(dict.fromkeys(wishes))
    names = [] if order.again else dict.fromkeys(name for name, _ in wishes)
    here = next((name for name in names if _has(found.engine, name)), None)
    image = here or _got(order, found, wishes)
    said = {"code": "image_here" if here else "image", "image": image}
    container = Container(found.engine, image, user=found.user, inside=found.inside)
    return Environment(python, "", here is None, said, container=container)


def _got(order: Order, found: Container, wishes: Sequence[Tuple[str, str]]) -> str:
    """Get the image of the first wish, or build it of a Dockerfile; returns its name. The second is for an engine that
    knows no registry for the first. Raises EnvironmentFailed, Stopped."""
    (image, dockerfile), *others = wishes
    order.say(f"{'Building' if dockerfile else 'Getting'} the image {image} with {found.called}.\n")
    words = [found.engine, *(("build", "--tag", image, "-") if dockerfile else ("pull", image))]
    try:
        order.say(installer.install(words, until=order.until, say=order.say, text=dockerfile or None))
    except EnvironmentFailed as error:
        if others and _NO_REGISTRY in error.output:
            order.say("No registry is named, and the settings of the engine name none: Docker's is taken.\n")
            return _got(order, found, others)
        last = [line.strip() for line in error.output.splitlines() if line.strip()][-1:]
        why = last[0][:300] if last else "the engine said nothing"
        raise EnvironmentFailed(f"The image {image} could not be had: {why}", error.output) from None
    return image


def whole_name(image: str) -> str:
    """The name with the registry that Docker takes for one that names none; Podman leaves that to its settings."""
    first, slash, _ = image.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def with_registries(dockerfile: str) -> str:
    """The Dockerfile with whole names of what it is built from; its own stages and arguments stay."""
    stages = {found[4] for found in _FROM.finditer(dockerfile) if found[4]}

    def whole(found: "re.Match[str]") -> str:
        own = found[2] in stages or found[2] == "scratch" or "$" in found[2]
        return found[0] if own else f"{found[1]}{whole_name(found[2])}{found[3] or ''}"

    return _FROM.sub(whole, dockerfile)


def _has(binary: str, image: str) -> bool:
    try:
        _call([binary, "image", "inspect", image])
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _call(words: List[str]) -> str:
    return contained.call(words, env=surroundings(), seconds=_SECONDS)
