"""Environments as steps ask for them: found on the shelf, or built there from a lock."""

from __future__ import annotations

import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from zaffre.agent.config import DEFAULT_ENVIRONMENTS_GB
from zaffre.agent.door import Stopped
from zaffre.agent.environments import containers, existing, installer, locks, pythons
from zaffre.agent.environments.desk import Desk
from zaffre.agent.environments.installer import EnvironmentFailed, Say, Until
from zaffre.agent.environments.shapes import Environment, Lock, Order, check_requirements
from zaffre.agent.environments.shelf import GB, Shelf, name_of
from zaffre.agent.notes import Said

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
        self,
        wanted: Mapping[str, object],
        *,
        until: Until,
        say: Say,
        owner: Optional[Path] = None,
        run: str = "",
        report: bool = True,
        again: bool = False,
    ) -> Environment:
        """The environment that `wanted` (`environment` of a claim) names; builds it when this node has none like it.

        `say` gets what the installer says. It is not removed while the folder `owner` is there. The studio hears of
        a build when `report`; `again` builds it anew where nothing uses it. Raises EnvironmentFailed, Stopped when
        `until()`.
        """
        said: List[str] = []

        def note(text: str) -> None:
            said.append(text)
            say(text)

        spec, refs = wanted.get("spec") or {}, wanted.get("lock") or []
        assert isinstance(spec, Mapping) and isinstance(refs, (list, tuple))
        order = Order(spec, wanted.get("id"), refs, until, note, owner, again)
        report = report and self.desk is not None and order.version is not None
        begun = time.time()
        try:
            found = self._provide(order)
        except EnvironmentFailed as error:
            if report:
                told = {"status": "failed", "reason": str(error), "package": error.package, "line": error.line}
                self._report(order, {**told, "seconds": time.time() - begun}, said, run)
            raise
        if found.built and report:
            self._report(order, {"status": "succeeded", **found.facts}, said, run)
        return found

    def _report(self, order: Order, told: Mapping[str, object], said: Sequence[str], run: str) -> None:
        assert self.desk is not None
        self.desk.report(order.version, {**told, "log": "".join(said)[-_MOST_LOG:], "run": run})

    def _provide(self, order: Order) -> Environment:
        kind, spec = order.spec.get("kind", "system"), order.spec
        if kind == "system":
            found = existing.system()
        elif kind == "interpreter":
            found = existing.interpreter(str(spec.get("interpreter") or "python"))
        elif kind == "docker":
            found = containers.provide(order)
        elif kind in ("pip", "conda"):
            # The studio has put conda's packages among the requirements, by their names for pip.
            asked = check_requirements(spec.get("requirements") or [])
            uv = installer.find_uv()
            python, lock, warnings = self._locked(uv, order, asked)
            found = self._built(uv, python, lock, warnings, asked, order)
        else:
            raise EnvironmentFailed(f"This node cannot make environments of the kind {kind!r}; update the node.")
        variables, warned = spec.get("variables") or {}, spec.get("warnings") or ()
        assert isinstance(variables, Mapping) and isinstance(warned, (list, tuple))
        warnings = (*map(str, warned), *found.warnings)
        return replace(found, warnings=warnings, variables={str(key): str(one) for key, one in variables.items()})

    def _locked(self, uv: str, order: Order, asked: List[str]) -> Tuple[pythons.Python, Lock, Tuple[str, ...]]:
        """The Python and the lock of a version: the studio's where it keeps one, else resolved here and reported."""
        wish, machine = str(order.spec.get("python") or ""), pythons.machine()
        listed = order.spec.get("pythons")
        fitting = [str(one) for one in listed] if isinstance(listed, (list, tuple)) else []
        python, ref, warnings = pythons.choose(wish, order.locks, pythons.here(uv), machine=machine, fitting=fitting)
        if self.desk is None or order.version is None:
            kept = locks.remembered(self.locks, uv, python, asked, self.extras, until=order.until, say=order.say)
            return python, kept, warnings
        if ref is not None:
            return python, self._read(order, ref), warnings
        count = f"{len(asked)} requirement{'' if len(asked) == 1 else 's'}"
        order.say(f"Resolving {count} for Python {python.minor}: done once, kept by the studio.\n")
        lock = locks.resolve(uv, python, asked, self.extras, until=order.until, say=order.say)
        return python, self.desk.offer(order.version, lock, until=order.until), warnings

    def _read(self, order: Order, ref: Mapping[str, str]) -> Lock:
        kept = self.locks / f"{ref['sha256']}.txt"
        if kept.exists():
            lock = Lock(str(ref["python"]), str(ref["platform"]), kept.read_text(encoding="utf-8"))
            if lock.sha256 == ref["sha256"]:
                return lock
        assert self.desk is not None
        lock = self.desk.fetch(order.version, ref, until=order.until)
        locks.keep(kept, lock.text)
        return lock

    def _built(
        self,
        uv: str,
        python: pythons.Python,
        lock: Lock,
        warnings: Tuple[str, ...],
        asked: Sequence[str],
        order: Order,
    ) -> Environment:
        key = name_of("build", python.version, platform.platform(), lock.text)
        if order.again and not self.shelf.remove(key):
            order.say("It is in use on this node, so it is not made anew.\n")
        with self.shelf.holding(key) as place:
            built = not place.is_dir()
            if built:
                facts, packages = self._build(uv, python, lock, asked, key, order)
            else:
                facts, packages = self.shelf.facts(key), locks.installed(lock, place)
            self.shelf.use(key, order.owner)
        if built:
            self.shelf.make_room(keep=key)
        said: Said = {"code": "built", "packages": len(packages)} if built else {"code": "kept"}
        where = str(place / "bin")
        return Environment(f"{where}/python", where, built, said, "\n".join([*packages, ""]), warnings, facts)

    def _build(
        self, uv: str, python: pythons.Python, lock: Lock, asked: Sequence[str], key: str, order: Order
    ) -> Tuple[Dict[str, object], List[str]]:
        """What is written down of it, and the packages that it has: of the lock's those that this machine takes."""
        begun = time.monotonic()
        order.say(f"Building an environment for Python {python.version}.\n")
        with self.shelf.building(key) as folder:
            target = folder / "env"
            words = [uv, "venv", "--quiet", "--relocatable", "--python", python.path, str(target)]
            installer.install(words, until=order.until, say=order.say)
            if lock.packages:
                words = [uv, "pip", "install", "--no-deps", "--compile-bytecode"]
                words += ["--require-hashes"] if locks.proven(lock.text) else []
                words += ["--python", str(target / "bin" / "python"), "-r", "-"]
                installer.install(words, until=order.until, say=order.say, text=lock.text, asked=asked)
            if order.until():
                raise Stopped("stopped while building the environment")
            packages = locks.installed(lock, target)
            facts = {"packages": len(packages), "python": python.version, "digest": lock.sha256}
            seconds = round(time.monotonic() - begun, 3)
            return self.shelf.put(key, target, {**facts, "seconds": seconds}), packages
