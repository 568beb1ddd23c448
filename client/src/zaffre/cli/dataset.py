"""zaffre dataset create, list, show, download"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from zaffre.cli.common import age, facts, named_version, noun, table, tell, verb, workspace_of
from zaffre.progress import size_text


def add(nouns: Any) -> None:
    verbs = noun(nouns, "dataset", "Versioned files that runs read.")
    create = verb(verbs, "create", _create, "Upload a file or a folder as a dataset, or as its next version.")
    create.add_argument("name", metavar="NAME")
    create.add_argument("path", metavar="PATH", type=Path)
    create.add_argument("--description", default="")
    verb(verbs, "list", _list, "The datasets of the workspace.")
    show = verb(verbs, "show", _show, "The files of a dataset.")
    show.add_argument("dataset", metavar="NAME[:V]")
    download = verb(verbs, "download", _download, "Fetch the files of a dataset.")
    download.add_argument("dataset", metavar="NAME[:V]")
    download.add_argument("--to", default=".", metavar="DIR")
    download.add_argument("--overwrite", action="store_true")


def _create(options: argparse.Namespace) -> int:
    from zaffre.core.dataset import local_files, post_version
    from zaffre.files import send

    space = workspace_of(options)
    files = send(space.client, f"{space.path}/blobs", local_files(options.path))
    found = post_version(space, options.name, options.description, options.path, files)
    word = "holds these files already" if found.get("unchanged") else "made"
    total = f"{found['file_count']} files, {size_text(found['size'])}"
    tell(options, found, lambda: f"{found['name']}:{found['version']} {word} ({total}).")
    return 0


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/datasets")
    rows = [
        (one["name"], one["version"], one["file_count"], size_text(one["size"]), age(one["changed"]))
        for one in found["datasets"]
    ]
    empty = "There is no data yet: zaffre dataset create NAME PATH"
    tell(options, found, lambda: table(("name", "version", "files", "size", "changed"), rows, empty=empty))
    return 0


def _show(options: argparse.Namespace) -> int:
    data = _dataset(options)
    found = data._space().client.get(data._address())
    rows = [(one["path"], size_text(one["size"])) for one in found["files"]]

    def text() -> str:
        head = facts(
            [
                ("dataset", f"{found['name']}:{found['version']}"),
                ("description", found.get("description")),
                ("size", size_text(found["size"])),
                ("scripts get", "the path of the file" if found.get("single_file") else "the path of the folder"),
                ("created", f"{age(found['created'])} by {found['created_by']}"),
            ]
        )
        return f"{head}\n\n{table(('file', 'size'), rows, empty='')}"

    tell(options, found, text)
    return 0


def _download(options: argparse.Namespace) -> int:
    data = _dataset(options)
    paths = data.download(options.to, overwrite=options.overwrite)
    tell(options, {"dataset": data.reference, "files": paths}, lambda: "\n".join(paths))
    return 0


def _dataset(options: argparse.Namespace) -> Any:
    from zaffre.core.dataset import Dataset

    name, version = named_version(options.dataset)
    return Dataset.get_by_name(workspace_of(options), name, version="latest" if version is None else version)
