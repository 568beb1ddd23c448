"""zaffre model register, list, show, download, alias"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Dict

from zaffre.cli.common import age, facts, named_version, noun, pairs, table, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.progress import size_text
from zaffre.transport import segment


def add(nouns: Any) -> None:
    verbs = noun(nouns, "model", "Versioned models and the runs that they came from.")
    register = verb(
        verbs, "register", _register, "Make a version of a model out of files of a run, or of this machine."
    )
    register.add_argument("name", metavar="NAME")
    register.add_argument("--run", metavar="RUN", help="the run whose files they are")
    register.add_argument("-f", "--run-metadata-file", metavar="FILE", help="that run, as submit-script -t wrote it")
    register.add_argument("--path", metavar="PATH", help="a file or folder of the run (default: outputs), or here")
    register.add_argument("--description", default="")
    register.add_argument("--framework", default="")
    register.add_argument("--tag", action="append", metavar="NAME=VALUE")
    verb(verbs, "list", _list, "The models of the workspace.")
    show = verb(verbs, "show", _show, "A version of a model and its files.")
    show.add_argument("model", metavar="NAME[:V|@ALIAS]")
    download = verb(verbs, "download", _download, "Fetch the files of a model.")
    download.add_argument("model", metavar="NAME[:V|@ALIAS]")
    download.add_argument("--to", default=".", metavar="DIR")
    download.add_argument("--overwrite", action="store_true")
    alias = verb(verbs, "alias", _alias, "Let an alias such as champion mean a version, or nothing with --delete.")
    alias.add_argument("model", metavar="NAME[:V|@ALIAS]")
    alias.add_argument("alias", metavar="ALIAS")
    alias.add_argument("--delete", action="store_true")


def _register(options: argparse.Namespace) -> int:
    from zaffre.core.model import Model
    from zaffre.core.run import Run

    if options.run_metadata_file:
        if options.run:
            raise UserErrorException("Give either --run or --run-metadata-file.", code="usage")
        options.run = _named_by(options.run_metadata_file)
    if not options.run and not options.path:
        raise UserErrorException("Which files?", hint="Give --run RUN, or --path of a file here.", code="usage")
    space, tags = workspace_of(options), pairs(options.tag, "--tag")
    words: Dict[str, Any] = {"tags": tags, "description": options.description, "model_framework": options.framework}
    if options.run:
        model = Run.get(space, options.run).register_model(options.name, options.path, **words)
    else:
        model = Model.register(space, options.path, options.name, **words)
    found = space.client.get(_address(space, model.name, model.version))
    tell(options, found, lambda: f"Registered {model.id} ({len(model.files)} files).")
    return 0


def _named_by(file: str) -> str:
    """The id of the run that `zaffre run submit-script -t` wrote into a file. Raises UserErrorException."""
    try:
        told = json.loads(Path(file).expanduser().read_text("utf-8"))
        return str(told["run_id"])
    except (ValueError, KeyError, TypeError):
        hint = "It is what `zaffre run submit-script -t FILE` writes."
        raise UserErrorException(f"{file} names no run.", hint=hint, code="usage") from None


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/models")
    rows = [
        (one["name"], one["version"], _aliases(one), age(one["created"]), one.get("description"))
        for one in found["models"]
    ]
    empty = "There are no models yet: zaffre model register NAME --run RUN --path outputs/…"
    tell(options, found, lambda: table(("name", "version", "aliases", "created", "description"), rows, empty=empty))
    return 0


def _aliases(found: Dict[str, Any]) -> str:
    return ", ".join(f"{alias}={version}" for alias, version in sorted((found.get("aliases") or {}).items()))


def _show(options: argparse.Namespace) -> int:
    model = _model(options)
    found = model.workspace.client.get(_address(model.workspace, model.name, model.version))

    def text() -> str:
        head = facts(
            [
                ("model", model.id),
                ("description", model.description),
                ("framework", model.framework),
                ("run", model.run_id),
                ("aliases", ", ".join(model.aliases)),
                ("tags", ", ".join(f"{key}={value}" for key, value in model.tags.items())),
                ("created", f"{age(model.created_time)} by {model.created_by}"),
            ]
        )
        rows = [(one["path"], size_text(one["size"])) for one in model.files]
        return f"{head}\n\n{table(('file', 'size'), rows, empty='')}"

    tell(options, found, text)
    return 0


def _download(options: argparse.Namespace) -> int:
    model = _model(options)
    path = model.download(options.to, exist_ok=options.overwrite)
    tell(options, {"model": model.id, "path": path}, lambda: path)
    return 0


def _alias(options: argparse.Namespace) -> int:
    model = _model(options)
    if options.delete:
        model.delete_alias(options.alias)
        text = f"{options.alias} means no version of {model.name} any more."
    else:
        model.set_alias(options.alias)
        text = f"{model.name}@{options.alias} is {model.id}."
    tell(options, {"model": model.name, "version": model.version, "aliases": model.aliases}, lambda: text)
    return 0


def _model(options: argparse.Namespace) -> Any:
    from zaffre.core.model import Model

    if "@" in options.model:
        return Model(workspace_of(options), options.model)
    name, version = named_version(options.model)
    return Model(workspace_of(options), name, version=version)


def _address(space: Any, name: str, version: int) -> str:
    return f"{space.path}/models/{segment(name)}/versions/{version}"
