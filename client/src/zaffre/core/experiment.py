"""An experiment: a name under which runs are compared. It is made by its first run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Union
from urllib.parse import quote

from zaffre.core.notebook import as_table
from zaffre.errors import NotFound, UserErrorException
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.run import Run
    from zaffre.core.script_run_config import ScriptRunConfig
    from zaffre.core.workspace import Workspace
    from zaffre.files import LocalFile

Wanted = Union[str, Mapping[str, str], None]
#: ?archived= of the list, by what `view_type` says.
_VIEWS = {"activeonly": "", "archivedonly": "1", "all": "all"}


class Experiment:
    """The runs of one experiment of a workspace."""

    def __init__(
        self, workspace: "Workspace", name: str, *, id: Optional[str] = None, description: Optional[str] = None
    ) -> None:
        """`id` and `description` are taken from old scripts; the name says which one it is."""
        if not isinstance(name, str):
            raise UserErrorException(f"An experiment has a name, unlike {name!r:.60}.")
        self.workspace = workspace
        self.name = name
        self._known: Optional[Dict[str, Any]] = None

    # --- which there are -------------------------------------------------------------------------
    @staticmethod
    def list(
        workspace: "Workspace",
        experiment_name: Optional[str] = None,
        view_type: str = "ActiveOnly",
        tags: Wanted = None,
    ) -> "List[Experiment]":
        """The experiments of a workspace, or the one of this name, the newest first.

        `view_type` is ActiveOnly, ArchivedOnly or All; `tags` asks as in `get_runs`.
        """
        archived = _VIEWS.get(str(getattr(view_type, "value", view_type)).lower().replace("_", ""))
        if archived is None:
            raise UserErrorException(f"view_type is ActiveOnly, ArchivedOnly or All, not {view_type!r}.")
        address = f"{workspace.path}/experiments"
        found = workspace.client.get(address, archived=archived or None, name=experiment_name)["experiments"]
        return [
            Experiment._from_json(workspace, one)
            for one in found
            if experiment_name in (None, one["name"]) and has(one.get("tags") or {}, tags)
        ]

    @classmethod
    def _from_json(cls, workspace: "Workspace", found: Mapping[str, Any]) -> "Experiment":
        made = cls(workspace, found["name"])
        made._known = dict(found)
        return made

    @staticmethod
    def delete(workspace: "Workspace", experiment_id: str) -> None:
        """Remove the experiment of this id. Raises Conflict when it has runs, NotFound when there is none."""
        workspace.client.delete(f"{workspace.path}/experiments/{segment(experiment_id)}")

    @staticmethod
    def from_directory(path: str, auth: Any = None) -> "Experiment":
        """The experiment of a project's folder: the workspace that its config file names, and the folder's name."""
        from zaffre.core.workspace import Workspace

        folder = Path(path).expanduser().resolve()
        return Experiment(Workspace.from_config(str(folder), auth), folder.name)

    # --- what it is ------------------------------------------------------------------------------
    def refresh(self) -> Dict[str, Any]:
        """What the studio knows of it now; one that was only named so far is made."""
        found = Experiment.list(self.workspace, self.name, "All")
        if found:
            self._known = found[0]._known
            return dict(self._known or {})
        self._known = dict(self.workspace.client.post(f"{self.workspace.path}/experiments", {"name": self.name}))
        return dict(self._known)

    @property
    def id(self) -> str:
        """Its number in the studio; one that was only named so far is made."""
        return str((self._known or self.refresh())["id"])

    @property
    def workspace_object(self) -> "Workspace":
        return self.workspace

    @property
    def archived_time(self) -> Optional[str]:
        """When it was archived, None when it is in the lists."""
        found = self.refresh()["archived"]
        return str(found) if found else None

    @property
    def description(self) -> str:
        return str(self.refresh()["description"])

    @description.setter
    def description(self, text: str) -> None:
        self._change(description=text)

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self.refresh()["tags"])

    def tag(self, key: str, value: Any = None) -> None:
        """Set a tag. Raises Refused for an archived experiment, as the next two do."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags; others stay."""
        self._change(tags={str(key): "" if value is None else str(value) for key, value in tags.items()})

    def remove_tags(self, tags: "List[str]") -> None:
        """Take tags away by their names."""
        self._change(tags=dict.fromkeys(tags))

    def archive(self) -> None:
        """Take it out of the lists; its runs stay, and its next run brings it back."""
        self._change(archived=True)

    def reactivate(self, new_name: Optional[str] = None) -> None:
        """Show it again, under another name if one is given. Raises Conflict when that is taken."""
        self._change(archived=False, **({"name": new_name} if new_name else {}))

    def _change(self, **changes: Any) -> None:
        address = f"{self.workspace.path}/experiments/{segment(self.id)}"
        self._known = dict(self.workspace.client.patch(address, changes))
        self.name = str(self._known["name"])

    # --- its runs --------------------------------------------------------------------------------
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

        Code that the studio has already takes one call: only what it lacks is sent before a second one.

        Raises UserErrorException when the script is missing or the folder too large, Refused for an unknown
        target, environment or dataset. Warns of a run that no node of the target can take as it is.
        """
        from zaffre.core.run import Run
        from zaffre.core.script_run_config import ScriptRunConfig
        from zaffre.files import hashed
        from zaffre.gitinfo import git_facts
        from zaffre.snapshot import list_code

        if not isinstance(config, ScriptRunConfig):
            raise UserErrorException(f"A ScriptRunConfig is submitted, not a {type(config).__name__}.")
        space, folder = self.workspace, Path(config.source_directory)
        effective = config.effective()
        if told := effective.ignored():
            warnings.warn(" ".join(told), UserWarning, stacklevel=2)
        run_config = effective.as_body(space)
        code = list_code(folder, script=run_config.get("script")).files
        body: Dict[str, Any] = {
            "experiment": self.name,
            "files": hashed(code),
            "config": run_config,
            "git": git_facts(folder),
            "tags": _texts({**effective.tags, **(tags or {})}),
            "properties": _texts(properties),
        }
        if display_name:
            body["name"] = display_name
        if parent:
            body["parent"] = parent
        answer = self._send(body, code)
        for text in answer.get("warnings") or []:
            warnings.warn(str(text), stacklevel=2)
        return Run.from_json(self, answer)

    def _send(self, body: Dict[str, Any], code: "List[LocalFile]") -> Dict[str, Any]:
        """Submit, and once more after the bytes were sent that the studio lacked."""
        from zaffre.errors import Refused
        from zaffre.files import send
        from zaffre.protocol import BLOBS_MISSING

        client, path = self.workspace.client, self.workspace.path
        try:
            return dict(client.post(f"{path}/submissions", body))
        except Refused as refused:
            if refused.code != BLOBS_MISSING:
                raise
        send(client, f"{path}/blobs", code)
        return dict(client.post(f"{path}/submissions", body))

    def start_logging(
        self,
        *,
        display_name: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        snapshot_directory: Optional[str] = None,
        outputs: Union[str, bool, None] = None,
        name: Optional[str] = None,
    ) -> "Run":
        """Begin an interactive run, which this process carries on: log, then `complete()` or `fail()`.

        Best in a `with` block, which ends it either way. The current folder gets a folder `outputs`, and what is
        written there until the run ends is sent then; another folder that `outputs` names is sent whole, and none with
        `outputs=False`. `snapshot_directory` is a folder of code that is sent now. `name` is another word for
        `display_name`.
        """
        from zaffre.core.outputs_of_run import OutputsFolder
        from zaffre.core.run import Run
        from zaffre.gitinfo import git_facts
        from zaffre.snapshot import make_snapshot

        space = self.workspace
        body: Dict[str, Any] = {"kind": "interactive", "experiment": self.name, "tags": _texts(tags)}
        body["git"] = git_facts(Path(snapshot_directory or "."))
        if display_name or name:
            body["name"] = display_name or name
        if snapshot_directory is not None:
            body["snapshot"] = make_snapshot(space.client, space.name, Path(snapshot_directory))["id"]
        run = Run.from_json(self, space.client.post(f"{space.path}/runs", body))
        if outputs is not False:
            run._outputs = outputs if isinstance(outputs, str) else OutputsFolder()
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

        `status` is a word such as Completed, `type` one such as `azureml.scriptrun`, as `Run.type` says it.
        `tags` and `properties`: a dict asks for each of its values, a text for the presence of that name.
        `filter`, such as "metrics.loss < 0.5 or params.model = 'mlp'", is asked of the studio. Raises Refused for one
        that cannot be read.
        """
        return runs_of(
            self.workspace,
            type,
            tags,
            properties,
            experiment=self,
            status=status,
            filter=filter,
            include_children=include_children,
        )

    def get_portal_url(self) -> str:
        """The page of the experiment."""
        return f"{self.workspace.url}/w/{self.workspace.name}/experiments/{quote(self.name)}"

    def _repr_html_(self) -> str:
        rows = [("Name", self.name, ""), ("Workspace", self.workspace.name, self.workspace.get_portal_url())]
        return as_table([*rows, ("Details Page", "Link to the studio", self.get_portal_url())])

    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, workspace={self.workspace.name!r})"


