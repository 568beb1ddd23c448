"""A workspace: the door to everything that a team owns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

from zaffre import config
from zaffre.errors import ConfigError, NotFound, ZaffreError
from zaffre.transport import Client, workspace_path

if TYPE_CHECKING:
    from zaffre.core.compute import ComputeTarget
    from zaffre.core.dataset import FileDataset
    from zaffre.core.environment import Environment
    from zaffre.core.experiment import Experiment
    from zaffre.core.keyvault import Keyvault
    from zaffre.core.model import Model
    from zaffre.core.run import Run
    from zaffre.core.webservice import Webservice


class Workspace:
    """One workspace of one studio, as one user. `get` and `from_config` check that it is there."""

    def __init__(
        self,
        name: Optional[str] = None,
        resource_group: Optional[str] = None,
        workspace_name: Optional[str] = None,
        auth: Any = None,
        *,
        client: Optional[Client] = None,
        subscription_id: Optional[str] = None,
    ) -> None:
        """Without `client` the same as `get(name)`. Old scripts say `Workspace(subscription, group, workspace_name)`:
        what comes first then is no name."""
        self.name: str = workspace_name or name or ""
        if client is None:
            found = Workspace.get(self.name or None)
            self.name, client = found.name, found.client
        self.client: Client = client

    @classmethod
    def get(
        cls,
        name: Optional[str] = None,
        auth: Any = None,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        *,
        url: Optional[str] = None,
        token: Optional[str] = None,
    ) -> "Workspace":
        """The workspace `name` (of the login, without one) of the studio at `url` (of the login, without one).

        `auth`, `subscription_id` and `resource_group` are taken from old scripts and mean nothing.
        Raises ConfigError when no studio, token or name is known, Refused when the studio does not give it.
        """
        login = config.find_login(url=url, token=token, workspace=name)
        return cls._of(login)

    @classmethod
    def from_config(
        cls, path: Optional[str] = None, auth: Any = None, _logger: Any = None, _file_name: Optional[str] = None
    ) -> "Workspace":
        """The workspace that a config file names; without a file, the one of the environment or the login.

        `.zaffre/config.json`, `.azureml/config.json` and `config.json` are looked for in `path` or the current
        folder, then in each parent. Raises ConfigError that names the places, and as `get`.
        """
        if _file_name:
            path = str(Path(path or ".", _file_name))
        file, searched = config.find_workspace_file(path)
        if file is not None:
            named = config.read_workspace_file(file)
            url = named.get("url")
            login = config.find_login(url=url, workspace=named["workspace_name"], trusted=False)
            try:
                return cls._of(login)
            except NotFound as error:
                error.hint = f"{file} names it. {_yours(login)}"
                raise
        try:
            return cls._of(config.find_login())
        except ConfigError as error:
            folders = sorted({str(place.parent.parent if place.parent.name[0:1] == "." else place.parent)
                              for place in searched}, key=len, reverse=True)  # fmt: skip
            empty = [str(place) for place in searched if place.is_file() and place != config.login_file()]
            told = f" {', '.join(empty)} is there, without a workspace_name that can be read." if empty else ""
            raise ConfigError(
                f"No config file names a workspace: looked for {', '.join(config.CONFIG_FILES)} in "
                f"{', '.join(folders)}.{told} And: {error.message}",
                hint=error.hint,
                code=error.code,
            ) from None

    @classmethod
    def _of(cls, login: config.Login) -> "Workspace":
        if not login.workspace:
            raise ConfigError(
                f"No workspace is named ({login.source}).",
                hint="Name one, or set ZAFFRE_WORKSPACE.",
                code="no_workspace",
            )
        made = cls(login.workspace, client=Client(login.url, login.token))
        made.get_details()
        return made

    @classmethod
    def create(
        cls,
        name: str,
        *,
        friendly_name: Optional[str] = None,
        description: str = "",
        exist_ok: bool = False,
        url: Optional[str] = None,
        token: Optional[str] = None,
        **_: Any,
    ) -> "Workspace":
        """Found a workspace whose owner you are. Raises Refused when there is one, unless `exist_ok`.

        A subscription, a group, a location and what else a cloud wants to know are taken and mean nothing.
        """
        from zaffre.errors import Conflict, Invalid

        login = config.find_login(url=url, token=token)
        client = Client(login.url, login.token)
        made = cls(name, client=client)
        try:
            client.post("/api/v1/workspaces", {"slug": name, "name": friendly_name or name, "description": description})
        except (Conflict, Invalid):
            if not exist_ok:
                raise
            try:
                made.get_details()
            except NotFound:
                pass
            else:
                return made
            raise
        return made

    @staticmethod
    def list(
        subscription_id: Optional[str] = None,
        auth: Any = None,
        resource_group: Optional[str] = None,
        *,
        url: Optional[str] = None,
        token: Optional[str] = None,
    ) -> "Dict[str, Workspace]":
        """Your workspaces by name, of whatever subscription."""
        login = config.find_login(url=url, token=token)
        client = Client(login.url, login.token)
        found = client.get("/api/v1/workspaces")["workspaces"]
        return {one["slug"]: Workspace(one["slug"], client=client) for one in found}

    def write_config(self, path: Optional[str] = None, file_name: Optional[str] = None) -> str:
        """Write `.zaffre/config.json` below `path` or here, so that `from_config` finds this workspace; no token."""
        folder = Path(path or ".").expanduser() / ".zaffre"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / (file_name or "config.json")
        if file.absolute() == config.login_file():
            raise ConfigError(f"{file} holds your logins.", hint="Write the config into a project's folder.")
        file.write_text(json.dumps({"workspace_name": self.name, "url": self.client.url}, indent=2) + "\n", "utf-8")
        return str(file)

    # --- what it owns ------------------------------------------------------------------------------
    @property
    def path(self) -> str:
        """The beginning of the addresses of everything in it."""
        return workspace_path(self.name)

    @property
    def url(self) -> str:
        """The address of the studio."""
        return self.client.url

    @property
    def subscription_id(self) -> str:
        """Empty: a studio knows no subscriptions; old scripts print it. So are the next two."""
        return ""

    resource_group = location = subscription_id

    def get_default_datastore(self) -> Any:
        """Raises UserErrorException: there are no datastores."""
        from zaffre.core.datastore import Datastore

        return Datastore.get_default(self)

    def set_default_datastore(self, name: str) -> None:
        """Raises UserErrorException, as `get_default_datastore`."""
        self.get_default_datastore()

    @property
    def datastores(self) -> "Dict[str, Any]":
        """Empty: there are none."""
        return {}

    def get_details(self) -> Dict[str, Any]:
        """{slug, name, description, created, role}, and what scripts of then read: id, location… Raises Refused."""
        found = dict(self.client.get(self.path))
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        then = {
            "id": f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{self.name}",
            "location": self.location,
            "friendlyName": found.get("name"),
            "creationTime": found.get("created"),
        }
        return {**then, **found}

    def get_mlflow_tracking_uri(self) -> str:
        """The address that MLflow takes as its tracking URI; its client in this process logs in there from now on."""
        from zaffre.mlflowlogin import remember

        remember(self.client.url, self.client.token)
        return f"{self.client.url}/mlflow/{self.name}"

    def get_portal_url(self) -> str:
        """The page of the workspace."""
        return f"{self.client.url}/w/{self.name}"

    @property
    def experiments(self) -> "Dict[str, Experiment]":
        from zaffre.core.experiment import Experiment

        return {one.name: one for one in Experiment.list(self)}

    @property
    def models(self) -> "Dict[str, Model]":
        """The newest version of each model."""
        from zaffre.core.model import Model

        return {one.name: one for one in Model.list(self, latest=True)}

    @property
    def datasets(self) -> "Dict[str, FileDataset]":
        from zaffre.core.dataset import Dataset

        return Dataset.get_all(self)

    @property
    def environments(self) -> "Dict[str, Environment]":
        from zaffre.core.environment import Environment

        return Environment.list(self)

    @property
    def compute_targets(self) -> "Dict[str, ComputeTarget]":
        from zaffre.core.compute import ComputeTarget

        return {one.name: one for one in ComputeTarget.list(self)}

    def get_default_compute_target(self, type: str) -> "Optional[ComputeTarget]":
        """None: no target is taken for a kind of work that names none, but `local`."""
        return None

    def get_run(self, run_id: str) -> "Run":
        """The run of this id. Raises NotFound."""
        from zaffre.core.run import Run

        return Run.get(self, run_id)

    def get_default_keyvault(self) -> "Keyvault":
        """The secrets of the workspace."""
        from zaffre.core.keyvault import Keyvault

        return Keyvault(self)

    @property
    def webservices(self) -> "Dict[str, Webservice]":
        from zaffre.core.webservice import Webservice

        return {one.name: one for one in Webservice.list(self)}

    def __repr__(self) -> str:
        return f"Workspace({self.name!r}, url={self.client.url!r})"


def _yours(login: config.Login) -> str:
    """Which workspaces there are instead, the nearest name first."""
    from difflib import get_close_matches

    try:
        found = Client(login.url, login.token, patience=0).get("/api/v1/workspaces")["workspaces"]
    except ZaffreError:
        return ""
    names = [str(one["slug"]) for one in found]
    near = get_close_matches(login.workspace, names, n=1)
    if near:
        return f"Did you mean {near[0]}?"
    return f"Your workspaces at {login.url}: {', '.join(names) or 'none; ask an owner to add you'}."
