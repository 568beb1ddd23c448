"""What a script left in outputs/ and logs/: regular files only, hashed, uploaded where they are missing."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Dict, Iterable, Iterator, List, Optional, Set, Tuple

from zaffre.agent.disk import UnsafePath, safe_parts
from zaffre.agent.door import Refused
from zaffre.agent.seats import distribution_of
from zaffre.packs import in_packs, pack
from zaffre.parts import send_parts
from zaffre.protocol import BLOBS_MISSING, PACK_BELOW, UPLOAD_FROM_BYTES, FileEntry

if TYPE_CHECKING:
    from zaffre.agent.job import Job

OUTPUTS, LOGS = "outputs", "logs"
#: What each process of a run of many printed.
USER_LOGS = "user_logs"
MOST_FILES = 20_000
MOST_BYTES = 64 * 2**30
_PER_QUESTION = 1000
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass
class Collected:
    """How much was uploaded, and the paths that were not."""

    files: int = 0
    size: int = 0
    left_out: List[str] = field(default_factory=list)
    #: The last of them, which become files of the run with its result.
    waiting: List[FileEntry] = field(default_factory=list)


class Known:
    """What workspaces were seen to hold lately: the same list of packages comes with each run. Threads may share it."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._seen: "OrderedDict[Tuple[str, str], None]" = OrderedDict()
        self._lock = threading.Lock()

    def all_of(self, workspace: str, sha256s: Iterable[str]) -> bool:
        with self._lock:
            return all((workspace, one) in self._seen for one in sha256s)

    def note(self, workspace: str, sha256s: Iterable[str]) -> None:
        with self._lock:
            for one in sha256s:
                self._seen[workspace, one] = None
                self._seen.move_to_end((workspace, one))
            while len(self._seen) > self._most:
                self._seen.popitem(last=False)

    def forget(self, workspace: str, sha256s: Iterable[str]) -> None:
        with self._lock:
            for one in sha256s:
                self._seen.pop((workspace, one), None)


def watched(spec: Dict[str, Any]) -> Tuple[str, ...]:
    """The folders whose files are sent while the code writes them."""
    told = (spec.get("config") or {}).get("history") or {}
    own = [USER_LOGS] if distribution_of(spec) else []
    return (*told.get("directories_to_watch", [LOGS]), *own)


def collected(spec: Dict[str, Any]) -> Tuple[str, ...]:
    """The folders whose files are kept when the code has ended."""
    told = (spec.get("config") or {}).get("history") or {}
    first = (OUTPUTS,) if told.get("output_collection", True) else ()
    return (*first, *[folder for folder in watched(spec) if folder not in first])


