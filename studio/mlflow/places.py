"""From an artifact's path on MLflow's wire to what keeps it: `<experiment>/<run>/artifacts/<inside>`.

A new kind of place (such as the files of a model) is a class like `RunPlace` and a line in `KINDS`.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from registry import queries as versions
from registry.loggedmodels import queries as logged_models
from registry.loggedmodels import services as filling
from registry.loggedmodels.forms import no_such_logged_model
from runs import queries
from runs.artifacts import queries as artifacts
from runs.artifacts import reading, services, small
from runs.fencing import admit
from studio.kernel import paths
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, Invalid, NotFound


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

    def _refuse_elsewhere(self, experiment: int) -> None:
        if self.experiment not in {None, str(experiment)}:
            raise NotFound(f"There is no run {self.run_id[:40]!r} in the experiment {str(self.experiment)[:20]!r}.")

    def may_write(self) -> int:
        run = admit(self.run_id, actor=self.actor, workspace=self.ws)
        if run is None:
            run = queries.get_run_briefly(self.ws, self.run_id, actor=self.actor)
        self._refuse_elsewhere(run.experiment_id)
        return run.workspace_id

    def file(self, inside: str) -> Kept:
        found = artifacts.get_artifact(self.ws, self.run_id, inside, actor=self.actor)
        self._refuse_elsewhere(found.run.experiment_id)
        return Kept(found.path, found.sha256, found.size)

    def folder(self, inside: str) -> list[Listed]:
        self._refuse_elsewhere(queries.get_run_briefly(self.ws, self.run_id, actor=self.actor).experiment_id)
        found = artifacts.list_folder(self.ws, self.run_id, actor=self.actor, folder=inside)
        return [Listed(one.name, None if one.is_folder else one.size) for one in found]

    def add(self, inside: str, sha256: str, size: int) -> None:
        entry = {"path": inside, "sha256": sha256, "size": size}
        services.add_artifacts(self.run_id, actor=self.actor, files=[entry], workspace=self.ws, late=True)

    def folder_soon(self, inside: str) -> list[Listed]:
        """`folder`, with a right that is believed for a moment."""
        if not self.found_lately():
            self.find_run()
        return [Listed(*one) for one in reading.list_small(self.run_id, inside, actor=self.actor)]

    def let_in_lately(self) -> small.Writable | None:
        """What `let_in` answered a moment ago: then it costs no thread and no question."""
        known = small.let_in_lately(self.run_id, actor=self.actor, workspace=self.ws)
        return known if known and self.experiment in {None, str(known.experiment_id)} else None

    def let_in(self) -> small.Writable:
        """`may_write`, believed for a moment."""
        known = small.let_in(self.run_id, actor=self.actor, workspace=self.ws)
        self._refuse_elsewhere(known.experiment_id)
        return known

    def found_lately(self) -> bool:
        """Whether the actor might read the run a moment ago: then it costs no question."""
        known = reading.let_in_lately(self.run_id, actor=self.actor, workspace=self.ws)
        return known is not None and self.experiment in {None, str(known)}

    def find_run(self) -> None:
        """The right to read it, believed for a moment."""
        self._refuse_elsewhere(reading.let_in(self.run_id, actor=self.actor, workspace=self.ws))

    def find_small(self, inside: str) -> "Future[reading.Found]":
        """The file after `find_run`, with its bytes when they are few."""
        return reading.find_small(self.run_id, inside, actor=self.actor)

    def add_small(self, inside: str, data: bytes) -> "Future[small.Kept]":
        """Keep a file of at most small.SMALL bytes, after `let_in`; the future ends after the commit."""
        return small.add_small(self.run_id, inside, data, actor=self.actor, late=True)

    def remove(self, inside: str) -> None:
        self.may_write()
        services.remove_artifacts(self.run_id, inside, actor=self.actor, workspace=self.ws, late=True)


def _of_run(ws: str, parts: list[str], actor: Actor) -> tuple[Place, str] | None:
    if len(parts) < 3 or parts[2] != "artifacts":
        return None
    return RunPlace(ws, parts[1], actor=actor, experiment=parts[0]), "/".join(parts[3:])


class ModelPlace:
    """The files of a logged model."""

    def __init__(self, ws: str, model_id: str, *, actor: Actor, experiment: str | None = None) -> None:
        self.ws, self.model_id, self.actor, self.experiment = ws, model_id, actor, experiment

    def _refuse_elsewhere(self) -> None:
        found = logged_models.get_logged_model(self.ws, self.model_id, actor=self.actor)
        if self.experiment not in {None, str(found.experiment_id)}:
            raise no_such_logged_model(self.model_id)

    def may_write(self) -> int:
        self._refuse_elsewhere()
        return filling.may_fill(self.ws, self.model_id, actor=self.actor)

    def file(self, inside: str) -> Kept:
        self._refuse_elsewhere()
        found = logged_models.get_file(self.ws, self.model_id, inside, actor=self.actor)
        return Kept(found.path, found.sha256, found.size)

    def folder(self, inside: str) -> list[Listed]:
        self._refuse_elsewhere()
        found = logged_models.list_folder(self.ws, self.model_id, actor=self.actor, folder=inside)
        return [Listed(one.name, None if one.is_folder else one.size) for one in found]

    def add(self, inside: str, sha256: str, size: int) -> None:
        filling.add_file(self.ws, self.model_id, actor=self.actor, path=inside, sha256=sha256)

    def remove(self, inside: str) -> None:
        self._refuse_elsewhere()
        filling.remove_files(self.ws, self.model_id, actor=self.actor, path=inside)


def _of_model(ws: str, parts: list[str], actor: Actor) -> tuple[Place, str] | None:
    """`<experiment>/models/<model>/artifacts/<inside>`"""
    if len(parts) < 4 or parts[1] != "models" or parts[3] != "artifacts":
        return None
    return ModelPlace(ws, parts[2], actor=actor, experiment=parts[0]), "/".join(parts[4:])


class VersionPlace:
    """The files of a version of a registered model, which do not change. By the model's number: names move."""

    def __init__(self, ws: str, model: int, version: int, *, actor: Actor) -> None:
        self.ws, self.model, self.version, self.actor = ws, model, version, actor

    def _files(self) -> list[Kept]:
        rows = versions.search_versions(self.ws, actor=self.actor).filter(model=self.model, version=self.version)
        found = rows.first()
        if found is None:
            raise NotFound("There is no such version of a model.")
        return [Kept(one["path"], one["sha256"], one["size"]) for one in found.files]

    def may_write(self) -> int:
        raise Forbidden("The files of a registered version do not change. Register another version.")

    def file(self, inside: str) -> Kept:
        for one in self._files():
            if one.path == inside:
                return one
        raise NotFound(f"The version has no file {inside[:200]!r}.")

    def folder(self, inside: str) -> list[Listed]:
        found: dict[str, int | None] = {}
        for one in self._files():
            rest = one.path.removeprefix(f"{inside}/" if inside else "")
            if inside and rest == one.path:
                continue
            name, deeper, _ = rest.partition("/")
            found[name] = None if deeper else one.size
        return [Listed(name, size) for name, size in sorted(found.items())]

    def add(self, inside: str, sha256: str, size: int) -> None:
        self.may_write()

    def remove(self, inside: str) -> None:
        self.may_write()


def _of_version(ws: str, parts: list[str], actor: Actor) -> tuple[Place, str] | None:
    """`registry/<model>/<version>/<inside>`"""
    if len(parts) < 3 or parts[0] != "registry" or not all(one.isascii() and one.isdigit() for one in parts[1:3]):
        return None
    if len(parts[1]) > 18 or len(parts[2]) > 9:
        return None
    return VersionPlace(ws, int(parts[1]), int(parts[2]), actor=actor), "/".join(parts[3:])


Kind = Callable[[str, list[str], Actor], tuple[Place, str] | None]
KINDS: list[Kind] = [_of_model, _of_version, _of_run]


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
