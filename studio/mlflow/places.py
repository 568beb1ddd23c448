"""From an artifact's path on MLflow's wire to what keeps it: `<experiment>/<run>/artifacts/<inside>`.

A new kind of place (such as the files of a model) is a class like `RunPlace` and a line in `KINDS`.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from runs import queries
from runs.artifacts import queries as artifacts
from runs.artifacts import services
from runs.fencing import admit
from runs.models import Run
from studio.kernel import paths
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid, NotFound


class Kept(NamedTuple):
    """A file as a row names it."""

    path: str
    sha256: str
    size: int


class Listed(NamedTuple):
    """Something directly in a folder; `size` is None for a folder."""

    name: str
    size: int | None


class Place(Protocol):
    """A tree of files. Each function asks for the right it needs and raises as services do."""

    def may_write(self) -> int:
        """The id of the workspace whose bytes it takes. Raises when the actor may not add or remove files."""

    def file(self, inside: str) -> Kept: ...

    def folder(self, inside: str) -> list[Listed]: ...

    def add(self, inside: str, sha256: str, size: int) -> None: ...

    def remove(self, inside: str) -> None: ...


class RunPlace:
    """The files of a run."""

    def __init__(self, ws: str, run_id: str, *, actor: Actor, experiment: str | None = None) -> None:
        self.ws, self.run_id, self.actor, self.experiment = ws, run_id, actor, experiment

    def _run(self) -> Run:
        run = queries.get_run(self.ws, self.run_id, actor=self.actor)
        if self.experiment not in {None, str(run.experiment_id)}:
            raise NotFound(f"There is no run {self.run_id[:40]!r} in the experiment {str(self.experiment)[:20]!r}.")
        return run

    def may_write(self) -> int:
        admit(self.run_id, actor=self.actor, workspace=self.ws)
        return self._run().workspace_id

    def file(self, inside: str) -> Kept:
        self._run()
        found = artifacts.get_artifact(self.ws, self.run_id, inside, actor=self.actor)
        return Kept(found.path, found.sha256, found.size)

    def folder(self, inside: str) -> list[Listed]:
        self._run()
        found = artifacts.list_folder(self.ws, self.run_id, actor=self.actor, folder=inside)
        return [Listed(one.name, None if one.is_folder else one.size) for one in found]

    def add(self, inside: str, sha256: str, size: int) -> None:
        entry = {"path": inside, "sha256": sha256, "size": size}
        services.add_artifacts(self.run_id, actor=self.actor, files=[entry], workspace=self.ws, late=True)

    def remove(self, inside: str) -> None:
        self.may_write()
        services.remove_artifacts(self.run_id, inside, actor=self.actor, workspace=self.ws, late=True)


def _of_run(ws: str, parts: list[str], actor: Actor) -> tuple[Place, str] | None:
    if len(parts) < 3 or parts[2] != "artifacts":
        return None
    return RunPlace(ws, parts[1], actor=actor, experiment=parts[0]), "/".join(parts[3:])


Kind = Callable[[str, list[str], Actor], tuple[Place, str] | None]
KINDS: list[Kind] = [_of_run]


def resolve(ws: str, path: str, *, actor: Actor) -> tuple[Place, str]:
    """(place, path inside of it; empty for its root) of a path below the root of artifacts.

    Raises Invalid "Invalid path" for what is no plain relative path, NotFound for what no kind of place has.
    """
    parts = clean(path).split("/")
    for kind in KINDS:
        if found := kind(ws, parts, actor):
            return found
    raise NotFound(f"There are no artifacts at {path[:200]!r}.")


def clean(path: str) -> str:
    """A plain relative path. Raises Invalid in the words that MLflow's server has for it."""
    try:
        return paths.clean(path)
    except Invalid as error:
        raise Invalid(f"Invalid path: {error.message}", code=error.code, **error.details) from None