def _texts(given: Optional[Mapping[str, Any]]) -> Dict[str, str]:
    return {str(key): str(value) for key, value in (given or {}).items()}


def runs_of(
    workspace: "Workspace",
    type: Optional[str],
    tags: Wanted,
    properties: Wanted,
    *,
    experiment: Optional[Experiment] = None,
    status: Optional[str] = None,
    filter: Optional[str] = None,
    include_children: bool,
) -> Iterator["Run"]:
    """Runs of an experiment, or of all, page by page. Raises Refused for a filter that cannot be read."""
    from zaffre.core.details_of_run import state_of
    from zaffre.core.run import Run

    asked = {"experiment": experiment.name if experiment else None, "filter": filter}
    state, after = state_of(status) if status else None, None
    while True:
        try:
            page = workspace.client.get(f"{workspace.path}/runs", status=state, limit=100, after=after, **asked)
        except NotFound:
            workspace.get_details()  # an experiment without runs is none yet; a missing workspace is an error
            return
        for one in page["runs"]:
            if one.get("parent") and not include_children:
                continue
            if has(one.get("tags") or {}, tags) and has(one.get("properties") or {}, properties):
                run = Run.from_json(experiment or Experiment(workspace, one["experiment"]), one)
                if type in (None, run.type):
                    yield run
        after = page.get("next")
        if not after:
            return


def has(found: Mapping[str, str], wanted: Wanted) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return wanted in found
    return all(key in found and found[key] == str(value) for key, value in wanted.items())
