"""The files of a run: uploading, listing, downloading."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Dict, List, Optional, Union

from zaffre.core.details_of_run import NAMES_OF_LOG
from zaffre.errors import Conflict, Unreachable, UserErrorException
from zaffre.files import LocalFile, fetch, fetch_one, local_file, quoted, safe_parts, send
from zaffre.protocol import FileEntry

if TYPE_CHECKING:
    from zaffre.core.workspace import Workspace
    from zaffre.transport import Client

#: A picture logged again under its name gets the next number.
_MOST_OF_A_NAME = 10_000


class FilesOfRun:
    """The part of `Run` that is about files."""

    client: "Client"
    address: str
    own_address: str
    blobs_address: str
    inside: bool
    id: str
    workspace: "Workspace"

    if TYPE_CHECKING:

        @property
        def known(self) -> Dict[str, Any]: ...

        def _patch(self, **changes: Any) -> None: ...

    def upload_file(
        self,
        name: str,
        path_or_stream: Union[str, "os.PathLike[str]", BinaryIO],
        datastore_name: Optional[str] = None,
    ) -> None:
        """Keep a file as `name`. Raises UserErrorException when the run has one of this name, or it cannot be read."""
        _refuse_datastore(datastore_name)
        if isinstance(path_or_stream, (str, os.PathLike)):
            self._upload_new([local_file(_plain(name), Path(path_or_stream))])
            return
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "content")
            with place.open("wb") as file:
                shutil.copyfileobj(path_or_stream, file)
            self._upload_new([local_file(_plain(name), place)])

    def upload_files(
        self,
        names: List[str],
        paths: List[str],
        return_artifacts: bool = False,
        timeout_seconds: Optional[float] = None,
        datastore_name: Optional[str] = None,
    ) -> Optional[Dict[str, FileEntry]]:
        """Keep several files, all or none; {name: file} with `return_artifacts`. Raises as `upload_file`.

        `timeout_seconds` is taken from old scripts: a file is sent until it is there or is refused.
        """
        _refuse_datastore(datastore_name)
        if len(names) != len(paths):
            raise UserErrorException(f"{len(names)} names and {len(paths)} paths: there is one path for each name.")
        both = zip(names, paths)  # noqa: B905 - Python 3.9 has no `strict`
        self._upload_new([local_file(_plain(name), Path(path)) for name, path in both])
        if not return_artifacts:
            return None
        wanted = {_plain(name): name for name in names}
        return {wanted[one["path"]]: one for one in self.list_files() if one["path"] in wanted}

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        """Keep the files of a folder below `name`. Raises as `upload_file`."""
        _refuse_datastore(datastore_name)
        self._upload_new(_of_folder(name, path))

    def _upload_folder(self, name: str, path: str) -> None:
        """The same for what may be there already, such as outputs/ at the end."""
        self._upload(_of_folder(name, path))

    def _upload_place(self, name: str, place: Path) -> None:
        self._upload(_of_folder(name, str(place)) if place.is_dir() else [local_file(_plain(name), place)])

    def _upload_new(self, files: List[LocalFile]) -> None:
        names = {file.path for file in files}
        if not names:
            return
        common = os.path.commonprefix(sorted(names))  # noqa: RUF071 - the studio's prefixes are of characters, too
        taken = sorted(names & {entry["path"] for entry in self.list_files(common)})
        if taken:
            more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
            hint = "Choose another name: a file that was uploaded does not change."
            raise UserErrorException(f"The run has a file {taken[0]!r}{more} already.", hint=hint)
        self._upload(files)

    def _upload(self, files: List[LocalFile]) -> None:
        if files:
            entries = send(self.client, self.blobs_address, files, uploads=f"{self.own_address}/uploads")
            self.client.post(f"{self.own_address}/artifacts", {"files": [_bare(entry) for entry in entries]})

    def _file(self, path: str, content: bytes) -> str:
        """Keep `content` as `path`, or under the next free number, which is returned; on disk when the studio is away.

        What lies in outputs/ is collected by the node when the script ends, so nothing is lost.
        """
        stem, suffix = os.path.splitext(path)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "content")
            place.write_bytes(content)
            for number in range(1, _MOST_OF_A_NAME):
                chosen = path if number == 1 else f"{stem}_{number}{suffix}"
                if chosen in self._taken:
                    continue
                try:
                    self._upload([local_file(chosen, place)])
                except Conflict as error:
                    if error.code not in ("stale_attempt", "final"):
                        raise  # those two: the run is not ours any more, and the recorder says so
                except Unreachable as error:
                    if not self.inside:
                        raise
                    chosen = self._put_aside(chosen, content, error)
                self._taken.add(chosen)
                return chosen
        raise UserErrorException(f"There are {_MOST_OF_A_NAME} files named {path!r} already.")

    @property
    def _taken(self) -> "set[str]":
        held: Optional["set[str]"] = self.__dict__.get("_taken_paths")
        if held is None:
            held = self.__dict__["_taken_paths"] = set()
        return held

    def _put_aside(self, path: str, content: bytes, error: Exception) -> str:
        place = Path("outputs", path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        sys.stderr.write(f"zaffre: {path} is kept as {place} until the end of the run: {error}\n")
        return place.as_posix()

    # --- reading --------------------------------------------------------------------------------
    def list_files(self, prefix: str = "") -> List[FileEntry]:
        """Path, hash and size of each file."""
        found: Dict[str, Any] = self.client.get(f"{self.address}/artifacts", prefix=prefix or None)
        return list(found["artifacts"])

    def get_file_names(self) -> List[str]:
        """The paths of the files."""
        return [entry["path"] for entry in self.list_files()]

    def download_file(self, name: str, output_file_path: Optional[str] = None, _validate_checksum: bool = True) -> str:
        """Fetch a file to `output_file_path` (a folder, or a name; default: its own name here); returns the path.

        What the run printed has the name `user_logs/std_log.txt`, or one of those that it had before. Raises NotFound.
        """
        base = name.rpartition("/")[2]
        target = Path(output_file_path or base).expanduser()
        if target.is_dir() or (output_file_path or "").endswith("/"):
            target = target / base
        target.parent.mkdir(parents=True, exist_ok=True)
        held = next((entry for entry in self.list_files(name) if entry["path"] == name), None)
        address = f"{self.address}/log" if held is None and name in NAMES_OF_LOG else self._address_of(name)
        fetch_one(self.client, address, target, sha256=(held or {}).get("sha256"))
        return str(target)

    def download_files(
        self,
        prefix: Optional[str] = None,
        output_directory: str = ".",
        output_paths: Optional[List[str]] = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: Optional[float] = None,
        *,
        overwrite: bool = True,
    ) -> List[str]:
        """Fetch every file whose path begins with `prefix`; returns the paths on disk.

        Each goes to its own path below `output_directory`, without the folder that `prefix` names when
        `append_prefix` is False, or to the path at its place in `output_paths`.
        `batch_size` and `timeout_seconds` are taken from old scripts and mean nothing.
        Raises UserErrorException when these are not as many as the files.
        """
        entries = self.list_files(prefix or "")
        folder = Path(output_directory)
        if output_paths is not None:
            if len(output_paths) != len(entries):
                raise UserErrorException(f"{len(output_paths)} output_paths, and {len(entries)} files.")
            both = zip(entries, output_paths)  # noqa: B905 - Python 3.9 has no `strict`
            return [self.download_file(entry["path"], str(folder / path)) for entry, path in both]
        head = "" if append_prefix else _folder_of(prefix or "", entries)
        targets = {entry["path"][len(head) :].lstrip("/"): entry["path"] for entry in entries}
        shown: List[FileEntry] = [
            {**entry, "path": path}
            for entry, path in zip(entries, targets)  # noqa: B905 - as above
        ]
        name = lambda entry: targets[entry["path"]]  # noqa: E731
        address, packs = lambda entry: self._address_of(name(entry)), f"{self.address}/artifacts/pack"
        found = fetch(self.client, address, shown, folder, overwrite=overwrite, packs=packs, name=name)
        return [str(path) for path in found]

    def get_all_logs(self, destination: Optional[str] = None) -> List[str]:
        """Fetch what it printed as `std_log.txt`, and its files in user_logs/ and logs/, into `destination`.

        Returns the paths.
        """
        folder = Path(destination or ".").expanduser()
        target = folder / "std_log.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        fetch_one(self.client, f"{self.address}/log", target)
        files = [path for name in ("user_logs/", "logs/") for path in self.download_files(name, str(folder))]
        return [str(target), *files]

    # --- its code ---------------------------------------------------------------------------------
    def get_snapshot_id(self) -> Optional[str]:
        """The snapshot of its code, None without one."""
        found = self.known.get("snapshot")
        return str(found) if found else None

    def take_snapshot(self, path: str) -> str:
        """Send a folder as the code of an interactive run that has none yet; returns the id of the snapshot.

        Raises SnapshotException for a folder that is too large, Conflict when the run has a snapshot.
        """
        from zaffre.snapshot import make_snapshot

        made = make_snapshot(self.client, self.workspace.name, Path(path))
        self._patch(snapshot=made["id"])
        return str(made["id"])

    def restore_snapshot(self, snapshot_id: Optional[str] = None, path: Optional[str] = None) -> str:
        """Fetch the code of this run, or another snapshot, into the folder `path` (default: named by its id).

        Returns the folder. Raises UserErrorException when the run has no snapshot, NotFound for an unknown one.
        """
        chosen = snapshot_id or self.get_snapshot_id()
        if not chosen:
            raise UserErrorException(f"The run {self.id} has no snapshot.")
        address = f"{self.workspace.path}/snapshots/{quoted(chosen)}"
        files: List[FileEntry] = self.client.get(address)["files"]
        folder = Path(path or f"snapshot-{chosen}").expanduser()
        file = lambda entry: f"{address}/files/{quoted(entry['path'])}"  # noqa: E731
        fetch(self.client, file, files, folder, overwrite=True, packs=f"{address}/pack")
        return str(folder)

    def _address_of(self, name: str) -> str:
        return f"{self.address}/artifacts/{quoted(name)}"


def _of_folder(name: str, path: str) -> List[LocalFile]:
    from zaffre.snapshot import list_folder

    files = list_folder(Path(path), rules=False).files
    for file in files:
        file.path = f"{_plain(name)}/{file.path}"
    return files


def _folder_of(prefix: str, entries: List[FileEntry]) -> str:
    """What of the paths a prefix names as their folder."""
    whole = prefix.rstrip("/")
    if whole and all(entry["path"].startswith(f"{whole}/") for entry in entries):
        return whole
    return prefix.rpartition("/")[0]


def _refuse_datastore(name: Optional[str]) -> None:
    if name is not None:
        raise UserErrorException("Files of a run lie in the studio itself; there are no datastores to choose from.")


def _bare(entry: FileEntry) -> FileEntry:
    return {"path": entry["path"], "sha256": entry["sha256"], "size": entry["size"]}


def _plain(name: str) -> str:
    """A name as a path of the run. Raises UserErrorException for one that could mean another place."""
    from zaffre.errors import ZaffreError

    found = name.replace("\\", "/")
    while found.startswith("./"):
        found = found[2:]
    found = found.rstrip("/")
    try:
        safe_parts(found)
    except ZaffreError:
        raise UserErrorException(f"{name!r} cannot be the name of a file of a run.") from None
    return found
