"""The files of a run: uploading, listing, downloading."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Dict, List, Optional, Union

from zaffre.errors import Conflict, Unreachable, UserErrorException
from zaffre.files import LocalFile, fetch, fetch_one, local_file, quoted, safe_parts, send
from zaffre.protocol import FileEntry

if TYPE_CHECKING:
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

    def upload_file(self, name: str, path_or_stream: Union[str, "os.PathLike[str]", BinaryIO]) -> None:
        """Keep a file as `name`, in the place of an earlier one. Raises UserErrorException when it cannot be read."""
        if isinstance(path_or_stream, (str, os.PathLike)):
            self._upload([local_file(_plain(name), Path(path_or_stream))])
            return
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "content")
            with place.open("wb") as file:
                shutil.copyfileobj(path_or_stream, file)
            self._upload([local_file(_plain(name), place)])

    def upload_files(self, names: List[str], paths: List[str]) -> None:
        """Keep several files. Raises as `upload_file`."""
        if len(names) != len(paths):
            raise UserErrorException(f"{len(names)} names and {len(paths)} paths: there is one path for each name.")
        both = zip(names, paths)  # noqa: B905 - Python 3.9 has no `strict`
        self._upload([local_file(_plain(name), Path(path)) for name, path in both])

    def upload_folder(self, name: str, path: str) -> None:
        """Keep the files of a folder below `name`. Raises as `upload_file`."""
        from zaffre.snapshot import list_folder

        files = list_folder(Path(path), rules=False).files
        for file in files:
            file.path = f"{_plain(name)}/{file.path}"
        self._upload(files)

    def _upload(self, files: List[LocalFile]) -> None:
        if files:
            entries = send(self.client, self.blobs_address, files)
            self.client.post(f"{self.own_address}/artifacts", {"files": [_bare(entry) for entry in entries]})

    def _file(self, path: str, content: bytes) -> None:
        """Keep `content` as `path`, or under the next free number; on disk when the studio is away.

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
                    self._put_aside(chosen, content, error)
                self._taken.add(chosen)
                return

    @property
    def _taken(self) -> "set[str]":
        held: Optional["set[str]"] = self.__dict__.get("_taken_paths")
        if held is None:
            held = self.__dict__["_taken_paths"] = set()
        return held

    def _put_aside(self, path: str, content: bytes, error: Exception) -> None:
        place = Path("outputs", path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        sys.stderr.write(f"zaffre: {path} is kept as {place} until the end of the run: {error}\n")

    # --- reading --------------------------------------------------------------------------------
    def list_files(self, prefix: str = "") -> List[FileEntry]:
        """Path, hash and size of each file."""
        found: Dict[str, Any] = self.client.get(f"{self.address}/artifacts", prefix=prefix or None)
        return list(found["artifacts"])

    def get_file_names(self) -> List[str]:
        """The paths of the files."""
        return [entry["path"] for entry in self.list_files()]

    def download_file(self, name: str, output_file_path: Optional[str] = None) -> str:
        """Fetch a file to `output_file_path` (a folder, or a name; default: its own name here); returns the path.

        Raises NotFound.
        """
        base = name.rpartition("/")[2]
        target = Path(output_file_path or base).expanduser()
        if target.is_dir() or (output_file_path or "").endswith("/"):
            target = target / base
        target.parent.mkdir(parents=True, exist_ok=True)
        held = next((entry for entry in self.list_files(name) if entry["path"] == name), None)
        fetch_one(self.client, self._address_of(name), target, sha256=(held or {}).get("sha256"))
        return str(target)

    def download_files(
        self, prefix: Optional[str] = None, output_directory: str = ".", overwrite: bool = True
    ) -> List[str]:
        """Fetch every file whose path begins with `prefix`, under its path; returns the paths on disk."""
        entries = self.list_files(prefix or "")
        found = fetch(
            self.client,
            lambda entry: self._address_of(entry["path"]),
            entries,
            Path(output_directory),
            overwrite=overwrite,
        )
        return [str(path) for path in found]

    def get_all_logs(self, destination: str = ".") -> List[str]:
        """Fetch the log as `std_log.txt` into `destination`; returns its path in a list."""
        target = Path(destination).expanduser() / "std_log.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        fetch_one(self.client, f"{self.address}/log", target)
        return [str(target)]

    def _address_of(self, name: str) -> str:
        return f"{self.address}/artifacts/{quoted(name)}"


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