def upload(job: Job, *, wait: bool = False) -> Collected:
    """Make the files of `collected` artifacts of the run; with `wait` all but the last group of them, whose bytes are
    sent. Raises Dropped and Left as `job.ask`."""
    done = Collected()
    try:
        root = os.open(str(job.place.work), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return done
    try:
        group: List[FileEntry] = []
        for entry in _entries(root, collected(job.spec), done):
            group.append(entry)
            if len(group) >= _PER_QUESTION:
                _send(job, root, group, done)
                group = []
        if group:
            _send(job, root, group, done, wait=wait)
    finally:
        os.close(root)
    return done


def _entries(root: int, folders: Tuple[str, ...], done: Collected) -> Iterator[FileEntry]:
    total = count = 0
    for path, handle, size in regular_files(root, folders, done.left_out):
        with os.fdopen(handle, "rb") as file:
            if count >= MOST_FILES or total + size > MOST_BYTES:
                done.left_out.append(path)
                continue
            digest, length = _hash(file)
        count, total = count + 1, total + length
        yield {"path": path, "sha256": digest, "size": length}


def regular_files(root: int, folders: Tuple[str, ...], left_out: List[str]) -> Iterator[Tuple[str, int, int]]:
    """(path, open handle, size) of every regular file below `folders`; the caller closes the handles.

    Each name is opened relative to its folder's handle and never through a link, so that nothing which
    the script made can lead out of its own folder.
    """
    waiting = list(reversed(folders))
    while waiting:
        path = waiting.pop()
        try:
            handle = open_inside(root, path)
        except OSError:
            if path not in folders:
                left_out.append(path)
            continue
        facts = os.fstat(handle)
        if stat.S_ISDIR(facts.st_mode):
            try:
                names = sorted(os.listdir(handle), reverse=True)
            finally:
                os.close(handle)
            for name in names:
                try:
                    safe_parts(f"{path}/{name}")
                    waiting.append(f"{path}/{name}")
                except UnsafePath:
                    left_out.append(f"{path}/{name}".encode("utf-8", "replace").decode())
        elif stat.S_ISREG(facts.st_mode) and path not in folders:
            yield path, handle, facts.st_size
        else:
            os.close(handle)
            left_out.append(path)


def open_inside(root: int, path: str) -> int:
    """Open `path` part by part from the folder `root`, following no link. Raises OSError."""
    handle = os.dup(root)
    try:
        for part in safe_parts(path):
            deeper = os.open(part, _OPEN, dir_fd=handle)
            os.close(handle)
            handle = deeper
    except BaseException:
        os.close(handle)
        raise
    return handle


def _hash(file: BinaryIO) -> Tuple[str, int]:
    digest, length = hashlib.sha256(), 0
    for piece in iter(lambda: file.read(1 << 20), b""):
        digest.update(piece)
        length += len(piece)
    return digest.hexdigest(), length


def _send(job: Job, root: int, group: List[FileEntry], done: Collected, *, wait: bool = False) -> None:
    by_hash: Dict[str, FileEntry] = {entry["sha256"]: entry for entry in group}
    workspace, known = str(job.spec.get("workspace", "")), job.shop.known
    if known.all_of(workspace, by_hash):
        try:
            _record(job, group, done, wait=wait)
            return
        except Refused as error:
            if error.code != BLOBS_MISSING:
                done.left_out += [entry["path"] for entry in group]
                return
            known.forget(workspace, by_hash)
    answer = job.ask("POST", "/blobs/missing", {"sha256": sorted(by_hash)}).json()
    lacking: Set[str] = set()
    wanted = [by_hash[sha256] for sha256 in answer.get("missing", []) if sha256 in by_hash]
    small = [entry for entry in wanted if entry["size"] < PACK_BELOW]
    for pack_of in in_packs(small, lambda entry: entry["size"]):
        if not _put_pack(job, root, pack_of):
            # One of them changed under our hands: alone, only that one is left out.
            lacking |= {entry["sha256"] for entry in pack_of if not _put(job, root, entry)}
    lacking |= {entry["sha256"] for entry in wanted if entry["size"] >= PACK_BELOW and not _put(job, root, entry)}
    kept = [entry for entry in group if entry["sha256"] not in lacking]
    done.left_out += [entry["path"] for entry in group if entry["sha256"] in lacking]
    if not kept:
        return
    try:
        _record(job, kept, done, wait=wait)
    except Refused:
        done.left_out += [entry["path"] for entry in kept]
        return
    known.note(workspace, [entry["sha256"] for entry in kept])


def forget(job: Job, files: List[FileEntry]) -> None:
    """Ask again whether the bytes of these files are held, the next time that they are sent."""
    job.shop.known.forget(str(job.spec.get("workspace", "")), [entry["sha256"] for entry in files])


def _record(job: Job, files: List[FileEntry], done: Collected, *, wait: bool) -> None:
    """Have them as files of the run, whose bytes the workspace holds. Raises Refused."""
    if wait:
        done.waiting = files
    else:
        job.ask("POST", "/artifacts", {"files": files})
    done.files += len(files)
    done.size += sum(entry["size"] for entry in files)


def _put_pack(job: Job, root: int, entries: List[FileEntry]) -> bool:
    def read(path: str) -> bytes:
        with os.fdopen(open_inside(root, path), "rb") as file:
            return file.read(PACK_BELOW)

    try:
        body = pack((entry["sha256"], read(entry["path"])) for entry in entries)
        job.ask("POST", "/blobs", make_body=lambda: body, timeout=60.0)
    except (Refused, OSError):
        return False
    return True


def _put(job: Job, root: int, entry: FileEntry) -> bool:
    """Upload one file; False when the studio does not want it or it changed under our hands."""
    if entry["size"] >= UPLOAD_FROM_BYTES:
        return _put_parts(job, root, entry)
    opened: List[BinaryIO] = []

    def body() -> BinaryIO:
        file = os.fdopen(open_inside(root, entry["path"]), "rb")
        opened.append(file)
        return file

    told = {"Content-Type": "application/octet-stream", "Content-Length": str(entry["size"])}
    try:
        job.ask("PUT", f"/blobs/{entry['sha256']}", make_body=body, headers=told, timeout=120.0)
    except (Refused, OSError):
        return False
    finally:
        for file in opened:
            file.close()
    return True


def _put_parts(job: Job, root: int, entry: FileEntry) -> bool:
    def ask(method: str, path: str, value: Any, body: Optional[bytes], headers: Dict[str, str]) -> Dict[str, Any]:
        more: Dict[str, Any] = {"make_body": lambda: body, "timeout": 60.0} if body is not None else {"timeout": 120.0}
        return dict(job.ask(method, path, value, headers=headers, **more).json())

    try:
        send_parts(
            ask,
            "/uploads",
            lambda: open_inside(root, entry["path"]),
            size=entry["size"],
            sha256=entry["sha256"],
        )
    except (Refused, OSError):
        return False
    return True
