"""An experiment: a name under which runs are compared. It is made by its first run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Union
from urllib.parse import quote

from zaffre.errors import UserErrorException

if TYPE_CHECKING:
    from zaffre.core.run import Run
    from zaffre.core.script_run_config import ScriptRunConfig
    from zaffre.core.workspace import Workspace

Wanted = Union[str, Mapping[str, str], None]


class Experiment:
    """The runs of one experiment of a workspace."""

    def __init__(self, workspace: "Workspace", name: str) -> None:
        self.workspace = workspace
        self.name = name
        self._id: Optional[str] = None

    @staticmethod
    def list(workspace: "Workspace", experiment_name: Optional[str] = None) -> "List[Experiment]":
        """The experiments of a workspace, or the one of this name, the newest first; without archived ones."""
        found = workspace.client.get(f"{workspace.path}/experiments")["experiments"]
        made = []
        for one in found:
            if experiment_name in (None, one["name"]):
                made.append(Experiment(workspace, one["name"]))
                made[-1]._id = str(one["id"])
        return made

    @property
    def id(self) -> str:
        """Its number in the studio. Raises UserErrorException while it has no run: its first one makes it."""
        if self._id is None:
            found = Experiment.list(self.workspace, self.name)
            if not found:
                raise UserErrorException(f"There is no experiment {self.name} yet: its first run makes it.")
            self._id = found[0]._id
        return str(self._id)

    @property
    def archived_time(self) -> None:
        """None: archived experiments are not listed here."""
        return None

    def submit(
        self,
        config: "ScriptRunConfig",
        tags: Optional[Mapping[str, str]] = None,
        *,
        display_name: Optional[str] = None,
        properties: Optional[Mapping[str, str]] = None,
        parent: Optional[str] = None,
    ) -> "Run":
        """Send the code as it is now, and queue a run of it, below the run `parent` if one is named.

        Raises UserErrorException when the script is missing or the folder too large, Refused for an unknown
        target, environment or dataset. Warns of a run that no node of the target can take as it is.
        """
        from zaffre.core.run import Run
        from zaffre.core.script_run_config import ScriptRunConfig
        from zaffre.gitinfo import git_facts
        from zaffre.snapshot import make_snapshot

        if not isinstance(config, ScriptRunConfig):
            raise UserErrorException(f"A ScriptRunConfig is submitted, not a {type(config).__name__}.")
        space, folder = self.workspace, Path(config.source_directory)
        effective = config.effective()
        if told := effective.ignored():
            warnings.warn(" ".join(told), UserWarning, stacklevel=2)
        run_config = effective.as_body(space)
        snapshot = make_snapshot(space.client, space.name, folder, script=run_config.get("script"))
        body: Dict[str, Any] = {
            "experiment": self.name,
            "snapshot": snapshot["id"],
            "config": run_config,
            "git": git_facts(folder),
            "tags": _texts({**effective.tags, **(tags or {})}),
            "properties": _texts(properties),
        }
        if display_name:
            body["name"] = display_name
        if parent:
            body["parent"] = parent
        answer = space.client.post(f"{space.path}/runs", body)
        for text in answer.get("warnings") or []:
            warnings.warn(str(text), stacklevel=2)
        return Run.from_json(self, answer)

    def start_logging(
        self,
        *,
        display_name: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        snapshot_directory: Optional[str] = None,
        outputs: Optional[str] = None,
    ) -> "Run":
        """Begin an interactive run, which this process carries on: log, then `complete()` or `fail()`.

        Best in a `with` block, which ends it either way. Nothing of the disk is sent without `snapshot_directory`, a
        folder of code that is sent now, and `outputs`, a folder that is sent as `outputs/` when the run ends.
        """
        from zaffre.core.run import Run
        from zaffre.gitinfo import git_facts
        from zaffre.snapshot import make_snapshot

        space = self.workspace
        body: Dict[str, Any] = {"kind": "interactive", "experiment": self.name, "tags": _texts(tags)}
        body["git"] = git_facts(Path(snapshot_directory or "."))
        if display_name:
            body["name"] = display_name
        if snapshot_directory is not None:
            body["snapshot"] = make_snapshot(space.client, space.name, Path(snapshot_directory))["id"]
        run = Run.from_json(self, space.client.post(f"{space.path}/runs", body))
        run._outputs = outputs
        return run

    def get_runs(
        self,
        type: Optional[str] = None,
        tags: Wanted = None,
        properties: Wanted = None,
        include_children: bool = False,
        *,
        status: Optional[str] = None,
        filter: Optional[str] = None,
    ) -> Iterator["Run"]:
        """The runs of this experiment, the newest first; with `include_children` those below other runs, too.

        `type` is a word such as `azureml.scriptrun`, as `Run.type` says it.
        `tags` and `properties`: a dict asks for each of its values, a text for the presence of that name.
        `filter`, such as "metrics.loss < 0.5 or params.model = 'mlp'", is asked of the studio. Raises Refused for one
        that cannot be read.
        """
        from zaffre.core.run import Run
        from zaffre.errors import NotFound

        after: Optional[str] = None
        while True:
            try:
                page = self.workspace.client.get(
                    f"{self.workspace.path}/runs",
                    experiment=self.name,
                    status=status,
                    filter=filter,
                    limit=100,
                    after=after,
                )
            except NotFound:
                self.workspace.get_details()  # an experiment without runs is none yet; a missing workspace is an error
                return
            for one in page["runs"]:
                if one.get("parent") and not include_children:
                    continue
                if has(one.get("tags") or {}, tags) and has(one.get("properties") or {}, properties):
                    run = Run.from_json(self, one)
                    if type in (None, run.type):
                        yield run
            after = page.get("next")
            if not after:
                return

    def get_portal_url(self) -> str:
        """The page of the experiment."""
        return f"{self.workspace.url}/w/{self.workspace.name}/experiments/{quote(self.name)}"

    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, workspace={self.workspace.name!r})"


def _texts(given: Optional[Mapping[str, Any]]) -> Dict[str, str]:
    return {str(key): str(value) for key, value in (given or {}).items()}


def has(found: Mapping[str, str], wanted: Wanted) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return wanted in found
    return all(key in found and found[key] == str(value) for key, value in wanted.items())
