"""Resolving: wishes become exact packages with the hashes of their files, once; everybody uses the answer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import List, Sequence

from zaffre.agent.disk import locked
from zaffre.agent.environments import installer
from zaffre.agent.environments.installer import EnvironmentFailed, Say, Until
from zaffre.agent.environments.pythons import Python, machine
from zaffre.agent.environments.shapes import Lock

ANY = "any"


def resolve(uv: str, python: Python, asked: Sequence[str], extras: Sequence[str], *, until: Until, say: Say) -> Lock:
    """Ask the index what fits. The lock counts for every platform where that can be done, else for this machine.

    Raises EnvironmentFailed, Stopped.
    """
    wanted = "\n".join([*asked, *extras]) + "\n"
    argv = [uv, "pip", "compile", "--no-header", "--no-annotate", "--quiet", "--generate-hashes"]
    quiet: List[str] = []
    try:
        words = [*argv, "--universal", "--python", python.path, "--python-version", python.minor, "-"]
        text = installer.install(words, until=until, say=quiet.append, text=wanted, asked=asked, own=extras)
        return Lock(python.minor, ANY, text)
    except EnvironmentFailed as everywhere:
        try:
            words = [*argv, "--python", python.path, "-"]
            text = installer.install(words, until=until, say=say, text=wanted, asked=asked, own=extras)
        except EnvironmentFailed as error:
            # Of two failures the one that speaks of this machine is easier to understand.
            raise error from everywhere
        say(f"No set of packages fits every platform, so this one is for {machine()} only.\n")
        return Lock(python.minor, machine(), text)


def remembered(
    folder: Path, uv: str, python: Python, asked: Sequence[str], extras: Sequence[str], *, until: Until, say: Say
) -> Lock:
    """As `resolve`, kept on this node: for what the studio keeps no lock of."""
    wanted = "\0".join(["resolve", python.version, machine(), *asked, *extras])
    memo = folder / f"{hashlib.sha256(wanted.encode()).hexdigest()[:24]}.txt"
    with locked(memo.with_suffix(".lock")):
        if memo.exists():
            platform, _, text = memo.read_text(encoding="utf-8").partition("\n")
            return Lock(python.minor, platform.lstrip("# "), text)
        lock = resolve(uv, python, asked, extras, until=until, say=say)
        keep(memo, f"# {lock.platform}\n{lock.text}")
        return lock


def keep(path: Path, text: str) -> None:
    """Write a file that is whole or absent."""
    temporary = path.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def proven(text: str) -> bool:
    """Whether the installer can be told to refuse every package without a hash: what comes from git has a commit."""
    return "git+" not in text


def installed(lock: Lock, environment: Path) -> List[str]:
    """Those packages of a lock that are in an environment: a lock for every machine has others for other ones, too."""
    found = {path.stem for path in environment.glob("lib/python*/site-packages/*.dist-info")}
    known = {(name.replace("_", "-").lower(), version) for name, _, version in (one.rpartition("-") for one in found)}

    def there(line: str) -> bool:
        name, exact, version = line.partition("==")
        # What comes from git or an address has no version to compare.
        return not exact or (name.partition("[")[0], version) in known

    return [line for line in lock.packages if there(line)]
