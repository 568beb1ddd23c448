"""Models: versioned files with the run that they came from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from zaffre.errors import Invalid, NotFound, UserErrorException, ZaffreError
from zaffre.files import fetch, quoted, send
from zaffre.protocol import FileEntry
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.environment import Environment
    from zaffre.core.run import Run
    from zaffre.core.webservice import Webservice
    from zaffre.core.workspace import Workspace

#: A key, a list of keys and of [key, value], or a dict.
Wanted = Union[str, Sequence[Union[str, Sequence[str]]], Mapping[str, str], None]
_SERVING_DIR = "AZUREML_MODEL_DIR"


class ModelNotFoundException(ZaffreError):
    """There is no model of this name and version."""


class ModelPathNotFoundException(UserErrorException):
    """There are no files where a model should be."""


class InferenceConfig:
    """The scoring code of a deployment: a script with `init()` and `run()`, its folder, its environment."""

    def __init__(
        self, entry_script: str, source_directory: str = ".", environment: "Union[str, Environment]" = "system"
    ) -> None:
        self.entry_script = entry_script
        self.source_directory = source_directory
        self.environment: "Union[str, Environment]" = environment


class Model:
    """A version of a model; the newest one without a version."""

    class Framework:
        """Names of frameworks that pages know."""

        CUSTOM = "Custom"
        SCIKITLEARN = "ScikitLearn"
        TENSORFLOW = "TensorFlow"
        PYTORCH = "PyTorch"
        ONNX = "Onnx"
        KERAS = "Keras"

    def __init__(
        self,
        workspace: "Workspace",
        name: Optional[str] = None,
        id: Optional[str] = None,
        tags: Wanted = None,
        properties: Wanted = None,
        version: Union[int, str, None] = None,
        run_id: Optional[str] = None,
        model_framework: Optional[str] = None,
        expand: bool = True,
    ) -> None:
        """The newest version that has all that is asked for: an `id` is name:version, a name may be `name@alias`,
        `tags` and `properties` are as in `Model.list`, and `expand` means nothing here.

        Raises ModelNotFoundException, UserErrorException when nothing is asked for.
        """
        if id is not None:
            name, _, number = id.partition(":")
            version = number or version
        said = {"tags": tags, "properties": properties, "run_id": run_id, "model_framework": model_framework}
        told = ", ".join(f"{key}={value!r}" for key, value in said.items() if value)
        if not name and not told:
            raise UserErrorException("A model is asked for by its name, its id, its tags, properties or run.")
        self.workspace = workspace
        words = {"run": run_id, "framework": model_framework, "tags": _asked(tags), "properties": _asked(properties)}
        asked = {key: word for key, word in words.items() if word}
        code = "not_found"
        try:
            found = self._find(name or "", None if version is None else _number(version), asked)
        except NotFound as error:
            workspace.get_details()  # a missing workspace is another error
            found, code = None, error.code
        if found is None:
            called = (f" {name}" if name else "") + ("" if version is None else f":{version}")
            wanted = f"{called} ({told})" if told else called
            raise ModelNotFoundException(f"There is no model{wanted} in {workspace.name}.", code=code)
        self._take(found)

    def _find(self, name: str, version: Optional[int], asked: Mapping[str, str]) -> Optional[Mapping[str, Any]]:
        name, at, alias = name.partition("@")
        if name and (at or version is not None):
            end = f"aliases/{segment(alias)}" if at else f"versions/{version}"
            found: Mapping[str, Any] = self.workspace.client.get(f"{self.workspace.path}/models/{segment(name)}/{end}")
            if not asked or version not in (None, found["version"]):
                return found if version in (None, found["version"]) else None
            version = found["version"]
        # With a version at most one of the name's can fit: the others are many, and are passed over.
        fitting = _versions(self.workspace, 1 if version is None else 255, name=name, **asked)
        return next((one for one in fitting if version in (None, one["version"])), None)

    @classmethod
    def _from_json(cls, workspace: "Workspace", found: Mapping[str, Any]) -> "Model":
        made = cls.__new__(cls)
        made.workspace = workspace
        made._take(found)
        return made

    def _take(self, found: Mapping[str, Any]) -> None:
        self.name: str = found["name"]
        self.version = int(found["version"])
        self.description: str = found.get("description") or ""
        self.framework: str = found.get("framework") or ""
        self.tags: Dict[str, str] = dict(found.get("tags") or {})
        self.properties: Dict[str, str] = dict(found.get("properties") or {})
        # The list of models tells the aliases of all versions, a version its own.
        told = found.get("aliases") or []
        own = [alias for alias, number in told.items() if number == self.version] if isinstance(told, dict) else told
        self.aliases: List[str] = sorted(own)
        self.run_id: Optional[str] = _run_id(found.get("run"))
        self.created_time = found.get("created")
        self.created_by = found.get("created_by")
        self._files: Optional[List[FileEntry]] = found["files"] if isinstance(found.get("files"), list) else None

    @property
    def id(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def url(self) -> str:
        """Where the studio tells of it."""
        return f"{self.workspace.client.url}{self._address()}"

    @property
    def files(self) -> List[FileEntry]:
        """Path, hash and size of each file."""
        if self._files is None:
            self._take(self.workspace.client.get(self._address()))
        return list(self._files or [])

    @staticmethod
    def list(
        workspace: "Workspace",
        name: Optional[str] = None,
        tags: Wanted = None,
        properties: Wanted = None,
        run_id: Optional[str] = None,
        latest: bool = False,
        dataset_id: Optional[str] = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: Optional[str] = None,
    ) -> "List[Model]":
        """The versions of all models, or of the one of this name, the newest first; with `latest` the newest of each.

        `tags` and `properties` are a list of what each has: a key, or [key, value]; a dict asks for each of its values.
        `expand` means nothing here. Raises UserErrorException for a `dataset_id`: models do not keep their datasets.
        """
        if dataset_id is not None:
            hint = "List those of the runs that read it: Model.list(workspace, run_id=…)."
            raise UserErrorException("Models are not listed by a dataset: none is kept with them.", hint=hint)
        asked = {"name": name, "run": run_id, "framework": model_framework, "latest": "1" if latest else None}
        asked.update(tags=_asked(tags), properties=_asked(properties))
        limit = min(max(int(page_count), 1), 1000)
        return [Model._from_json(workspace, one) for one in _versions(workspace, limit, **asked)]

    @staticmethod
    def register(
        workspace: "Workspace",
        model_path: str,
        model_name: str,
        tags: Optional[Mapping[str, str]] = None,
        properties: Optional[Mapping[str, str]] = None,
        description: str = "",
        model_framework: Optional[str] = None,
    ) -> "Model":
        """Send a local file or folder and make a version of the model out of it.

        Raises ModelPathNotFoundException when there is nothing at `model_path`.
        """
        from zaffre.core.dataset import local_files

        place = Path(model_path).expanduser()
        if not place.exists():
            raise ModelPathNotFoundException(f"There is nothing at {model_path}.")
        files = send(workspace.client, f"{workspace.path}/blobs", local_files(place))
        body = _body(model_name, tags, properties, model_framework, description)
        return Model._from_json(workspace, workspace.client.post(f"{workspace.path}/models", {**body, "files": files}))

    @staticmethod
    def _from_run(
        run: "Run",
        name: str,
        path: str,
        tags: Optional[Mapping[str, str]],
        properties: Optional[Mapping[str, str]],
        framework: Optional[str],
        description: str,
    ) -> "Model":
        body = {**_body(name, tags, properties, framework, description), "run": run.id, "path": path}
        try:
            return Model._from_json(run.workspace, run.client.post(f"{run.workspace.path}/models", body))
        except Invalid as error:
            if error.code != "no_such_path":
                raise
            raise ModelPathNotFoundException(error.message, hint=error.hint, code=error.code) from None

    def download(self, target_dir: str = ".", exist_ok: bool = False) -> str:
        """Fetch the files below `target_dir`; returns the path of the model: its file, or the folder of its files.

        Raises UserErrorException for a file that exists with other content, unless `exist_ok`.
        """
        entries, address = self.files, self._address()
        fetch(
            self.workspace.client,
            lambda entry: f"{address}/files/{quoted(entry['path'])}",
            entries,
            Path(target_dir),
            overwrite=exist_ok,
        )
        tops = {entry["path"].partition("/")[0] for entry in entries}
        return str(Path(target_dir, tops.pop())) if len(tops) == 1 else str(Path(target_dir))

    @staticmethod
    def get_model_path(model_name: str, version: Optional[int] = None, _workspace: "Optional[Workspace]" = None) -> str:
        """Where a model's files are: in a scoring script what the studio laid there, elsewhere a download to
        `azureml-models/<name>/<version>`. Raises ModelPathNotFoundException, ModelNotFoundException.
        """
        serving = os.environ.get(_SERVING_DIR)
        if serving:
            return _served(Path(serving), model_name, version)
        workspace = _workspace
        if workspace is None:
            from zaffre.context import current_run
            from zaffre.core.workspace import Workspace

            space = getattr(current_run(), "workspace", None)
            workspace = space if isinstance(space, Workspace) else Workspace.from_config()
        model = Model(workspace, model_name, version=version)
        return model.download(str(Path("azureml-models", model.name, str(model.version))))

    @staticmethod
    def deploy(
        workspace: "Workspace",
        name: str,
        models: "List[Model]",
        inference_config: InferenceConfig,
        deployment_target: Any = None,
        overwrite: bool = False,
    ) -> "Webservice":
        """Put one model behind the endpoint `name`, which is made when there is none.

        Returns at once: `wait_for_deployment` waits. Raises WebserviceException when the endpoint exists,
        unless `overwrite`, which adds a deployment to it.
        """
        from zaffre.core.webservice import Webservice

        if len(models) != 1:
            raise UserErrorException("An endpoint serves one model.", hint="Register several files as one model.")
        return Webservice._deploy(workspace, name, models[0].id, inference_config, deployment_target, overwrite)

    def set_alias(self, alias: str) -> None:
        """Let `alias` mean this version from now on. Raises Invalid for a name such as `latest` or `v3`."""
        self._take(self.workspace.client.call("PUT", self._alias(alias), {"version": self.version}).json())

    def delete_alias(self, alias: str) -> None:
        """Let `alias` mean nothing; it is no mistake when it does not exist."""
        self.workspace.client.delete(self._alias(alias))
        self.aliases = [one for one in self.aliases if one != alias]

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """Add tags to this version; one that is there gets the new value."""
        self._patch(tags={key: str(value) for key, value in tags.items()})

    def remove_tags(self, keys: "List[str]") -> None:
        """Take tags from this version; one that is not there is no mistake."""
        self._patch(tags={key: None for key in keys if key in self.tags})

    def update(self, tags: Optional[Mapping[str, str]] = None, description: Optional[str] = None) -> None:
        """Change the tags, so that they are these, and the description of this version; None leaves them."""
        changes: Dict[str, Any] = {} if description is None else {"description": description}
        if tags is not None:
            gone = {key: None for key in self.tags if key not in tags}
            changes["tags"] = {**gone, **{key: str(value) for key, value in tags.items()}}
        self._patch(**changes)

    def _patch(self, **changes: Any) -> None:
        self._take(self.workspace.client.patch(self._address(), changes))

    def _alias(self, alias: str) -> str:
        return f"{self.workspace.path}/models/{segment(self.name)}/aliases/{segment(alias)}"

    def delete(self) -> None:
        """Delete the model with all its versions. Raises Conflict while an endpoint uses one."""
        self.workspace.client.delete(f"{self.workspace.path}/models/{segment(self.name)}")

    def _address(self) -> str:
        return f"{self.workspace.path}/models/{segment(self.name)}/versions/{self.version}"

    def __repr__(self) -> str:
        return f"Model({self.id!r}, workspace={self.workspace.name!r})"


def _versions(workspace: "Workspace", limit: int, **asked: Optional[str]) -> Iterator[Mapping[str, Any]]:
    """The versions of models that have what is asked for, the newest first, page by page."""
    before: Optional[int] = None
    while True:
        page = workspace.client.get(f"{workspace.path}/model-versions", limit=limit, before=before, **asked)
        yield from page["versions"]
        before = page["next"]
        if before is None:
            return


def _number(version: Union[int, str]) -> int:
    try:
        return int(version)
    except (TypeError, ValueError):
        raise UserErrorException(f"A version of a model is a whole number, not {version!r:.60}.") from None


def _body(
    name: str,
    tags: Optional[Mapping[str, str]],
    properties: Optional[Mapping[str, str]],
    framework: Optional[str],
    description: str,
) -> Dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "framework": framework or "",
        "tags": {str(key): str(value) for key, value in (tags or {}).items()},
        "properties": {str(key): str(value) for key, value in (properties or {}).items()},
    }


def _asked(wanted: Wanted) -> Optional[str]:
    """What a version is to have, in the words of the door: ["stage", ["kind", "tree"]]."""
    if not wanted:
        return None
    if isinstance(wanted, Mapping):
        wanted = list(wanted.items())
    told: List[Any] = []
    for one in [wanted] if isinstance(wanted, str) else wanted:
        pair = [one] if isinstance(one, str) else [str(word) for word in one]
        if len(pair) not in (1, 2):
            raise UserErrorException(f"A tag is asked for as key or [key, value], not {one!r:.60}.")
        told.append(pair)
    return json.dumps(told)


def _run_id(found: Any) -> Optional[str]:
    return found.get("id") if isinstance(found, dict) else found


def _served(folder: Path, name: str, version: Optional[int]) -> str:
    """The model below AZUREML_MODEL_DIR, which is the folder of the only one: …/<name>/<version>."""
    if folder.parent.name != name or (version is not None and folder.name != str(version)):
        raise ModelPathNotFoundException(f"This deployment serves {folder.parent.name}:{folder.name}, not {name}.")
    inside = sorted(folder.iterdir())
    return str(inside[0]) if len(inside) == 1 else str(folder)
