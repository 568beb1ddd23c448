"""Environments as steps ask for them: found on the shelf, or built there from a lock."""

from __future__ import annotations

import platform
import shutil
import time
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from zaffre.agent.config import DEFAULT_ENVIRONMENTS_GB
from zaffre.agent.door import Stopped
from zaffre.agent.environments import installer, locks, pythons
from zaffre.agent.environments.desk import Desk
from zaffre.agent.environments.installer import EnvironmentFailed, Say, Until
from zaffre.agent.environments.shapes import Environment, Lock, check_requirements
from zaffre.agent.environments.shelf import GB, Shelf, name_of

_MOST_LOG = 200_000


class Environments:
    """The environments below one cache folder. Threads and agents may share it."""

    def __init__(
        self,
        cache: Path,
        *,
        extras: Sequence[str] = (),
        desk: Optional[Desk] = None,
        limit_gb: float = DEFAULT_ENVIRONMENTS_GB,
    ) -> None:
        self.folder = cache / "environments"
        self.locks = cache / "locks"
        self.extras = tuple(extras)
        self.desk = desk
        self.shelf = Shelf(self.folder, limit=limit_gb * GB)
        self.locks.mkdir(mode=0o700, parents=True, exist_ok=True)

    def provide(
        self, wanted: Mapping[str, object], *, until: Until, say: Say, owner: Optional[Path] = None, run: str = ""
    ) -> Environment:
        """The environment that `wanted` (`environment` of a claim) names; builds it when this node has none like it.

        `say` gets what the installer says. It is not removed while the folder `owner` is there. Raises
        EnvironmentFailed, Stopped when `until()`.
        """
        said: List[str] = []

        def note(text: str) -> None:
            said.append(text)
            say(text)

        begun = time.time()
        try:
            found = self._provide(wanted, until=until, say=note, owner=owner)
        except EnvironmentFailed as error:
            told = {"status": "failed", "reason": str(error), "package": error.package, "line": error.line}
            self._report(wanted, {**told, "seconds": time.time() - begun}, said, run)
            raise
        if found.built:
            self._report(wanted, {"status": "succeeded", **found.facts}, said, run)
        return found

    def _provide(self, wanted: Mapping[str, object], *, until: Until, say: Say, owner: Optional[Path]) -> Environment:
        spec = wanted.get("spec") or {}
        assert isinstance(spec, Mapping)
        kind = spec.get("kind", "system")
        if kind == "system":
            own = pythons.own()
            return Environment(own.path, str(Path(own.path).parent), False, f"the node's Python {own.version}")
        if kind != "pip":
            raise EnvironmentFailed(f"This node cannot make environments of the kind {kind!r}; update the node.")
        requirements = check_requirements(spec.get("requirements") or [])
        uv = installer.find_uv()
        python, lock, warnings = self._locked(uv, wanted, str(spec.get("python") or ""), requirements, until, say)
        return self._built(uv, python, lock, warnings, requirements, until=until, say=say, owner=owner)

    def _locked(
        self, uv: str, wanted: Mapping[str, object], wish: str, asked: List[str], until: Until, say: Say
    ) -> Tuple[pythons.Python, Lock, Tuple[str, ...]]:
        """The Python and the lock of a version: the studio's where it keeps one, else resolved here and reported."""
        version, refs = wanted.get("id"), wanted.get("lock") or []
        assert isinstance(refs, (list, tuple))
        python, ref, warnings = pythons.choose(wish, refs, pythons.here(uv), machine=pythons.machine())
        if self.desk is None or version is None:
            return python, locks.remembered(self.locks, uv, python, asked, self.extras, until=until, say=say), warnings
        if ref is None:
            say(f"Resolving {len(asked)} requirements for Python {python.minor}: done once, and kept by the studio.\n")
            lock = locks.resolve(uv, python, asked, self.extras, until=until, say=say)
            lock = self.desk.offer(version, lock, until=until)
        else:
            lock = self._read(version, ref, until)
        return python, lock, warnings

    def _read(self, version: object, ref: Mapping[str, str], until: Until) -> Lock:
        kept = self.locks / f"{ref['sha256']}.txt"
        if kept.exists():
            lock = Lock(str(ref["python"]), str(ref["platform"]), kept.read_text(encoding="utf-8"))
            if lock.sha256 == ref["sha256"]:
                return lock
        assert self.desk is not None
        lock = self.desk.fetch(version, ref, until=until)
        locks.keep(kept, lock.text)
        return lock

    def _built(
        self,
        uv: str,
        python: pythons.Python,
        lock: Lock,
        warnings: Tuple[str, ...],
        asked: Sequence[str],
        *,
        until: Until,
        say: Say,
        owner: Optional[Path],
    ) -> Environment:
        key = name_of("build", python.version, platform.platform(), lock.text)
        with self.shelf.holding(key) as place:
            built, facts = not place.is_dir(), {}
            if built:
                facts = self._build(uv, python, lock, asked, key, until=until, say=say)
            self.shelf.use(key, owner)
        if built:
            self.shelf.make_room(keep=key)
        count = len(lock.packages)
        note = f"built, {count} packages" if built else "from the node's cache"
        where = str(place / "bin")
        return Environment(f"{where}/python", where, built, note, "\n".join([*lock.packages, ""]), warnings, facts)

    def _build(
        self, uv: str, python: pythons.Python, lock: Lock, asked: Sequence[str], key: str, *, until: Until, say: Say
    ) -> Dict[str, object]:
        begun, count = time.monotonic(), len(lock.packages)
        say(f"Building an environment of {count} packages for Python {python.version}.\n")
        with self.shelf.building(key) as folder:
            target = folder / "env"
            words = [uv, "venv", "--quiet", "--relocatable", "--python", python.path, str(target)]
            installer.install(words, until=until, say=say)
            if count:
                words = [uv, "pip", "install", "--no-deps", "--compile-bytecode"]
                words += ["--require-hashes"] if locks.proven(lock.text) else []
                words += ["--python", str(target / "bin" / "python"), "-r", "-"]
                installer.install(words, until=until, say=say, text=lock.text, asked=asked)
            if until():
                shutil.rmtree(str(target), ignore_errors=True)
                raise Stopped("stopped while building the environment")
            facts = {"packages": count, "python": python.version, "digest": lock.sha256}
            told = self.shelf.put(key, target, facts)
        return {**told, "seconds": round(time.monotonic() - begun, 3)}

    def _report(self, wanted: Mapping[str, object], told: Dict[str, object], said: List[str], run: str) -> None:
        if self.desk is not None and wanted.get("id") is not None:
            log = "".join(said)[-_MOST_LOG:]
            self.desk.report(wanted["id"], {**told, "log": log, "run": run})
