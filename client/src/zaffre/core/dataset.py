"""Datasets: versioned files that runs read."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Union

from zaffre.data.tabular_dataset import TabularDataset
from zaffre.errors import NotFound, UserErrorException
from zaffre.files import LocalFile, fetch, local_file, quoted, send
from zaffre.protocol import FileEntry
from zaffre.transport import segment

if TYPE_CHECKING:
    from zaffre.core.workspace import Workspace
    from zaffre.data.dataset_consumption_config import DatasetConsumptionConfig


class FileDataset:
    """Files: registered ones (of a version), or local ones that `register` sends."""

    def __init__(self, *, local: Optional[Path] = None) -> None:
        self.name = ""
        self.version: Optional[int] = None
        self.description = ""
        self._local = local
        self._workspace: "Optional[Workspace]" = None
        self._files: Optional[List[FileEntry]] = None

    @classmethod
    def from_json(cls, workspace: "Workspace", found: Dict[str, Any]) -> "FileDataset":
        """As the studio tells it."""
        made = cls()
        made.name, made.version = found["name"], int(found["version"])
        made.description = found.get("description") or ""
        made._workspace = workspace
        made._files = found.get("files")
        return made

    @property
    def id(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """name:version, as runs name their inputs. Raises UserErrorException for one that is not registered."""
        if self.version is None:
            raise UserErrorException("This dataset is not registered.", hint="Call register(workspace, name) first.")
        return f"{self.name}:{self.version}"

    @property
    def files(self) -> List[FileEntry]:
        """Path, hash and size of each file of the version."""
        if self._files is None:
            self._files = list(self._space().client.get(self._address())["files"])
        return self._files

    def to_path(self) -> List[str]:
        """The relative paths of the files."""
        if self._local is not None and self._files is None:
            return [file.path for file in local_files(self._local)]
        return [entry["path"] for entry in self.files]

    def download(self, target_path: str = ".", overwrite: bool = False) -> List[str]:
        """Fetch every file below `target_path`, checked; returns the paths. Raises as `zaffre.files.fetch`."""
        client, address = self._space().client, self._address()
        found = fetch(
            client,
            lambda entry: f"{address}/files/{quoted(entry['path'])}",
            self.files,
            Path(target_path),
            overwrite=overwrite,
        )
        return [str(path) for path in found]

    def register(
        self,
        workspace: "Workspace",
        name: str,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        create_new_version: bool = False,
    ) -> "FileDataset":
        """Send the files and keep them under `name`; equal files give the version that is there.

        Datasets have no tags here, and a warning says so. Raises UserErrorException when the name has other files,
        unless `create_new_version`.
        """
        if tags:
            told = f"Datasets have no tags here: {', '.join(tags)} are not kept. The description is."
            warnings.warn(told, UserWarning, stacklevel=2)
        if self._local is None:
            raise UserErrorException(f"{self.reference} is registered already.")
        files = send(workspace.client, f"{workspace.path}/blobs", local_files(self._local))
        if not create_new_version:
            _refuse_other_content(workspace, name, files)
        return FileDataset.from_json(workspace, post_version(workspace, name, description or "", self._local, files))

    def as_named_input(self, name: str) -> "DatasetConsumptionConfig":
        """This dataset as the input `name` of a run."""
        from zaffre.data.dataset_consumption_config import DatasetConsumptionConfig

        return DatasetConsumptionConfig(name, self)

    def as_mount(self, path_on_compute: Optional[str] = None) -> "DatasetConsumptionConfig":
        """This dataset as an input that was not named: its name is made of which one it is."""
        return self.as_named_input(f"input_{quick_digest(self.reference)}").as_mount(path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> "DatasetConsumptionConfig":
        """As `as_mount`."""
        return self.as_named_input(f"input_{quick_digest(self.reference)}").as_download(path_on_compute)

    def mount(self, mount_point: Optional[str] = None) -> "MountContext":
        """The files in a folder of this machine while a `with` block lasts, or from `start()` to `stop()`.

        They are fetched when it starts: nothing is mounted. Raises UserErrorException for a folder that holds others.
        """
        return MountContext(self, mount_point)

    def _space(self) -> "Workspace":
        if self._workspace is None:
            raise UserErrorException("This dataset is not registered.", hint="Call register(workspace, name) first.")
        return self._workspace

    def _address(self) -> str:
        return f"{self._space().path}/datasets/{segment(self.name)}/versions/{self.version}"

    def __repr__(self) -> str:
        return f"FileDataset({self.name!r}, version={self.version})" if self.version else f"FileDataset({self._local})"


class MountContext:
    """The files of a dataset in a folder of this machine, from `start` to `stop`."""

    def __init__(self, dataset: FileDataset, mount_point: Optional[str]) -> None:
        self._dataset, self._given = dataset, mount_point
        self._made: Optional[tempfile.TemporaryDirectory[str]] = None
        self.mount_point = mount_point or ""

    def start(self) -> None:
        """Fetch the files; `mount_point` is the folder then."""
        if self._given is None:
            self._made = tempfile.TemporaryDirectory(prefix="zaffre-dataset-")
            self.mount_point = self._made.name
        self._dataset.download(self.mount_point)

    def stop(self) -> None:
        """Remove the folder, unless the caller named it."""
        if self._made is not None:
            self._made.cleanup()
            self._made = None

    def __enter__(self) -> "MountContext":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class FileDatasetFactory:
    """`Dataset.File`: datasets out of local files."""

    @staticmethod
    def upload_directory(src_dir: str, target: "Optional[Workspace]" = None) -> FileDataset:
        """The files of a folder. With a workspace as `target` they are sent now, otherwise by `register`."""
        made = FileDataset(local=Path(src_dir).expanduser())
        if target is not None:
            send(target.client, f"{target.path}/blobs", local_files(Path(src_dir)))
        return made

    @staticmethod
    def from_files(
        path: Union[str, "os.PathLike[str]"],
        validate: bool = True,
        partition_format: Optional[str] = None,
        is_file: bool = False,
    ) -> FileDataset:
        """A local file, or the files of a folder. Raises UserErrorException for a place in a datastore or the web, and
        with `validate` where there is nothing."""
        if not isinstance(path, (str, os.PathLike)) or "://" in str(path):
            raise UserErrorException(
                f"A dataset is made of files of this machine, not of {path!s:.80}.",
                hint="Download them first, and give their folder.",
            )
        place = Path(path).expanduser()
        if validate and not place.exists():
            raise UserErrorException(f"There is nothing at {path}.", hint="Give a file, or a folder of files.")
        return FileDataset(local=place)


class Dataset:
    """Finding and making datasets."""

    File = FileDatasetFactory
    Tabular = TabularDataset

    @staticmethod
    def get_by_name(workspace: "Workspace", name: str, version: Union[int, str] = "latest") -> FileDataset:
        """A registered dataset. Raises NotFound."""
        address = f"{workspace.path}/datasets/{segment(name)}"
        if version == "latest":
            version = workspace.client.get(address)["version"]
        return FileDataset.from_json(workspace, workspace.client.get(f"{address}/versions/{segment(version)}"))

    @staticmethod
    def get_by_id(workspace: "Workspace", id: str) -> FileDataset:
        """The dataset of this id, which is name:version. Raises NotFound."""
        name, _, version = id.partition(":")
        return Dataset.get_by_name(workspace, name, version or "latest")

    @staticmethod
    def get_all(workspace: "Workspace") -> Dict[str, FileDataset]:
        """The newest version of each dataset, by name."""
        found = workspace.client.get(f"{workspace.path}/datasets")["datasets"]
        return {one["name"]: FileDataset.from_json(workspace, one) for one in found}


def quick_digest(text: str) -> str:
    """Eight letters that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def local_files(place: Path) -> List[LocalFile]:
    """What a dataset of `place` holds: the file, or every file of the folder. Raises UserErrorException."""
    from zaffre.snapshot import list_folder

    place = place.expanduser()
    if place.is_dir():
        files = list_folder(place, rules=False).files
        if not files:
            raise UserErrorException(f"{place} holds no file.")
        return files
    return [local_file(place.name, place)]


def post_version(
    workspace: "Workspace", name: str, description: str, place: Path, files: List[FileEntry]
) -> Dict[str, Any]:
    """Make a version of files that were sent from `place`; the studio's answer."""
    body = {"name": name, "description": description, "files": files, "single_file": place.expanduser().is_file()}
    return dict(workspace.client.post(f"{workspace.path}/datasets", body))


def _refuse_other_content(workspace: "Workspace", name: str, files: List[FileEntry]) -> None:
    try:
        held = Dataset.get_by_name(workspace, name)
    except NotFound:
        return
    if {(one["path"], one["sha256"]) for one in held.files} != {(one["path"], one["sha256"]) for one in files}:
        raise UserErrorException(
            f"The dataset {name} exists with other files (version {held.version}).",
            hint="Pass create_new_version=True to add a version.",
        )
